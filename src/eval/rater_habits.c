#include "pasta/eval/rater_habits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/eval/stats.h"

enum { ANSWERS = PASTA_BETTER + 1 };

/* --- who --- */

static int by_id(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void number_raters(struct pasta_rater_study *study, const struct pasta_session *sessions, size_t n)
{
    const char **ids = pasta_malloc((n + 1) * sizeof *ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = sessions[i].rater_id;
    qsort(ids, n, sizeof *ids, by_id);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(ids[i], ids[study->n - 1]) != 0)
            ids[study->n++] = ids[i];
    study->habits = pasta_arena_alloc(&study->arena, (size_t)study->n * sizeof *study->habits);
    for (int64_t r = 0; r < study->n; r++)
        study->habits[r].rater_id = ids[r];
    study->rater_of = pasta_arena_alloc(&study->arena, n * sizeof *study->rater_of);
    for (size_t i = 0; i < n; i++)
        study->rater_of[i] = (int32_t)((const char **)bsearch(&sessions[i].rater_id, ids, (size_t)study->n, sizeof *ids, by_id) - ids);
    free(ids);
}

/* --- answers --- */

/* The answers of one rater, or of all, in their order. */
struct answers {
    int *position, *width, *versus, *rating;
    double *seconds;
    int64_t n_positions, n_versus, n_ratings, n_seconds;
};

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void take_turn(const struct pasta_rater_study *study, const struct pasta_turn *turn, struct answers *a)
{
    if (turn->choice >= 0) {
        a->position[a->n_positions] = turn->choice;
        a->width[a->n_positions++] = turn->n_columns;
    }
    if (turn->versus != PASTA_VERSUS_NONE)
        a->versus[a->n_versus++] = (int)turn->versus;
    if (!isnan(turn->rating)) {
        const double *at = bsearch(&turn->rating, study->ratings, (size_t)study->n_ratings, sizeof *study->ratings, by_value);
        a->rating[a->n_ratings++] = (int)(at - study->ratings);
    }
    if (!isnan(turn->seconds))
        a->seconds[a->n_seconds++] = turn->seconds;
}

static void make_room(struct answers *a, int64_t turns)
{
    const size_t n = (size_t)turns + 1;
    int **lists[] = {&a->position, &a->width, &a->versus, &a->rating};
    *a = (struct answers){0};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        *lists[i] = pasta_malloc(n * sizeof **lists[i]);
    a->seconds = pasta_malloc(n * sizeof *a->seconds);
}

static void release(struct answers *a)
{
    int *lists[] = {a->position, a->width, a->versus, a->rating};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        free(lists[i]);
    free(a->seconds);
}

static double median_of(double *values, int64_t n)
{
    qsort(values, (size_t)n, sizeof *values, by_value);
    return pasta_quantile(values, n, 0.5);
}

/* --- one rater --- */

static struct pasta_habit_run position_run(const struct answers *a)
{
    struct pasta_habit_run run = {pasta_longest_run(a->position, a->n_positions), a->n_positions, NAN};
    if (a->n_positions == 0)
        return run;
    double *even = pasta_calloc((size_t)a->n_positions * PASTA_MAX_SLATE, sizeof *even);
    for (int64_t i = 0; i < a->n_positions; i++)
        for (int v = 0; v < a->width[i]; v++)
            even[i * PASTA_MAX_SLATE + v] = 1.0 / a->width[i];
    run.p = pasta_run_chance(even, a->n_positions, PASTA_MAX_SLATE, run.run.length);
    free(even);
    return run;
}

/* Given the choices before, an even one is that of `lag` turns before with probability 1 / width: independent trials. */
static struct pasta_habit_pattern position_pattern(const struct answers *a)
{
    struct pasta_habit_pattern best = {.excess = NAN, .p = NAN};
    double *chance = pasta_malloc(((size_t)a->n_positions + 1) * sizeof *chance);
    for (int lag = 1; lag <= PASTA_MOST_LAG; lag++) {
        struct pasta_habit_pattern now = {.lag = lag};
        double expected = 0;
        for (int64_t i = lag; i < a->n_positions; i++) {
            if (a->width[i] != a->width[i - lag])
                continue;
            now.equal += a->position[i] == a->position[i - lag];
            expected += chance[now.of++] = 1.0 / a->width[i];
        }
        if (now.of == 0)
            continue;
        now.excess = ((double)now.equal - expected) / (double)now.of;
        now.p = fmin(1, PASTA_MOST_LAG * pasta_successes_at_least(chance, now.of, now.equal));
        if (best.lag == 0 || now.p < best.p)
            best = now;
    }
    free(chance);
    return best;
}

/* law [n_values]: how often everybody gave each value. */
static struct pasta_habit_run answer_run(const int *values, int64_t n, const int64_t *law, int n_values)
{
    struct pasta_habit_run run = {pasta_longest_run(values, n), n, NAN};
    double *p = pasta_malloc(((size_t)n * (size_t)n_values + 1) * sizeof *p), all = 0;
    for (int v = 0; v < n_values; v++)
        all += (double)law[v];
    for (int64_t i = 0; i < n; i++)
        for (int v = 0; v < n_values; v++)
            p[i * n_values + v] = (double)law[v] / all;
    if (n > 0)
        run.p = pasta_run_chance(p, n, n_values, run.run.length);
    free(p);
    return run;
}

static void measure(const struct pasta_rater_study *study, const struct answers *a, const int64_t *versus_law, const int64_t *rating_law,
                    uint64_t seed, struct pasta_rater_habits *h)
{
    uint8_t *given = pasta_calloc((size_t)study->n_ratings + 1, sizeof *given);
    h->chosen = a->n_positions;
    h->positions = pasta_uniform_test_of(a->position, a->width, a->n_positions, seed);
    h->position_run = position_run(a);
    h->pattern = position_pattern(a);
    h->versus_run = answer_run(a->versus, a->n_versus, versus_law, ANSWERS);
    h->rating_run = answer_run(a->rating, a->n_ratings, rating_law, study->n_ratings);
    for (int64_t i = 0; i < a->n_ratings; i++) {
        h->rating_values += !given[a->rating[i]];
        given[a->rating[i]] = 1;
    }
    free(given);
    h->timed = a->n_seconds;
    for (int64_t i = 0; i < a->n_seconds; i++)
        h->fast += a->seconds[i] < study->fast_seconds;
    h->seconds = median_of(a->seconds, a->n_seconds);
}

/* --- checks --- */

/* The column of the turn that stands for it; of columns that look the same, the first. */
static int column_of(const struct pasta_turn *turn, const struct pasta_column *columns, int choice)
{
    return choice < 0 ? -1 : pasta_column_in(turn, &columns[choice]);
}

static void take_repeat(struct pasta_rater_study *study, const struct pasta_session *s, const struct pasta_check *check, int32_t rater)
{
    const struct pasta_turn *turn = &s->turns[check->repeat_of - 1];
    struct pasta_rater_habits *h = &study->habits[rater];
    const int64_t i = study->n_repeats++;
    const int first = column_of(turn, turn->columns, turn->choice), second = column_of(turn, check->columns, check->choice);
    study->repeat_codes[2 * i] = first;
    study->repeat_codes[2 * i + 1] = second;
    study->repeat_chance[i] = 1.0 / turn->n_columns;
    study->repeat_rater[i] = rater;
    h->repeats++;
    h->repeats_same += first == second;
    h->repeats_chance += study->repeat_chance[i];
}

static void take_checks(struct pasta_rater_study *study, const struct pasta_session *sessions, size_t n)
{
    int64_t checks = 0;
    for (size_t i = 0; i < n; i++)
        checks += sessions[i].n_checks;
    study->repeat_codes = pasta_arena_alloc(&study->arena, 2 * (size_t)checks * sizeof *study->repeat_codes);
    study->repeat_chance = pasta_arena_alloc(&study->arena, (size_t)checks * sizeof *study->repeat_chance);
    study->repeat_rater = pasta_arena_alloc(&study->arena, (size_t)checks * sizeof *study->repeat_rater);
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < sessions[i].n_checks; c++) {
            const struct pasta_check *check = &sessions[i].checks[c];
            struct pasta_rater_habits *h = &study->habits[study->rater_of[i]];
            if (check->kind == PASTA_CHECK_REPEAT) {
                take_repeat(study, &sessions[i], check, study->rater_of[i]);
            } else {
                h->attention++;
                h->attention_failed += check->choice != check->expected;
            }
        }
}

