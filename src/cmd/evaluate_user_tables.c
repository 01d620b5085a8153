/* Tables of user models on held-out answers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"
#include "pasta/eval/measures.h"

enum { LEAST_RATINGS = 3 /* of a person, for a rank correlation of its own */ };

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

/* Confidence in the predicted answer, and whether it was given; NAN where none was asked. */
void evaluate_confidence(const struct evaluate_held_out *h, const struct evaluate_user *u, bool pairs, double *confidence, double *correct)
{
    for (int64_t i = 0; !pairs && i < h->n_turns; i++) {
        confidence[i] = u->confidence[i];
        correct[i] = u->choice[i];
    }
    for (size_t i = 0; pairs && i < h->pairs.n; i++) {
        double label = h->pairs.items[i].label, first = u->pair_first[i];
        confidence[i] = label == 0.5 ? NAN : fmax(first, 1 - first);
        correct[i] = label == 0.5 ? NAN : pasta_pair_side(first, label);
    }
}

static struct pasta_estimate calibration_of(const struct evaluate_results *r, const struct evaluate_user *u, bool pairs)
{
    const struct evaluate_held_out *h = r->held_out;
    const int32_t *cluster = pairs ? h->pair_cluster : h->turn_cluster;
    int64_t n = pairs ? (int64_t)h->pairs.n : h->n_turns, used = 0;
    double *confidence = pasta_malloc((size_t)(n + 1) * sizeof *confidence), *correct = pasta_malloc((size_t)(n + 1) * sizeof *correct);
    int32_t *own = pasta_malloc((size_t)(n + 1) * sizeof *own);
    evaluate_confidence(h, u, pairs, confidence, correct);
    for (int64_t i = 0; i < n; i++) /* the measure does not know NAN */
        if (!isnan(correct[i])) {
            confidence[used] = confidence[i];
            correct[used] = correct[i];
            own[used++] = cluster[i];
        }
    struct pasta_estimate e = pasta_calibration_error(r->clusters, confidence, correct, own, used, EVALUATE_BINS);
    free(confidence);
    free(correct);
    free(own);
    return e;
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
    CHOICE, CHOICE_LOSS, CALIBRATION, VERSUS, PAIR, PAIR_UNTIED, PAIR_HALF, PAIR_CALIBRATION, RATING_POOLED, RATING_WITHIN,
    RANKING_INVERSIONS, RANKING_PAIRS, RANKING_WITHIN, RANKING_POOLED, AGREEMENT, EFFECTIVE_TYPES, METRICS
};
_Static_assert(EVALUATE_BINS == 10, "the rules below say 10");
static const struct { const char *name, *rule; } metric_names[METRICS] = {
    [CHOICE] = {"choice accuracy", "likeliest column"},
    [CHOICE_LOSS] = {"choice loss, nats (lower is better)", "-log probability"},
    [CALIBRATION] = {"choice calibration error (lower is better)", "ECE in 10 equal bins"},
    [VERSUS] = {"cross-turn accuracy", "likeliest of three"},
    [PAIR] = {"pair accuracy", "half credit; ties by threshold"},
    [PAIR_UNTIED] = {"pair accuracy without ties", "ties dropped"},
    [PAIR_HALF] = {"pair accuracy, ties as half", "ties count half"},
    [PAIR_CALIBRATION] = {"pair calibration error (lower is better)", "ECE in 10 equal bins; ties dropped"},
    [RATING_POOLED] = {"rating rank correlation", "pooled Spearman"},
    [RATING_WITHIN] = {"rating rank correlation, by person", "mean Spearman over people"},
    [RANKING_INVERSIONS] = {"ranking accuracy", "1 - inversions (HPD v2)"},
    [RANKING_PAIRS] = {"ranking accuracy, unequal pairs", "pooled pairs (ImageReward)"},
    [RANKING_WITHIN] = {"ranking rank correlation", "mean Spearman over rankings"},
    [RANKING_POOLED] = {"ranking rank correlation, pooled", "pooled Spearman"},
    [AGREEMENT] = {"adjusted Rand index of types", "most probable type"},
    [EFFECTIVE_TYPES] = {"effective number of types", "exp entropy of mean posterior"},
};

/* A metric that is a mean over items: answers, or rankings or people with a value of their own. */
struct items {
    double *value; /* [n], NAN: not defined */
    const int32_t *cluster;
    int64_t n;
    int64_t behind; /* answers behind the defined items; -1: as many as items */
    const struct pasta_bootstrap *boot;
    int32_t *own; /* the memory of a cluster made here */
};

