/* User models on held-out answers.
 *
 * The rule of prediction: a person's answers stand in one line, pairs, then ratings, then sessions turn by turn, each in the order of its
 * file; every answer is predicted from the posterior over types given the answers before it, and then joins them. So nothing is predicted
 * from itself or from what came later, and the first answer is predicted from the prior. Within a turn the choice comes before the
 * comparison with the turn before. Rankings come last, each from all of these answers, and join nothing.
 */
#include "evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/threads.h"
#include "pasta/eval/measures.h"

struct predict {
    const struct evaluate_held_out *h;
    struct evaluate_user *u;
    int64_t *pairs, *ratings, *sessions, *rankings; /* items person by person, each in the order of its file */
    int64_t *pairs_from, *ratings_from, *sessions_from, *rankings_from; /* [n_people + 1] */
};

/* Items person by person: *items [n], *from [people + 1]. */
static void group(const int32_t *person, size_t n, int64_t people, int64_t **items, int64_t **from)
{
    int64_t *start = pasta_calloc((size_t)people + 2, sizeof *start);
    *items = pasta_calloc(n + 1, sizeof **items);
    for (size_t i = 0; i < n; i++)
        start[person[i] + 2]++;
    for (int64_t p = 0; p < people; p++)
        start[p + 2] += start[p + 1];
    for (size_t i = 0; i < n; i++)
        (*items)[start[person[i] + 1]++] = (int64_t)i;
    *from = start; /* start[p + 1] has moved on to where p ends, so start[p] is where it begins */
}

static int most_probable(const double *p, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (p[i] > p[best])
            best = i;
    return best;
}

/* What one person looked at, scored together. */
struct looks {
    const float **texts, **images; /* [n] */
    double *scores;                /* [n,K] */
};

static void looks_new(struct looks *l, int64_t n, int n_types)
{
    l->texts = pasta_malloc(2 * ((size_t)n + 1) * sizeof *l->texts);
    l->images = l->texts + n + 1;
    l->scores = pasta_malloc(((size_t)n + 1) * (size_t)n_types * sizeof *l->scores);
}

static void looks_release(struct looks *l)
{
    free(l->texts);
    free(l->scores);
}

static pasta_status look(const struct predict *c, struct looks *l, int64_t at, const char *prompt, const char *image, const char *where,
                         int64_t item, struct pasta_err *err)
{
    char record[64];
    snprintf(record, sizeof record, "%s %lld", where, (long long)item + 1);
    return pasta_user_look_up(c->h->features, prompt, image, record, &l->texts[at], &l->images[at], err);
}

static pasta_status predict_pairs(const struct predict *c, int64_t person, double *loglik, double *weights, struct pasta_err *err)
{
    const int64_t *items = c->pairs + c->pairs_from[person], n = c->pairs_from[person + 1] - c->pairs_from[person];
    const struct pasta_user_model *m = c->u->model;
    struct looks l;
    pasta_status status = PASTA_OK;
    looks_new(&l, 2 * n, m->n_types);
    for (int64_t i = 0; i < 2 * n && status == PASTA_OK; i++) {
        const struct pasta_preference *pair = &c->h->pairs.items[items[i / 2]];
        status = look(c, &l, i, pair->prompt, pair->image[i % 2], "preference", items[i / 2], err);
    }
    if (status == PASTA_OK)
        pasta_user_scores_each(m, l.texts, l.images, (int)(2 * n), l.scores);
    for (int64_t i = 0; i < n && status == PASTA_OK; i++) {
        const double *first = l.scores + 2 * i * m->n_types, *second = first + m->n_types;
        pasta_user_posterior(m, loglik, weights);
        c->u->pair_first[items[i]] = pasta_user_pair_probability(m, first, second, weights);
        pasta_user_pair_loglik(m, first, second, c->h->pairs.items[items[i]].label, loglik);
    }
    looks_release(&l);
    return status;
}

static pasta_status predict_ratings(const struct predict *c, int64_t person, double *loglik, double *weights, struct pasta_err *err)
{
    const int64_t *items = c->ratings + c->ratings_from[person], n = c->ratings_from[person + 1] - c->ratings_from[person];
    const struct pasta_user_model *m = c->u->model;
    struct looks l;
    pasta_status status = PASTA_OK;
    looks_new(&l, n, m->n_types);
    for (int64_t i = 0; i < n && status == PASTA_OK; i++) {
        const struct pasta_rating *rating = &c->h->ratings.items[items[i]];
        status = look(c, &l, i, rating->prompt, rating->image, "rating", items[i], err);
    }
    if (status == PASTA_OK)
        pasta_user_scores_each(m, l.texts, l.images, (int)n, l.scores);
    for (int64_t i = 0; i < n && status == PASTA_OK; i++) {
        const double *scores = l.scores + i * m->n_types;
        pasta_user_posterior(m, loglik, weights);
        /* the cosine has not learned the scale of ratings; its order is what counts */
        c->u->rating[items[i]] = c->u->plain ? pasta_user_expected(m, scores, weights) : pasta_user_expected_rating01(m, scores, weights);
        pasta_user_rating_loglik(m, scores, c->h->rating01[items[i]], loglik);
    }
    looks_release(&l);
    return status;
}