static double guessing(const struct pasta_session *const *sessions, int64_t n, const struct pasta_rater_habits *h)
{
    double *chance = pasta_malloc(((size_t)h->attention + 1) * sizeof *chance);
    int64_t used = 0;
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < sessions[i]->n_checks; c++)
            if (sessions[i]->checks[c].kind == PASTA_CHECK_ATTENTION)
                chance[used++] = 1.0 / sessions[i]->checks[c].n_columns;
    const double p = used ? pasta_successes_at_least(chance, used, h->attention - h->attention_failed) : NAN;
    free(chance);
    return p;
}

/* --- among the others --- */

static void compare_repeats(struct pasta_rater_study *study)
{
    int64_t same = 0;
    for (int64_t r = 0; r < study->n; r++)
        same += study->habits[r].repeats_same;
    for (int64_t r = 0; r < study->n; r++) {
        struct pasta_rater_habits *h = &study->habits[r];
        h->repeats_chance = h->repeats ? h->repeats_chance / (double)h->repeats : NAN;
        h->repeats_p = h->repeats && h->repeats < study->n_repeats
                           ? pasta_fisher_at_most(h->repeats_same, h->repeats, same, study->n_repeats)
                           : NAN;
    }
}

/* A time of 0 s has no logarithm. */
static double log_seconds(const struct pasta_rater_habits *h)
{
    return log(fmax(h->seconds, 0.01));
}

