/* User models on held-out answers.
 *
 * The rule of prediction: a person's answers stand in one line, pairs, then ratings, then sessions turn by turn, each in the order of its
 * file; every answer is predicted from the posterior over types given the answers before it, and then joins them. So nothing is predicted
 * from itself or from what came later, and the first answer is predicted from the prior. Within a turn the choice comes before the
 * comparison with the turn before.
 */
#include "evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/threads.h"
#include "pasta/eval/measures.h"
#include "record_files.h"

/* --- people --- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int32_t person_of(const struct evaluate_held_out *h, const char *id)
{
    const char **at = bsearch(&id, h->people, (size_t)h->n_people, sizeof *h->people, by_text);
    return (int32_t)(at - h->people);
}

/* An answer without a user id stands for a person of its own. */
static const char *own_id(struct evaluate_held_out *h, const char *id, const char *kind, size_t item)
{
    return id ? id : pasta_arena_printf(&h->arena, "(%s %zu)", kind, item + 1);
}

static void match_people(struct evaluate_held_out *h, uint64_t seed)
{
    size_t n = h->pairs.n + h->ratings.n + h->sessions.n, at = 0;
    const char **ids = pasta_arena_alloc(&h->arena, (n + 1) * sizeof *ids);
    for (size_t i = 0; i < h->pairs.n; i++)
        ids[at++] = own_id(h, h->pairs.items[i].user_id, "pair", i);
    for (size_t i = 0; i < h->ratings.n; i++)
        ids[at++] = own_id(h, h->ratings.items[i].user_id, "rating", i);
    for (size_t i = 0; i < h->sessions.n; i++)
        ids[at++] = h->sessions.items[i].rater_id;

    h->people = pasta_arena_alloc(&h->arena, (n + 1) * sizeof *h->people);
    memcpy(h->people, ids, n * sizeof *ids);
    qsort(h->people, n, sizeof *h->people, by_text);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(h->people[i], h->people[h->n_people - 1]) != 0)
            h->people[h->n_people++] = h->people[i];

    int32_t *person = pasta_arena_alloc(&h->arena, (n + 1) * sizeof *person);
    for (size_t i = 0; i < n; i++)
        person[i] = person_of(h, ids[i]);
    h->pair_person = person;
    h->rating_person = person + h->pairs.n;
    h->session_person = h->rating_person + h->ratings.n;

    h->seed = pasta_arena_alloc(&h->arena, ((size_t)h->n_people + 1) * sizeof *h->seed);
    for (int64_t p = 0; p < h->n_people; p++)
        h->seed[p] = h->sessions.n ? h->sessions.items[0].seed : seed;
    for (size_t i = 0; i < h->sessions.n; i++)
        h->seed[h->session_person[i]] = h->sessions.items[i].seed;
}

/* --- the truth about sketch raters --- */

static bool sketch_person(const char *id, uint32_t *person)
{
    int end = 0;
    return sscanf(id, "sketch-%u%n", person, &end) == 1 && id[end] == '\0';
}

/* The column with the highest true utility; ties go to the leftmost. */
static int best_column(const struct pasta_sketch *sketch, const struct pasta_session *s, const struct pasta_turn *turn, uint32_t person)
{
    int best = 0;
    double most = -INFINITY;
    for (int l = 0; l < turn->n_columns; l++) {
        double utility = 0;
        for (int m = 0; m < turn->columns[l].n_images; m++)
            utility += pasta_sketch_utility(sketch, s->seed, person, s->initial_prompt, turn->columns[l].prompt,
                                            turn->columns[l].images[m].seed);
        utility /= turn->columns[l].n_images;
        if (utility > most) {
            most = utility;
            best = l;
        }
    }
    return best;
}

