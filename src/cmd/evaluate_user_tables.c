/* Tables of user models on held-out people. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"
#include "pasta/eval/measures.h"

enum { CALIBRATION_BINS = 10, LEAST_RATINGS = 3 /* of a person, for a rank correlation of its own */ };

static const struct pasta_estimate nothing = {NAN, NAN, NAN, 0, 0};

static struct pasta_estimate constant(double value, int64_t n, int64_t people)
{
    return n ? (struct pasta_estimate){value, NAN, NAN, n, people} : nothing;
}

/* Share of the most frequent answer: what a predictor without a model can have. */
static double most_frequent_versus(const struct evaluate_held_out *h)
{
    double count[4] = {0}, all = 0, most = 0;
    for (int64_t i = 0; i < h->n_turns; i++)
        if (!isnan(h->turn_versus[i])) {
            count[(int)h->turn_versus[i]]++;
            all++;
        }
    for (int v = 0; v < 4; v++)
        most = fmax(most, count[v]);
    return all > 0 ? most / all : NAN;
}

/* Copies the entries of turns with a choice (or of pairs without a tie) together, for measures that do not know NAN. */
static int64_t defined_only(const double *by, const double *a, const double *b, const int32_t *person, int64_t n, double *out_a,
                            double *out_b, int32_t *out_person)
{
    int64_t used = 0;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(by[i])) {
            out_a[used] = a[i];
            out_b[used] = b[i];
            out_person[used++] = person[i];
        }
    return used;
}

static struct pasta_estimate calibration_of(const struct evaluate_results *r, const struct evaluate_user *u)
{
    const struct evaluate_held_out *h = r->held_out;
    double *confidence = pasta_malloc((size_t)(h->n_turns + 1) * sizeof *confidence);
    double *correct = pasta_malloc((size_t)(h->n_turns + 1) * sizeof *correct);
    int32_t *person = pasta_malloc((size_t)(h->n_turns + 1) * sizeof *person);
    int64_t n = defined_only(u->choice, u->confidence, u->choice, h->turn_person, h->n_turns, confidence, correct, person);
    struct pasta_estimate e = pasta_calibration_error(r->people, confidence, correct, person, n, CALIBRATION_BINS);
    free(confidence);
    free(correct);
    free(person);
    return e;
}

/* 1, 0 or 0.5 by the sign of the predicted preference, on pairs that are no tie; NAN elsewhere. */
static double *untied_scores(const struct evaluate_held_out *h, const struct evaluate_user *u)
{
    double *score = pasta_malloc((h->pairs.n + 1) * sizeof *score);
    for (size_t i = 0; i < h->pairs.n; i++) {
        double label = h->pairs.items[i].label, first = u->pair_first[i];
        score[i] = label == 0.5 ? NAN : first == 0.5 ? 0.5 : (first > 0.5) == (label > 0.5);
    }
    return score;
}

static struct pasta_estimate agreement_of(const struct evaluate_results *r, const struct evaluate_user *u)
{
    const struct evaluate_held_out *h = r->held_out;
    for (int64_t p = 0; p < h->n_people; p++)
        if (h->true_type[p] < 0)
            return nothing; /* people whose truth is not known: nothing to agree with */
    return pasta_adjusted_rand(r->people, u->type, h->true_type, h->n_people);
}

struct mixture {
    const double *posterior; /* [people,types] */
    int64_t people;
    int types;
    double *mean; /* [types] scratch */
};

static double effective_types_at(const void *ctx, const double *weights)
{
    const struct mixture *m = ctx;
    memset(m->mean, 0, (size_t)m->types * sizeof *m->mean);
    for (int64_t p = 0; p < m->people; p++)
        for (int k = 0; k < m->types; k++)
            m->mean[k] += weights[p] * m->posterior[p * m->types + k];
    return pasta_effective_number(m->mean, m->types);
}

static struct pasta_estimate effective_types_of(const struct evaluate_results *r, const struct evaluate_user *u)
{
    double *mean = pasta_calloc((size_t)u->model->n_types, sizeof *mean);
    struct mixture m = {u->posterior, r->held_out->n_people, u->model->n_types, mean};
    struct pasta_estimate e = pasta_estimate_of(r->people, effective_types_at, &m, m.people, m.people);
    free(mean);
    return e;
}

enum metric {
    CHOICE, CHOICE_LOSS, CALIBRATION, VERSUS, PAIR, PAIR_UNTIED, RATING_POOLED, RATING_WITHIN, AGREEMENT, EFFECTIVE_TYPES, METRICS
};
static const struct { const char *key, *name; } metric_names[METRICS] = {
    [CHOICE] = {"choice_accuracy", "choice accuracy"},
    [CHOICE_LOSS] = {"choice_loss", "choice loss, nats (lower is better)"},
    [CALIBRATION] = {"choice_calibration_error", "choice calibration error (lower is better)"},
    [VERSUS] = {"cross_turn_accuracy", "cross-turn accuracy"},
    [PAIR] = {"pair_accuracy", "pair accuracy"},
    [PAIR_UNTIED] = {"pair_accuracy_untied", "pair accuracy without ties"},
    [RATING_POOLED] = {"rating_spearman", "rating rank correlation"},
    [RATING_WITHIN] = {"rating_spearman_within", "rating rank correlation, by person"},
    [AGREEMENT] = {"adjusted_rand_index", "adjusted Rand index of types"},
    [EFFECTIVE_TYPES] = {"effective_types", "effective number of types"},
};