static void compare_speeds(struct pasta_rater_study *study)
{
    double *values = pasta_malloc(((size_t)study->n + 1) * sizeof *values);
    int64_t n = 0;
    for (int64_t r = 0; r < study->n; r++)
        if (study->habits[r].timed)
            values[n++] = log_seconds(&study->habits[r]);
    const double middle = median_of(values, n);
    for (int64_t i = 0; i < n; i++)
        values[i] = fabs(values[i] - middle);
    const double deviation = 1.4826 * median_of(values, n);
    const bool defined = n >= PASTA_LEAST_TIMED_RATERS && deviation > 0;
    study->median_seconds = exp(middle);
    for (int64_t r = 0; r < study->n; r++) {
        struct pasta_rater_habits *h = &study->habits[r];
        h->speed = h->timed && defined ? (log_seconds(h) - middle) / deviation : NAN;
    }
    free(values);
}

/* --- all --- */

static void list_ratings(struct pasta_rater_study *study, const struct pasta_session *sessions, size_t n, int64_t turns)
{
    double *list = pasta_arena_alloc(&study->arena, (size_t)turns * sizeof *list);
    int64_t found = 0;
    for (size_t i = 0; i < n; i++)
        for (int t = 0; t < sessions[i].n_turns; t++)
            if (!isnan(sessions[i].turns[t].rating))
                list[found++] = sessions[i].turns[t].rating;
    qsort(list, (size_t)found, sizeof *list, by_value);
    for (int64_t i = 0; i < found; i++)
        if (i == 0 || list[i] > list[study->n_ratings - 1])
            list[study->n_ratings++] = list[i];
    study->ratings = list;
}

static void take_all(const struct pasta_rater_study *study, const struct pasta_session *const *sessions, int64_t n, struct answers *a)
{
    for (int64_t i = 0; i < n; i++)
        for (int t = 0; t < sessions[i]->n_turns; t++)
            take_turn(study, &sessions[i]->turns[t], a);
}

/* Sessions one rater after the other, each one's in their order; first [raters + 1]. */
static const struct pasta_session **sort_sessions(const struct pasta_rater_study *study, const struct pasta_session *sessions, size_t n,
                                                  int64_t *first)
{
    const struct pasta_session **sorted = pasta_malloc((n + 1) * sizeof *sorted);
    int64_t *next = pasta_calloc((size_t)study->n + 1, sizeof *next);
    memset(first, 0, ((size_t)study->n + 1) * sizeof *first);
    for (size_t i = 0; i < n; i++)
        first[study->rater_of[i] + 1]++;
    for (int64_t r = 0; r < study->n; r++)
        next[r + 1] = first[r + 1] += first[r];
    for (size_t i = 0; i < n; i++)
        sorted[next[study->rater_of[i]]++] = &sessions[i];
    free(next);
    return sorted;
}

struct pasta_rater_study *pasta_rater_study_new(const struct pasta_session *sessions, size_t n, double fast_seconds, uint64_t seed)
{
    struct pasta_rater_study *study = pasta_calloc(1, sizeof *study);
    study->fast_seconds = fast_seconds;
    number_raters(study, sessions, n);
    int64_t turns = 0, *first = pasta_malloc(((size_t)study->n + 1) * sizeof *first);
    for (size_t i = 0; i < n; i++)
        turns += sessions[i].n_turns;
    list_ratings(study, sessions, n, turns);
    take_checks(study, sessions, n);
    const struct pasta_session **sorted = sort_sessions(study, sessions, n, first);

    struct answers all;
    int64_t versus_law[ANSWERS] = {0}, *rating_law = pasta_calloc((size_t)study->n_ratings + 1, sizeof *rating_law);
    make_room(&all, turns);
    take_all(study, sorted, (int64_t)n, &all);
    for (int64_t i = 0; i < all.n_versus; i++)
        versus_law[all.versus[i]]++;
    for (int64_t i = 0; i < all.n_ratings; i++)
        rating_law[all.rating[i]]++;
    study->positions = pasta_uniform_test_of(all.position, all.width, all.n_positions, seed);
    for (int64_t r = 0; r < study->n; r++) {
        struct pasta_rater_habits *h = &study->habits[r];
        const struct pasta_session *const *own = sorted + first[r];
        all.n_positions = all.n_versus = all.n_ratings = all.n_seconds = 0; /* its room serves again */
        h->sessions = first[r + 1] - first[r];
        for (int64_t i = 0; i < h->sessions; i++)
            h->turns += own[i]->n_turns;
        take_all(study, own, h->sessions, &all);
        measure(study, &all, versus_law, rating_law, seed, h);
        h->guessing = guessing(own, h->sessions, h);
    }
    release(&all);
    free(rating_law);
    free(sorted);
    free(first);
    compare_repeats(study);
    compare_speeds(study);
    return study;
}

void pasta_rater_study_free(struct pasta_rater_study *study)
{
    if (!study)
        return;
    pasta_arena_release(&study->arena);
    free(study);
}