static struct items copy_of(const struct evaluate_results *r, const double *value, const int32_t *cluster, int64_t n)
{
    struct items items = {pasta_malloc((size_t)(n + 1) * sizeof(double)), cluster, n, -1, r->clusters, NULL};
    if (value)
        memcpy(items.value, value, (size_t)n * sizeof *value);
    return items;
}

/* Each person's own rank correlation. These are resampled by person in any case. */
static struct items ratings_of_people(const struct evaluate_results *r, const struct evaluate_user *u)
{
    const struct evaluate_held_out *h = r->held_out;
    struct items items = copy_of(r, NULL, NULL, h->n_people);
    items.boot = r->people;
    items.behind = 0;
    items.cluster = items.own = pasta_malloc((size_t)(h->n_people + 1) * sizeof *items.own);
    pasta_spearman_of_people(u->rating, h->rating01, h->rating_person, (int64_t)h->ratings.n, h->n_people, LEAST_RATINGS, items.value);
    for (int64_t p = 0; p < h->n_people; p++)
        items.own[p] = (int32_t)p;
    for (size_t i = 0; i < h->ratings.n; i++)
        items.behind += !isnan(items.value[h->rating_person[i]]);
    return items;
}

static double correlation_of_ranking(const struct pasta_ranking *ranking, const double *score)
{
    double *better = pasta_malloc((size_t)ranking->n * sizeof *better);
    for (int i = 0; i < ranking->n; i++)
        better[i] = -ranking->ranks[i];
    double rho = pasta_spearman(score, better, ranking->n);
    free(better);
    return rho;
}

static struct items items_of(const struct evaluate_results *r, const struct evaluate_user *u, enum metric metric)
{
    const struct evaluate_held_out *h = r->held_out;
    const int64_t pairs = (int64_t)h->pairs.n;
    struct items items = {0};
    switch (metric) {
    case CHOICE: return copy_of(r, u->choice, h->turn_cluster, h->n_turns);
    case CHOICE_LOSS: return copy_of(r, u->loss, h->turn_cluster, h->n_turns);
    case VERSUS: return copy_of(r, u->versus, h->turn_cluster, h->n_turns);
    case PAIR: return copy_of(r, u->pair_score, h->pair_cluster, pairs);
    case PAIR_UNTIED:
    case PAIR_HALF:
        items = copy_of(r, NULL, h->pair_cluster, pairs);
        for (int64_t i = 0; i < pairs; i++) {
            double label = h->pairs.items[i].label;
            items.value[i] = metric == PAIR_UNTIED && label == 0.5 ? NAN : pasta_pair_side(u->pair_first[i], label);
        }
        return items;
    case RATING_WITHIN: return ratings_of_people(r, u);
    case RANKING_INVERSIONS:
    case RANKING_WITHIN:
        items = copy_of(r, NULL, h->ranking_cluster, (int64_t)h->rankings.n);
        for (size_t i = 0; i < h->rankings.n; i++) {
            const struct pasta_ranking *ranking = &h->rankings.items[i];
            const double *score = u->ranked + h->first_ranked[i];
            items.value[i] = metric == RANKING_WITHIN ? correlation_of_ranking(ranking, score)
                                                      : pasta_inversion_score(pasta_ranking_order(score, ranking->ranks, ranking->n));
        }
        return items;
    default: return items;
    }
}

static void items_release(struct items *items)
{
    free(items->value);
    free(items->own);
}

/* Sums over clusters: pairs of unequal rank, and those of them that are right. */
static int64_t unequal_pairs(const struct evaluate_held_out *h, const struct evaluate_user *u, double sign, double *right, double *pairs)
{
    int64_t n = 0;
    for (size_t i = 0; i < h->rankings.n; i++) {
        const struct pasta_ranking *ranking = &h->rankings.items[i];
        struct pasta_order o = pasta_ranking_order(u->ranked + h->first_ranked[i], ranking->ranks, ranking->n);
        right[h->ranking_cluster[i]] += sign * (double)o.right;
        pairs[h->ranking_cluster[i]] += (double)o.unequal;
        n += o.unequal;
    }
    return n;
}

/* Of a, or of a less b where b is given. */
static struct pasta_estimate unequal_pairs_of(const struct evaluate_results *r, const struct evaluate_user *a, const struct evaluate_user *b)
{
    size_t clusters = (size_t)r->held_out->n_clusters;
    double *right = pasta_calloc(clusters, sizeof *right), *pairs = pasta_calloc(clusters, sizeof *pairs);
    double *ignored = pasta_calloc(clusters, sizeof *ignored);
    int64_t n = unequal_pairs(r->held_out, a, 1, right, pairs);
    if (b)
        unequal_pairs(r->held_out, b, -1, right, ignored);
    struct pasta_estimate e = pasta_estimate_ratio(r->clusters, right, pairs, n);
    free(right);
    free(pairs);
    free(ignored);
    return e;
}