static void flatten_turns(struct evaluate_held_out *h, const struct pasta_sketch *sketch)
{
    h->first_turn = pasta_arena_alloc(&h->arena, (h->sessions.n + 1) * sizeof *h->first_turn);
    for (size_t i = 0; i < h->sessions.n; i++)
        h->first_turn[i + 1] = h->first_turn[i] + h->sessions.items[i].n_turns;
    h->n_turns = h->first_turn[h->sessions.n];
    size_t n = (size_t)h->n_turns + 1;
    h->turn_person = pasta_arena_alloc(&h->arena, n * sizeof *h->turn_person);
    h->turn_chance = pasta_arena_alloc(&h->arena, n * sizeof *h->turn_chance);
    h->turn_truth = pasta_arena_alloc(&h->arena, n * sizeof *h->turn_truth);
    h->turn_versus = pasta_arena_alloc(&h->arena, n * sizeof *h->turn_versus);
    for (size_t i = 0; i < h->sessions.n; i++) {
        const struct pasta_session *s = &h->sessions.items[i];
        uint32_t person;
        bool known = sketch && s->source == PASTA_SOURCE_SKETCH && sketch_person(s->rater_id, &person);
        for (int t = 0; t < s->n_turns; t++) {
            const struct pasta_turn *turn = &s->turns[t];
            int64_t at = h->first_turn[i] + t;
            h->turn_person[at] = h->session_person[i];
            h->turn_chance[at] = turn->choice < 0 ? NAN : 1.0 / turn->n_columns;
            h->turn_truth[at] = turn->choice < 0 || !known ? NAN : turn->choice == best_column(sketch, s, turn, person);
            bool asked = t > 0 && turn->versus != PASTA_VERSUS_NONE && turn->choice >= 0 && s->turns[t - 1].choice >= 0;
            h->turn_versus[at] = asked ? turn->versus : NAN;
        }
    }
}

pasta_status evaluate_held_out_read(const char *sessions, const char *pairs, const char *ratings, const char *features,
                                    const struct pasta_sketch *sketch, const struct pasta_config *config,
                                    struct evaluate_held_out *out, struct pasta_err *err)
{
    struct evaluate_held_out h = {0};
    pasta_status status = PASTA_OK;
    if ((sessions && (status = records_sessions(sessions, &h.sessions, err)) != PASTA_OK) ||
        (pairs && (status = records_preferences(pairs, &h.pairs, err)) != PASTA_OK) ||
        (ratings && (status = records_ratings(ratings, &h.ratings, err)) != PASTA_OK) ||
        (status = pasta_features_open(features, &h.features, err)) != PASTA_OK) {
        evaluate_held_out_release(&h);
        return status;
    }
    match_people(&h, config->seed);
    flatten_turns(&h, sketch);
    h.rating01 = pasta_arena_alloc(&h.arena, (h.ratings.n + 1) * sizeof *h.rating01);
    for (size_t i = 0; i < h.ratings.n; i++)
        h.rating01[i] = pasta_user_rating01(h.ratings.items[i].rating, h.ratings.items[i].lo, h.ratings.items[i].hi);
    h.true_type = pasta_arena_alloc(&h.arena, ((size_t)h.n_people + 1) * sizeof *h.true_type);
    for (int64_t p = 0; p < h.n_people; p++) {
        uint32_t person;
        h.true_type[p] = sketch && sketch_person(h.people[p], &person) ? pasta_sketch_type_of(sketch, h.seed[p], person) : -1;
    }
    *out = h;
    return PASTA_OK;
}

void evaluate_held_out_release(struct evaluate_held_out *h)
{
    pasta_sessions_release(&h->sessions);
    pasta_preferences_release(&h->pairs);
    pasta_ratings_release(&h->ratings);
    pasta_features_close(h->features);
    pasta_arena_release(&h->arena);
    *h = (struct evaluate_held_out){0};
}

/* --- predictions --- */