static struct pasta_estimate metric_of(const struct evaluate_results *r, const struct evaluate_user *u, enum metric metric)
{
    const struct evaluate_held_out *h = r->held_out;
    int64_t ratings = (int64_t)h->ratings.n;
    struct pasta_estimate e = nothing;
    double *scores;
    switch (metric) {
    case CHOICE: return pasta_estimate_mean(r->people, u->choice, h->turn_person, h->n_turns);
    case CHOICE_LOSS: return pasta_estimate_mean(r->people, u->loss, h->turn_person, h->n_turns);
    case CALIBRATION: return calibration_of(r, u);
    case VERSUS: return pasta_estimate_mean(r->people, u->versus, h->turn_person, h->n_turns);
    case PAIR: return pasta_estimate_mean(r->people, u->pair_score, h->pair_person, (int64_t)h->pairs.n);
    case PAIR_UNTIED:
        scores = untied_scores(h, u);
        e = pasta_estimate_mean(r->people, scores, h->pair_person, (int64_t)h->pairs.n);
        free(scores);
        return e;
    case RATING_POOLED: return ratings ? pasta_spearman_pooled(r->people, u->rating, h->rating01, h->rating_person, ratings) : nothing;
    case RATING_WITHIN:
        return ratings ? pasta_spearman_within(r->people, u->rating, h->rating01, h->rating_person, ratings, LEAST_RATINGS) : nothing;
    case AGREEMENT: return agreement_of(r, u);
    case EFFECTIVE_TYPES: return effective_types_of(r, u);
    case METRICS: break;
    }
    return e;
}

/* Difference of each person's own rank correlation. */
static struct pasta_estimate within_difference(const struct evaluate_results *r, const struct evaluate_user *a,
                                               const struct evaluate_user *b)
{
    const struct evaluate_held_out *h = r->held_out;
    size_t people = (size_t)h->n_people;
    double *rho_a = pasta_malloc(people * sizeof *rho_a), *rho_b = pasta_malloc(people * sizeof *rho_b);
    int32_t *self = pasta_malloc(people * sizeof *self);
    for (size_t p = 0; p < people; p++)
        self[p] = (int32_t)p;
    pasta_spearman_of_people(a->rating, h->rating01, h->rating_person, (int64_t)h->ratings.n, h->n_people, LEAST_RATINGS, rho_a);
    pasta_spearman_of_people(b->rating, h->rating01, h->rating_person, (int64_t)h->ratings.n, h->n_people, LEAST_RATINGS, rho_b);
    struct pasta_estimate e = pasta_estimate_difference(r->people, rho_a, rho_b, self, h->n_people);
    e.n = metric_of(r, a, RATING_WITHIN).n;
    free(self);
    free(rho_a);
    free(rho_b);
    return e;
}

/* Last model less first, for the metrics that can be compared so. */
static struct pasta_estimate difference_of(const struct evaluate_results *r, enum metric metric)
{
    const struct evaluate_held_out *h = r->held_out;
    const struct evaluate_user *a = &r->users[r->n_users - 1], *b = &r->users[0];
    struct pasta_estimate e = nothing;
    double *x, *y;
    switch (metric) {
    case CHOICE: return pasta_estimate_difference(r->people, a->choice, b->choice, h->turn_person, h->n_turns);
    case CHOICE_LOSS: return pasta_estimate_difference(r->people, a->loss, b->loss, h->turn_person, h->n_turns);
    case VERSUS: return pasta_estimate_difference(r->people, a->versus, b->versus, h->turn_person, h->n_turns);
    case PAIR: return pasta_estimate_difference(r->people, a->pair_score, b->pair_score, h->pair_person, (int64_t)h->pairs.n);
    case PAIR_UNTIED:
        x = untied_scores(h, a);
        y = untied_scores(h, b);
        e = pasta_estimate_difference(r->people, x, y, h->pair_person, (int64_t)h->pairs.n);
        free(x);
        free(y);
        return e;
    case RATING_POOLED:
        return pasta_spearman_pooled_difference(r->people, a->rating, b->rating, h->rating01, h->rating_person, (int64_t)h->ratings.n);
    case RATING_WITHIN: return within_difference(r, a, b);
    default: return e;
    }
}

static struct pasta_estimate without_model(const struct evaluate_results *r, enum metric metric, struct pasta_estimate model)
{
    const struct evaluate_held_out *h = r->held_out;
    switch (metric) {
    case CHOICE: return constant(pasta_mean(h->turn_chance, h->n_turns), model.n, model.clusters);
    case CHOICE_LOSS: {
        double sum = 0, n = 0;
        for (int64_t i = 0; i < h->n_turns; i++)
            if (!isnan(h->turn_chance[i])) {
                sum -= log(h->turn_chance[i]);
                n++;
            }
        return constant(n > 0 ? sum / n : NAN, model.n, model.clusters);
    }
    case VERSUS: return constant(most_frequent_versus(h), model.n, model.clusters);
    case PAIR_UNTIED: return constant(0.5, model.n, model.clusters);
    case RATING_POOLED:
    case RATING_WITHIN:
    case AGREEMENT: return isnan(model.value) ? nothing : constant(0, model.n, model.clusters);
    default: return nothing;
    }
}