/* All ranked images at once: a with b NULL, or a less b. */
static struct pasta_estimate ranked_together(const struct evaluate_results *r, const struct evaluate_user *a, const struct evaluate_user *b)
{
    const struct evaluate_held_out *h = r->held_out;
    double *better = pasta_malloc((size_t)(h->n_ranked + 1) * sizeof *better);
    int32_t *cluster = pasta_malloc((size_t)(h->n_ranked + 1) * sizeof *cluster);
    for (size_t i = 0; i < h->rankings.n; i++)
        for (int j = 0; j < h->rankings.items[i].n; j++) {
            better[h->first_ranked[i] + j] = -h->rankings.items[i].ranks[j];
            cluster[h->first_ranked[i] + j] = h->ranking_cluster[i];
        }
    struct pasta_estimate e = b ? pasta_spearman_pooled_difference(r->clusters, a->ranked, b->ranked, better, cluster, h->n_ranked)
                                : pasta_spearman_pooled(r->clusters, a->ranked, better, cluster, h->n_ranked);
    free(better);
    free(cluster);
    return e;
}

/* Probabilities and types are a user model's alone. */
static bool defined_for(const struct evaluate_user *u, enum metric metric)
{
    return !u->plain || (metric != CHOICE_LOSS && metric != CALIBRATION && metric != VERSUS && metric != PAIR_CALIBRATION &&
                         metric != AGREEMENT && metric != EFFECTIVE_TYPES);
}

static struct pasta_estimate metric_of(const struct evaluate_results *r, const struct evaluate_user *u, enum metric metric)
{
    const struct evaluate_held_out *h = r->held_out;
    if (!defined_for(u, metric))
        return nothing;
    switch (metric) {
    case CALIBRATION: return calibration_of(r, u, false);
    case PAIR_CALIBRATION: return calibration_of(r, u, true);
    case RATING_POOLED:
        return h->ratings.n ? pasta_spearman_pooled(r->clusters, u->rating, h->rating01, h->rating_cluster, (int64_t)h->ratings.n) : nothing;
    case RANKING_PAIRS: return unequal_pairs_of(r, u, NULL);
    case RANKING_POOLED: return h->n_ranked ? ranked_together(r, u, NULL) : nothing;
    case AGREEMENT: return agreement_of(r, u);
    case EFFECTIVE_TYPES: return effective_types_of(r, u);
    default: break;
    }
    struct items items = items_of(r, u, metric);
    struct pasta_estimate e = pasta_estimate_mean(items.boot, items.value, items.cluster, items.n);
    e.n = items.behind < 0 ? e.n : items.behind;
    items_release(&items);
    return e;
}

/* Last model less first, for the metrics that can be compared so. */
static struct pasta_estimate difference_of(const struct evaluate_results *r, enum metric metric)
{
    const struct evaluate_held_out *h = r->held_out;
    const struct evaluate_user *a = &r->users[r->n_users - 1], *b = &r->users[0];
    switch (metric) {
    case RATING_POOLED:
        return pasta_spearman_pooled_difference(r->clusters, a->rating, b->rating, h->rating01, h->rating_cluster, (int64_t)h->ratings.n);
    case RANKING_PAIRS: return unequal_pairs_of(r, a, b);
    case RANKING_POOLED: return ranked_together(r, a, b);
    case CALIBRATION:
    case PAIR_CALIBRATION:
    case AGREEMENT:
    case EFFECTIVE_TYPES: return nothing;
    default: break;
    }
    struct items x = items_of(r, a, metric), y = items_of(r, b, metric);
    struct pasta_estimate e = pasta_estimate_difference(x.boot, x.value, y.value, x.cluster, x.n);
    e.n = x.behind < 0 ? e.n : x.behind;
    items_release(&x);
    items_release(&y);
    return e;
}