struct predict {
    const struct evaluate_held_out *h;
    struct evaluate_user *u;
    int64_t *pairs, *ratings, *sessions;                   /* items person by person, each in the order of its file */
    int64_t *pairs_from, *ratings_from, *sessions_from;    /* [n_people + 1] */
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

static pasta_status predict_pair(const struct predict *c, int64_t item, double *loglik, double *weights, struct pasta_err *err)
{
    const struct pasta_preference *pair = &c->h->pairs.items[item];
    const struct pasta_user_model *m = c->u->model;
    double *scores = pasta_malloc(2 * (size_t)m->n_types * sizeof *scores), *second = scores + m->n_types;
    char where[64];
    snprintf(where, sizeof where, "preference %lld", (long long)item + 1);
    pasta_status status = pasta_user_image_scores(m, c->h->features, pair->prompt, pair->image[0], where, scores, err);
    if (status == PASTA_OK)
        status = pasta_user_image_scores(m, c->h->features, pair->prompt, pair->image[1], where, second, err);
    if (status == PASTA_OK) {
        pasta_user_posterior(m, loglik, weights);
        c->u->pair_first[item] = pasta_user_pair_probability(m, scores, second, weights);
        pasta_user_pair_loglik(m, scores, second, pair->label, loglik);
    }
    free(scores);
    return status;
}

static pasta_status predict_rating(const struct predict *c, int64_t item, double *loglik, double *weights, struct pasta_err *err)
{
    const struct pasta_rating *rating = &c->h->ratings.items[item];
    const struct pasta_user_model *m = c->u->model;
    double *scores = pasta_malloc((size_t)m->n_types * sizeof *scores);
    char where[64];
    snprintf(where, sizeof where, "rating %lld", (long long)item + 1);
    pasta_status status = pasta_user_image_scores(m, c->h->features, rating->prompt, rating->image, where, scores, err);
    if (status == PASTA_OK) {
        pasta_user_posterior(m, loglik, weights);
        c->u->rating[item] = pasta_user_expected_rating01(m, scores, weights);
        pasta_user_rating_loglik(m, scores, c->h->rating01[item], loglik);
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
    pasta_status status = PASTA_OK;
    for (int64_t i = c->pairs_from[person]; i < c->pairs_from[person + 1] && status == PASTA_OK; i++)
        status = predict_pair(c, c->pairs[i], loglik, weights, err);
    for (int64_t i = c->ratings_from[person]; i < c->ratings_from[person + 1] && status == PASTA_OK; i++)
        status = predict_rating(c, c->ratings[i], loglik, weights, err);
    for (int64_t i = c->sessions_from[person]; i < c->sessions_from[person + 1] && status == PASTA_OK; i++)
        status = predict_session(c, c->sessions[i], loglik, weights, err);
    pasta_user_posterior(c->u->model, loglik, weights);
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

pasta_status evaluate_user_open(const struct evaluate_named *from, const struct evaluate_held_out *h, struct evaluate_user *out,
                                struct pasta_err *err)
{
    struct evaluate_user u = {.dir = from->dir, .name = from->name};
    pasta_status status = pasta_user_model_load(from->dir, h->features, &u.model, err);
    if (status != PASTA_OK)
        return status;
    if (!u.name)
        u.name = u.own_name = pasta_asprintf("K=%d", u.model->n_types);
    u.pair_first = undefined((int64_t)h->pairs.n);
    u.pair_score = undefined((int64_t)h->pairs.n);
    u.rating = undefined((int64_t)h->ratings.n);
    u.choice = undefined(h->n_turns);
    u.confidence = undefined(h->n_turns);
    u.loss = undefined(h->n_turns);
    u.versus = undefined(h->n_turns);
    u.posterior = undefined(h->n_people * u.model->n_types);
    u.type = pasta_calloc((size_t)h->n_people + 1, sizeof *u.type);
    *out = u;
    return PASTA_OK;
}

pasta_status evaluate_user_predict(struct evaluate_user *u, const struct evaluate_held_out *h, int threads, struct pasta_err *err)
{
    struct predict c = {.h = h, .u = u};
    group(h->pair_person, h->pairs.n, h->n_people, &c.pairs, &c.pairs_from);
    group(h->rating_person, h->ratings.n, h->n_people, &c.ratings, &c.ratings_from);
    group(h->session_person, h->sessions.n, h->n_people, &c.sessions, &c.sessions_from);
    pasta_status status = pasta_parallel_for(h->n_people, threads, predict_person, &c, err);
    int64_t *lists[] = {c.pairs, c.ratings, c.sessions, c.pairs_from, c.ratings_from, c.sessions_from};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        free(lists[i]);
    if (status != PASTA_OK) {
        pasta_err_prefix(err, "user model '%s'", u->dir);
        return status;
    }
    double *label = pasta_malloc((h->pairs.n + 1) * sizeof *label);
    for (size_t i = 0; i < h->pairs.n; i++)
        label[i] = h->pairs.items[i].label;
    pasta_pair_scores(u->pair_first, label, h->pair_person, (int64_t)h->pairs.n, u->pair_score, u->threshold);
    free(label);
    return PASTA_OK;
}

void evaluate_user_release(struct evaluate_user *u)
{
    double *arrays[] = {u->pair_first, u->pair_score, u->rating, u->choice, u->confidence, u->loss, u->versus, u->posterior};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
    free(u->type);
    free(u->own_name);
    pasta_user_model_free(u->model);
    *u = (struct evaluate_user){0};
}