static bool truth_known(const struct evaluate_held_out *h)
{
    for (int64_t i = 0; i < h->n_turns; i++)
        if (!isnan(h->turn_truth[i]))
            return true;
    return false;
}

/* One a model, and one for the true utilities where they are known. */
static void model_columns(const struct evaluate_results *r, bool truth, struct pasta_table *t)
{
    for (int i = 0; i < r->n_users; i++) {
        char *key = evaluate_key(r->users[i].name);
        pasta_table_column(t, key, r->users[i].name, PASTA_FORMAT_NUMBER, 3);
        free(key);
    }
    if (truth)
        pasta_table_column(t, "true_utilities", "true utilities", PASTA_FORMAT_NUMBER, 3);
}

static void user_models_table(struct evaluate_results *r)
{
    const struct evaluate_held_out *h = r->held_out;
    bool truth = truth_known(h), many = r->n_users > 1;
    struct pasta_str note = {0};
    pasta_str_add(&note, "Each answer is predicted from the same person's answers before it: pairs, then ratings, then sessions turn by "
                         "turn. Without a model: 1/L for a choice, always the most frequent answer for better, same or worse.");
    if (truth)
        pasta_str_add(&note, " True utilities: how often the column that is best for the rater, before noise, was chosen.");
    pasta_str_add(&note, " Effective number of types: exp of the entropy of the people's mean posterior.");
    struct pasta_table *t = evaluate_table_add(r, "user_models", "User models on held-out people", note.data);
    pasta_str_release(&note);
    pasta_table_column(t, "metric", "metric", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "without_model", "without a model", PASTA_FORMAT_NUMBER, 3);
    model_columns(r, truth, t);
    if (many) {
        char *title = pasta_asprintf("%s - %s", r->users[r->n_users - 1].name, r->users[0].name);
        pasta_table_column(t, "difference", title, PASTA_FORMAT_CHANGE, 3);
        free(title);
    }
    for (enum metric m = 0; m < METRICS; m++) {
        struct pasta_estimate first = metric_of(r, &r->users[0], m);
        if (isnan(first.value) && first.n == 0)
            continue; /* nothing of this kind was given */
        pasta_table_row(t);
        pasta_table_text(t, metric_names[m].name);
        pasta_table_estimate(t, without_model(r, m, first));
        for (int i = 0; i < r->n_users; i++)
            pasta_table_estimate(t, i ? metric_of(r, &r->users[i], m) : first);
        if (truth)
            pasta_table_estimate(t, m == CHOICE ? pasta_estimate_mean(r->people, h->turn_truth, h->turn_person, h->n_turns) : nothing);
        if (many)
            pasta_table_estimate(t, difference_of(r, m));
    }
}

/* Of the turns with number `turn` (from 1). */
static struct pasta_estimate at_turn(const struct evaluate_results *r, const double *values, int turn)
{
    const struct evaluate_held_out *h = r->held_out;
    double *kept = pasta_malloc((size_t)(h->n_turns + 1) * sizeof *kept);
    for (int64_t i = 0; i < h->n_turns; i++)
        kept[i] = NAN;
    for (size_t s = 0; s < h->sessions.n; s++)
        if (h->sessions.items[s].n_turns >= turn)
            kept[h->first_turn[s] + turn - 1] = values[h->first_turn[s] + turn - 1];
    struct pasta_estimate e = pasta_estimate_mean(r->people, kept, h->turn_person, h->n_turns);
    free(kept);
    return e;
}

static void user_models_by_turn_table(struct evaluate_results *r)
{
    const struct evaluate_held_out *h = r->held_out;
    int turns = 0;
    for (size_t s = 0; s < h->sessions.n; s++)
        turns = h->sessions.items[s].n_turns > turns ? h->sessions.items[s].n_turns : turns;
    if (turns == 0)
        return;
    bool truth = truth_known(h);
    struct pasta_table *t = evaluate_table_add(r, "user_models_by_turn", "Choice accuracy by turn", NULL);
    pasta_table_column(t, "turn", "turn", PASTA_FORMAT_COUNT, 0);
    model_columns(r, truth, t);
    for (int turn = 1; turn <= turns; turn++) {
        pasta_table_row(t);
        pasta_table_count(t, turn);
        for (int i = 0; i < r->n_users; i++)
            pasta_table_estimate(t, at_turn(r, r->users[i].choice, turn));
        if (truth)
            pasta_table_estimate(t, at_turn(r, h->turn_truth, turn));
    }
}

void evaluate_user_tables(struct evaluate_results *r)
{
    user_models_table(r);
    user_models_by_turn_table(r);
}