/* What the commonest answer, a coin, or a tie for every pair would have. */
static double chance_of(const struct evaluate_held_out *h, enum metric metric)
{
    double sum = 0, n = 0;
    switch (metric) {
    case CHOICE: return pasta_mean(h->turn_chance, h->n_turns);
    case CHOICE_LOSS:
        for (int64_t i = 0; i < h->n_turns; i++)
            if (!isnan(h->turn_chance[i])) {
                sum -= log(h->turn_chance[i]);
                n++;
            }
        return n > 0 ? sum / n : NAN;
    case VERSUS: return most_frequent_versus(h);
    case PAIR:
        for (size_t i = 0; i < h->pairs.n; i++)
            sum += pasta_pair_score(0.5, h->pairs.items[i].label, 0);
        return h->pairs.n ? sum / (double)h->pairs.n : NAN;
    case RANKING_INVERSIONS:
        for (size_t i = 0; i < h->rankings.n; i++) {
            const struct pasta_ranking *ranking = &h->rankings.items[i];
            struct pasta_order o = pasta_ranking_order(ranking->ranks, ranking->ranks, ranking->n);
            o.right = 0;
            o.undecided = o.unequal;
            sum += pasta_inversion_score(o);
        }
        return h->rankings.n ? sum / (double)h->rankings.n : NAN;
    case PAIR_UNTIED:
    case PAIR_HALF:
    case RANKING_PAIRS: return 0.5;
    case RATING_POOLED:
    case RATING_WITHIN:
    case RANKING_WITHIN:
    case RANKING_POOLED:
    case AGREEMENT: return 0;
    default: return NAN;
    }
}