static pasta_status predict_ranking(const struct predict *c, int64_t item, const double *weights, struct pasta_err *err)
{
    const struct pasta_ranking *ranking = &c->h->rankings.items[item];
    const struct pasta_user_model *m = c->u->model;
    double *scores = pasta_malloc((size_t)m->n_types * sizeof *scores);
    char where[64];
    snprintf(where, sizeof where, "ranking %lld", (long long)item + 1);
    pasta_status status = PASTA_OK;
    for (int i = 0; i < ranking->n && status == PASTA_OK; i++) {
        status = pasta_user_image_scores(m, c->h->features, ranking->prompt, ranking->images[i], where, scores, err);
        if (status == PASTA_OK)
            c->u->ranked[c->h->first_ranked[item] + i] = pasta_user_expected(m, scores, weights);
    }
    free(scores);
    return status;
}

static void predict_choice(const struct predict *c, int64_t at, const double *utilities, int n_columns, int choice, double *loglik,
                           double *weights)
{
    const struct pasta_user_model *m = c->u->model;
    double p[PASTA_MAX_SLATE];
    pasta_user_posterior(m, loglik, weights);
    pasta_user_choice_probabilities(m, utilities, n_columns, weights, p);
    int best = most_probable(p, n_columns);
    c->u->choice[at] = best == choice;
    c->u->confidence[at] = p[best];
    c->u->loss[at] = -log(fmax(p[choice], 1e-300));
    pasta_user_choice_loglik(m, utilities, n_columns, choice, loglik);
}

static void predict_versus(const struct predict *c, int64_t at, const double *now, const double *before, enum pasta_versus versus,
                           double *loglik, double *weights)
{
    const struct pasta_user_model *m = c->u->model;
    double p[3];
    pasta_user_posterior(m, loglik, weights);
    pasta_user_versus_probabilities(m, now, before, weights, p);
    c->u->versus[at] = most_probable(p, 3) + 1 == (int)versus;
    pasta_user_versus_loglik(m, now, before, versus, loglik);
}

static pasta_status predict_session(const struct predict *c, int64_t item, double *loglik, double *weights, struct pasta_err *err)
{
    const struct pasta_session *s = &c->h->sessions.items[item];
    const struct pasta_user_model *m = c->u->model;
    size_t k = (size_t)m->n_types;
    double *utilities = pasta_calloc((PASTA_MAX_SLATE + 2) * k, sizeof *utilities);
    double *now = utilities + PASTA_MAX_SLATE * k, *before = now + k;
    pasta_status status = PASTA_OK;
    for (int t = 0; t < s->n_turns && status == PASTA_OK; t++) {
        const struct pasta_turn *turn = &s->turns[t];
        int64_t at = c->h->first_turn[item] + t;
        if (turn->choice < 0)
            continue;
        status = pasta_user_turn_utilities(m, c->h->features, s, t, utilities, err);
        if (status != PASTA_OK)
            break;
        predict_choice(c, at, utilities, turn->n_columns, turn->choice, loglik, weights);
        memcpy(before, now, k * sizeof *now); /* of the last turn with a choice: read below only where that is the turn before */
        for (size_t j = 0; j < k; j++)
            now[j] = utilities[j * (size_t)turn->n_columns + (size_t)turn->choice];
        if (!isnan(c->h->turn_versus[at]))
            predict_versus(c, at, now, before, turn->versus, loglik, weights);
    }
    free(utilities);
    return status;
}

static pasta_status predict_person(void *ctx, int64_t person, int worker, struct pasta_err *err)
{
    const struct predict *c = ctx;
    (void)worker;
    size_t k = (size_t)c->u->model->n_types;
    double *loglik = pasta_calloc(k, sizeof *loglik), *weights = c->u->posterior + (size_t)person * k;
    pasta_status status = predict_pairs(c, person, loglik, weights, err);
    if (status == PASTA_OK)
        status = predict_ratings(c, person, loglik, weights, err);
    for (int64_t i = c->sessions_from[person]; i < c->sessions_from[person + 1] && status == PASTA_OK; i++)
        status = predict_session(c, c->sessions[i], loglik, weights, err);
    pasta_user_posterior(c->u->model, loglik, weights);
    for (int64_t i = c->rankings_from[person]; i < c->rankings_from[person + 1] && status == PASTA_OK; i++)
        status = predict_ranking(c, c->rankings[i], weights, err);
    c->u->type[person] = most_probable(weights, (int)k);
    free(loglik);
    return status;
}

