/* What user models are evaluated on: which answers count, whose they are, and what is known about these people. */
#include "evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/log.h"
#include "record_files.h"
#include "trained_on.h"

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

static pasta_status match_people(struct evaluate_held_out *h, uint64_t seed, struct pasta_err *err)
{
    size_t n = h->pairs.n + h->ratings.n + h->sessions.n + h->rankings.n, at = 0;
    const char **ids = pasta_arena_alloc(&h->arena, (n + 1) * sizeof *ids);
    for (size_t i = 0; i < h->pairs.n; i++)
        ids[at++] = own_id(h, h->pairs.items[i].user_id, "pair", i);
    for (size_t i = 0; i < h->ratings.n; i++)
        ids[at++] = own_id(h, h->ratings.items[i].user_id, "rating", i);
    for (size_t i = 0; i < h->sessions.n; i++)
        ids[at++] = h->sessions.items[i].rater_id;
    for (size_t i = 0; i < h->rankings.n; i++)
        ids[at++] = own_id(h, h->rankings.items[i].user_id, "ranking", i);

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
    h->ranking_person = h->session_person + h->sessions.n;

    h->seed = pasta_arena_alloc(&h->arena, ((size_t)h->n_people + 1) * sizeof *h->seed);
    for (int64_t p = 0; p < h->n_people; p++)
        h->seed[p] = h->sessions.n ? h->sessions.items[0].seed : seed;
    bool *seen = pasta_arena_alloc(&h->arena, ((size_t)h->n_people + 1) * sizeof *seen);
    for (size_t i = 0; i < h->sessions.n; i++) {
        const struct pasta_session *s = &h->sessions.items[i];
        int32_t p = h->session_person[i];
        if (seen[p] && h->seed[p] != s->seed && s->source != PASTA_SOURCE_HUMAN)
            return pasta_fail(err, PASTA_ERR_INPUT, "session '%s': rater_id: expected one person for one id, found '%s' in collections of "
                              "seeds %llu and %llu", s->session_id, s->rater_id, (unsigned long long)h->seed[p],
                              (unsigned long long)s->seed);
        h->seed[p] = s->seed;
        seen[p] = true;
    }
    return PASTA_OK;
}

/* --- what the intervals resample --- */