static struct pasta_estimate without_model(const struct evaluate_results *r, enum metric metric, struct pasta_estimate model)
{
    double chance = chance_of(r->held_out, metric);
    return isnan(chance) || isnan(model.value) ? nothing : constant(chance, model.n, model.clusters);
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

/* --- what the table says about itself --- */

static const char *split_name(const struct evaluate_split *split)
{
    if (split->by[EVALUATE_PEOPLE])
        return split->by[EVALUATE_PROMPTS] ? "held-out people and prompts" : "held-out people";
    return split->by[EVALUATE_PROMPTS] ? "held-out prompts" : "all answers given, whether trained on or not";
}

static void note_thresholds(const struct evaluate_results *r, struct pasta_str *note)
{
    if (r->held_out->pairs.n == 0)
        return;
    pasta_str_printf(note, " Half credit: Pick-a-Pic's rule, 1 for the right answer of first, second and tie, 0.5 where only one of label and "
                           "prediction is a tie, predicted where the probabilities differ by no more than a threshold, %s:",
                     r->users[0].tuned ? "the best on the validation pairs" : "for each half of the clusters the best on the other half");
    for (int i = -1; i < r->n_users; i++) {
        const struct evaluate_user *u = i < 0 ? r->plain : &r->users[i];
        pasta_str_printf(note, "%s %s %.1f", i < 0 ? "" : ",", u->name, u->threshold[0]);
        if (!u->tuned)
            pasta_str_printf(note, " and %.1f", u->threshold[1]);
    }
    pasta_str_add(note, ". Without a model: a tie for every pair.");
}

/* How many of those who could have a correlation of their own have none, because a side is constant. */
static void note_constants(const struct evaluate_results *r, enum metric metric, const char *what, struct pasta_str *note)
{
    for (int i = -1; i < r->n_users; i++) {
        const struct evaluate_user *u = i < 0 ? r->plain : &r->users[i];
        struct items items = items_of(r, u, metric);
        int64_t *count = pasta_calloc((size_t)items.n + 1, sizeof *count), constant_side = 0, all = 0;
        for (size_t j = 0; metric == RATING_WITHIN && j < r->held_out->ratings.n; j++)
            count[r->held_out->rating_person[j]]++;
        for (int64_t j = 0; j < items.n; j++) {
            bool enough = metric != RATING_WITHIN || count[j] >= LEAST_RATINGS;
            all += enough;
            constant_side += enough && isnan(items.value[j]);
        }
        if (i < 0 && all)
            pasta_str_printf(note, " Rank correlations leave out %s where a side is constant:", what);
        if (all)
            pasta_str_printf(note, "%s %s %lld of %lld", i < 0 ? "" : ",", u->name, (long long)constant_side, (long long)all);
        if (all && i == r->n_users - 1)
            pasta_str_add(note, ".");
        free(count);
        items_release(&items);
    }
}

static const char *resampled(const struct evaluate_results *r)
{
    return r->clusters == r->people ? "people" : "prompts";
}

static char *note_of(const struct evaluate_results *r, bool truth)
{
    const struct evaluate_held_out *h = r->held_out;
    struct pasta_str note = {0};
    pasta_str_printf(&note, "Split: %s. Intervals resample %s.", split_name(&h->split),
                     r->clusters == r->people ? "people" : "prompts, and people where a row speaks of people or types");
    pasta_str_add(&note, " Each answer is predicted from the same person's answers before it: pairs, then ratings, then sessions turn by "
                         "turn, then rankings. Without a model: 1/L for a choice, always the most frequent answer for better, same or worse.");
    pasta_str_add(&note, " Cosine: 100 cos of the encoder's own vectors, as CLIP and PickScore score.");
    if (truth)
        pasta_str_add(&note, " True utilities: how often the column that is best for the rater, before noise, was chosen.");
    note_thresholds(r, &note);
    note_constants(r, RATING_WITHIN, "people", &note);
    note_constants(r, RANKING_WITHIN, "rankings", &note);
    pasta_str_add(&note, " Effective number of types: exp of the entropy of the people's mean posterior.");
    return pasta_str_take(&note);
}

static void user_models_table(struct evaluate_results *r)
{
    const struct evaluate_held_out *h = r->held_out;
    bool truth = truth_known(h), many = r->n_users > 1;
    char *note = note_of(r, truth), *title = pasta_asprintf("User models on %s", split_name(&h->split));
    struct pasta_table *t = evaluate_table_add(r, "user_models", title, note);
    t->resampled = resampled(r);
    free(note);
    free(title);
    pasta_table_column(t, "metric", "metric", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "without_model", "without a model", PASTA_FORMAT_NUMBER, 3);
    pasta_table_column(t, "cosine", "cosine", PASTA_FORMAT_NUMBER, 3);
    model_columns(r, truth, t);
    if (many) {
        char *between = pasta_asprintf("%s - %s", r->users[r->n_users - 1].name, r->users[0].name);
        pasta_table_column(t, "difference", between, PASTA_FORMAT_CHANGE, 3);
        free(between);
    }
    pasta_table_column(t, "rule", "rule", PASTA_FORMAT_TEXT, 0);
    for (enum metric m = 0; m < METRICS; m++) {
        struct pasta_estimate first = metric_of(r, &r->users[0], m);
        if (isnan(first.value) && first.n == 0)
            continue; /* nothing of this kind was given */
        pasta_table_row(t);
        pasta_table_text(t, metric_names[m].name);
        pasta_table_estimate(t, without_model(r, m, first));
        pasta_table_estimate(t, metric_of(r, r->plain, m));
        for (int i = 0; i < r->n_users; i++)
            pasta_table_estimate(t, i ? metric_of(r, &r->users[i], m) : first);
        if (truth)
            pasta_table_estimate(t, m == CHOICE ? pasta_estimate_mean(r->clusters, h->turn_truth, h->turn_cluster, h->n_turns) : nothing);
        if (many)
            pasta_table_estimate(t, difference_of(r, m));
        pasta_table_text(t, metric_names[m].rule);
    }
}

/* The two sides of the split, by people and by prompts, and the hash of each. */
static void splits_table(struct evaluate_results *r)
{
    static const char *const names[] = {"people", "prompts"};
    const struct evaluate_split *split = &r->held_out->split;
    struct pasta_str note = {0};
    pasta_str_printf(&note, "Hashes: SHA-256 of the sorted ids, one a line. Of %lld answers %lld were left out, because a user model was "
                            "trained on what this evaluation holds out.", (long long)split->answers, (long long)split->left_out);
    if (split->nameless && split->by[EVALUATE_PEOPLE])
        pasta_str_printf(&note, " %lld answers name no person: whether theirs is held out cannot be told.", (long long)split->nameless);
    if (split->unknown)
        pasta_str_printf(&note, " %d user models do not say what they were trained on.", split->unknown);
    struct pasta_table *t = evaluate_table_add(r, "splits", "What was held out", note.data);
    pasta_str_release(&note);
    pasta_table_column(t, "side", "by", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "held_out", "held out", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "evaluated", "evaluated", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "evaluated_sha256", "hash", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "trained_on", "trained on", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "trained_on_sha256", "hash", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "given_and_trained_on", "given, but trained on", PASTA_FORMAT_COUNT, 0);
    for (int side = 0; side < EVALUATE_SIDES; side++) {
        const struct pasta_id_set *sets[] = {&split->evaluated[side], &split->trained[side]};
        pasta_table_row(t);
        pasta_table_text(t, names[side]);
        pasta_table_text(t, split->by[side] ? "yes" : "no");
        for (int s = 0; s < 2; s++) {
            char hex[65];
            pasta_id_set_hash(sets[s], hex);
            hex[12] = '\0';
            pasta_table_count(t, (int64_t)sets[s]->n);
            pasta_table_text(t, hex);
        }
        pasta_table_count(t, (int64_t)split->both[side].n);
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
    struct pasta_estimate e = pasta_estimate_mean(r->clusters, kept, h->turn_cluster, h->n_turns);
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
    t->resampled = resampled(r);
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
    splits_table(r);
}