static double *undefined(int64_t n)
{
    double *values = pasta_malloc((size_t)(n + 1) * sizeof *values);
    for (int64_t i = 0; i <= n; i++)
        values[i] = NAN;
    return values;
}

/* Room for the predictions. */
static void prepare(struct evaluate_user *u, const struct evaluate_held_out *h)
{
    u->pair_first = undefined((int64_t)h->pairs.n);
    u->pair_score = undefined((int64_t)h->pairs.n);
    u->rating = undefined((int64_t)h->ratings.n);
    u->ranked = undefined(h->n_ranked);
    u->choice = undefined(h->n_turns);
    u->confidence = undefined(h->n_turns);
    u->loss = undefined(h->n_turns);
    u->versus = undefined(h->n_turns);
    u->posterior = undefined(h->n_people * u->model->n_types);
    u->type = pasta_calloc((size_t)h->n_people + 1, sizeof *u->type);
}

pasta_status evaluate_user_open(const struct evaluate_named *from, const struct evaluate_held_out *h, struct evaluate_user *out,
                                struct pasta_err *err)
{
    struct evaluate_user u = {.dir = from->dir, .name = from->name};
    pasta_status status = pasta_user_model_load(from->dir, h->features, &u.model, err);
    if (status != PASTA_OK)
        return status;
    if (!u.name)
        u.name = u.own_name = pasta_asprintf("K=%d", u.model->n_types);
    prepare(&u, h);
    *out = u;
    return PASTA_OK;
}

void evaluate_user_plain(const struct evaluate_held_out *h, struct evaluate_user *out)
{
    static const double scale = 100;
    struct evaluate_user u = {.name = "cosine", .dir = "cosine", .plain = true};
    u.model = pasta_user_model_new(1, pasta_features_dim(h->features), 0, PASTA_AGG_MEAN, 1, pasta_features_encoder(h->features));
    u.model->scale = scale;
    prepare(&u, h);
    *out = u;
}

static double *labels_of(const struct evaluate_held_out *h)
{
    double *label = pasta_malloc((h->pairs.n + 1) * sizeof *label);
    for (size_t i = 0; i < h->pairs.n; i++)
        label[i] = h->pairs.items[i].label;
    return label;
}

pasta_status evaluate_user_predict(struct evaluate_user *u, const struct evaluate_held_out *h, int threads, struct pasta_err *err)
{
    struct predict c = {.h = h, .u = u};
    group(h->pair_person, h->pairs.n, h->n_people, &c.pairs, &c.pairs_from);
    group(h->rating_person, h->ratings.n, h->n_people, &c.ratings, &c.ratings_from);
    group(h->session_person, h->sessions.n, h->n_people, &c.sessions, &c.sessions_from);
    group(h->ranking_person, h->rankings.n, h->n_people, &c.rankings, &c.rankings_from);
    pasta_status status = pasta_parallel_for(h->n_people, threads, predict_person, &c, err);
    int64_t *lists[] = {c.pairs, c.ratings, c.sessions, c.rankings, c.pairs_from, c.ratings_from, c.sessions_from, c.rankings_from};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        free(lists[i]);
    if (status != PASTA_OK) {
        pasta_err_prefix(err, "user model '%s'", u->dir);
        return status;
    }
    double *label = labels_of(h);
    pasta_pair_scores(u->pair_first, label, h->pair_cluster, (int64_t)h->pairs.n, u->pair_score, u->threshold);
    free(label);
    return PASTA_OK;
}

pasta_status evaluate_user_tune(struct evaluate_user *u, const struct evaluate_held_out *h, const struct evaluate_held_out *validation,
                                int threads, struct pasta_err *err)
{
    struct evaluate_user other = {.name = u->name, .dir = u->dir, .model = u->model};
    prepare(&other, validation);
    pasta_status status = evaluate_user_predict(&other, validation, threads, err);
    if (status == PASTA_OK) {
        double *label = labels_of(validation);
        u->threshold[0] = u->threshold[1] = pasta_pair_threshold(other.pair_first, label, NULL, (int64_t)validation->pairs.n);
        u->tuned = true;
        free(label);
        for (size_t i = 0; i < h->pairs.n; i++)
            u->pair_score[i] = pasta_pair_score(u->pair_first[i], h->pairs.items[i].label, u->threshold[0]);
    }
    other.model = NULL; /* borrowed */
    evaluate_user_release(&other);
    return status;
}

void evaluate_user_release(struct evaluate_user *u)
{
    double *arrays[] = {u->pair_first, u->pair_score, u->rating, u->ranked, u->choice, u->confidence, u->loss, u->versus, u->posterior};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
    free(u->type);
    free(u->own_name);
    pasta_user_model_free(u->model);
    *u = (struct evaluate_user){0};
}