static int32_t number_of(const struct pasta_id_set *set, const char *id)
{
    int32_t lo = 0, hi = (int32_t)set->n - 1;
    while (lo < hi) {
        int32_t middle = lo + (hi - lo) / 2;
        if (strcmp(set->items[middle], id) < 0)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

/* People, or the prompts of the answers; a session's prompt is its initial one. */
static void match_clusters(struct evaluate_held_out *h, bool by_prompt)
{
    size_t n = h->pairs.n + h->ratings.n + h->rankings.n + (size_t)h->n_turns;
    const struct pasta_id_set *prompts = &h->split.evaluated[EVALUATE_PROMPTS];
    h->n_clusters = by_prompt ? (int64_t)prompts->n : h->n_people;
    h->pair_cluster = pasta_arena_alloc(&h->arena, (n + 1) * sizeof *h->pair_cluster);
    h->rating_cluster = h->pair_cluster + h->pairs.n;
    h->ranking_cluster = h->rating_cluster + h->ratings.n;
    h->turn_cluster = h->ranking_cluster + h->rankings.n;
    for (size_t i = 0; i < h->pairs.n; i++)
        h->pair_cluster[i] = by_prompt ? number_of(prompts, h->pairs.items[i].prompt) : h->pair_person[i];
    for (size_t i = 0; i < h->ratings.n; i++)
        h->rating_cluster[i] = by_prompt ? number_of(prompts, h->ratings.items[i].prompt) : h->rating_person[i];
    for (size_t i = 0; i < h->rankings.n; i++)
        h->ranking_cluster[i] = by_prompt ? number_of(prompts, h->rankings.items[i].prompt) : h->ranking_person[i];
    for (size_t i = 0; i < h->sessions.n; i++)
        for (int64_t t = h->first_turn[i]; t < h->first_turn[i + 1]; t++)
            h->turn_cluster[t] = by_prompt ? number_of(prompts, h->sessions.items[i].initial_prompt) : h->session_person[i];
}

/* --- the split: what no user model was trained on --- */

/* Whether an answer stays; enters its person and prompt into the sides of the split. */
static bool keep(struct evaluate_split *split, const char *person, const char *prompt)
{
    const char *ids[EVALUATE_SIDES] = {person, prompt};
    bool kept = true;
    split->answers++;
    for (int side = 0; side < EVALUATE_SIDES; side++)
        if (ids[side] && pasta_id_set_has(&split->trained[side], ids[side])) {
            pasta_id_set_add(&split->both[side], ids[side]);
            kept = kept && !split->by[side];
        }
    for (int side = 0; side < EVALUATE_SIDES && kept; side++)
        if (ids[side])
            pasta_id_set_add(&split->evaluated[side], ids[side]);
    split->left_out += !kept;
    split->nameless += kept && !person;
    return kept;
}

#define KEEP(list, person, prompt)                                           \
    do {                                                                     \
        size_t n = 0;                                                        \
        for (size_t i = 0; i < (list)->n; i++)                               \
            if (keep(split, (list)->items[i].person, (list)->items[i].prompt)) \
                (list)->items[n++] = (list)->items[i];                       \
        (list)->n = n;                                                       \
    } while (0)

static pasta_status apply_split(struct evaluate_held_out *h, const char *name, struct pasta_err *err)
{
    struct evaluate_split *split = &h->split;
    split->by[EVALUATE_PEOPLE] = strcmp(name, "people") == 0 || strcmp(name, "both") == 0;
    split->by[EVALUATE_PROMPTS] = strcmp(name, "prompts") == 0 || strcmp(name, "both") == 0;
    KEEP(&h->pairs, user_id, prompt);
    KEEP(&h->ratings, user_id, prompt);
    KEEP(&h->rankings, user_id, prompt);
    KEEP(&h->sessions, rater_id, initial_prompt);
    for (int side = 0; side < EVALUATE_SIDES; side++) {
        pasta_id_set_sort(&split->evaluated[side]);
        pasta_id_set_sort(&split->both[side]);
    }
    const long long out = (long long)split->left_out, all = (long long)split->answers;
    const size_t people = split->both[EVALUATE_PEOPLE].n, prompts = split->both[EVALUATE_PROMPTS].n;
    if (out == all)
        return pasta_fail(err, PASTA_ERR_INPUT, "evaluate.split: expected answers of %s that no user model was trained on, found none among "
                          "%lld: %zu people and %zu prompts were trained on; give held-out ones, or evaluate.split=none",
                          strcmp(name, "both") == 0 ? "people and on prompts" : name, all, people, prompts);
    if (out)
        pasta_warn("left out %lld of %lld answers (evaluate.split: %s): user models were trained on %zu of their people and %zu of their "
                   "prompts", out, all, name, people, prompts);
    else if (strcmp(name, "none") == 0 && people + prompts)
        pasta_warn("evaluate.split: none: user models were trained on %zu people and %zu prompts of these answers", people, prompts);
    return PASTA_OK;
}

static pasta_status read_trained(const struct evaluate_named *models, int n, struct evaluate_split *split, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    for (int i = 0; i < n && status == PASTA_OK; i++) {
        bool known;
        status = trained_on_read(models[i].dir, &split->trained[EVALUATE_PEOPLE], &split->trained[EVALUATE_PROMPTS], &known, err);
        if (status == PASTA_OK && !known) {
            split->unknown++;
            pasta_warn("'%s' does not say what it was trained on: whether these answers are held out cannot be checked", models[i].dir);
        }
    }
    return status;
}

/* --- the truth about sketch raters --- */

bool evaluate_sketch_person(const char *id, uint32_t *person)
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
        bool known = sketch && s->source == PASTA_SOURCE_SKETCH && evaluate_sketch_person(s->rater_id, &person);
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

static void flatten_rankings(struct evaluate_held_out *h)
{
    h->first_ranked = pasta_arena_alloc(&h->arena, (h->rankings.n + 1) * sizeof *h->first_ranked);
    for (size_t i = 0; i < h->rankings.n; i++)
        h->first_ranked[i + 1] = h->first_ranked[i] + h->rankings.items[i].n;
    h->n_ranked = h->first_ranked[h->rankings.n];
}

pasta_status evaluate_held_out_read(const struct evaluate_answers *answers, const struct evaluate_named *models, int n_models,
                                    const struct pasta_features *features, const struct pasta_sketch *sketch,
                                    const struct pasta_config *config, struct evaluate_held_out *out, struct pasta_err *err)
{
    struct evaluate_held_out h = {.features = features};
    pasta_status status = PASTA_OK;
    if ((answers->sessions && (status = records_sessions(answers->sessions, &h.sessions, err)) != PASTA_OK) ||
        (answers->preferences && (status = records_preferences(answers->preferences, &h.pairs, err)) != PASTA_OK) ||
        (answers->ratings && (status = records_ratings(answers->ratings, &h.ratings, err)) != PASTA_OK) ||
        (answers->rankings && (status = records_rankings(answers->rankings, &h.rankings, err)) != PASTA_OK) ||
        (status = read_trained(models, n_models, &h.split, err)) != PASTA_OK ||
        (status = apply_split(&h, config->evaluate.split, err)) != PASTA_OK ||
        (status = match_people(&h, config->seed, err)) != PASTA_OK) {
        evaluate_held_out_release(&h);
        return status;
    }
    flatten_turns(&h, sketch);
    flatten_rankings(&h);
    match_clusters(&h, strcmp(config->evaluate.clusters, "prompts") == 0);
    h.rating01 = pasta_arena_alloc(&h.arena, (h.ratings.n + 1) * sizeof *h.rating01);
    for (size_t i = 0; i < h.ratings.n; i++)
        h.rating01[i] = pasta_user_rating01(h.ratings.items[i].rating, h.ratings.items[i].lo, h.ratings.items[i].hi);
    h.true_type = pasta_arena_alloc(&h.arena, ((size_t)h.n_people + 1) * sizeof *h.true_type);
    for (int64_t p = 0; p < h.n_people; p++) {
        uint32_t person;
        h.true_type[p] = sketch && evaluate_sketch_person(h.people[p], &person) ? pasta_sketch_type_of(sketch, h.seed[p], person) : -1;
    }
    *out = h;
    return PASTA_OK;
}

void evaluate_held_out_release(struct evaluate_held_out *h)
{
    pasta_sessions_release(&h->sessions);
    pasta_preferences_release(&h->pairs);
    pasta_ratings_release(&h->ratings);
    pasta_rankings_release(&h->rankings);
    for (int side = 0; side < EVALUATE_SIDES; side++) {
        pasta_id_set_release(&h->split.evaluated[side]);
        pasta_id_set_release(&h->split.trained[side]);
        pasta_id_set_release(&h->split.both[side]);
    }
    pasta_arena_release(&h->arena);
    *h = (struct evaluate_held_out){0};
}

