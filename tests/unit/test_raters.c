/* Who is called suspicious, among raters whose habits are known; and how often, by simulation. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "raters_world.h"

#define NEAR(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static const struct world_study usual = {.sessions = 5, .turns = 5, .attention = 1, .repeats = 1, .timed = true};

static struct pasta_raters_settings bounds(void)
{
    struct pasta_config config;
    pasta_config_init(&config);
    const struct pasta_raters_settings settings = config.raters;
    pasta_config_release(&config);
    return settings;
}

struct judged {
    struct pasta_arena arena;
    struct pasta_session *sessions;
    struct pasta_rater_study *study;
    struct pasta_rater_verdicts *verdicts;
};

static struct judged judge_sessions(struct pasta_arena arena, struct pasta_session *sessions, size_t n)
{
    const struct pasta_raters_settings settings = bounds();
    struct judged j = {.arena = arena, .sessions = sessions};
    j.study = pasta_rater_study_new(sessions, n, settings.fast_seconds, 1);
    j.verdicts = pasta_rater_judge(j.study, &settings);
    return j;
}

static struct judged judge_world(uint32_t seed, const enum habit *habits, int raters, const struct world_study *world)
{
    struct pasta_arena arena = {0};
    struct pasta_session *sessions = world_make(seed, habits, raters, world, &arena);
    return judge_sessions(arena, sessions, (size_t)(raters * world->sessions));
}

static void release(struct judged *j)
{
    pasta_rater_verdicts_free(j->verdicts);
    pasta_rater_study_free(j->study);
    pasta_arena_release(&j->arena);
}

/* One rater of each habit among the honest: the reasons are the habits. */
static void each_habit_is_named(void **state)
{
    (void)state;
    enum { RATERS = 40 };
    static const struct { enum habit habit; enum pasta_rater_rule rule; const char *words; } expected[] = {
        {RANDOM, PASTA_RULE_ATTENTION, "attention checks"},
        {FIRST, PASTA_RULE_POSITIONS, "chose column 1 in 25 of 25 turns (p < 1e-9)"},
        {ALTERNATING, PASTA_RULE_PATTERN, "chose the column of 2 turns before in 23 of 23 turns (p < 1e-9)"},
        {CYCLING, PASTA_RULE_PATTERN, "chose the column of 4 turns before in 21 of 21 turns (p < 1e-9)"},
        {LAZY, PASTA_RULE_POSITION_RUN, "chose column 3 1"},
        {FAST, PASTA_RULE_SPEED, "s a turn where others take 1"},
        {ONE_RATING, PASTA_RULE_SAME_RATING, "rated every one of 25 turns 7"},
        {ALWAYS_BETTER, PASTA_RULE_VERSUS_RUN, "answered 'better' 20 times in a row (p = "}};
    enum { EXPECTED = sizeof expected / sizeof *expected };
    enum habit habits[RATERS] = {HONEST};
    for (int i = 0; i < EXPECTED; i++)
        habits[4 * i + 3] = expected[i].habit;
    struct judged j = judge_world(11, habits, RATERS, &usual);
    for (int r = 0; r < RATERS; r++) {
        const struct pasta_rater_verdict *v = &j.verdicts->items[r];
        const int i = (r - 3) / 4;
        if (habits[r] == HONEST) {
            if (v->suspicious)
                fail_msg("honest %s: %s", j.study->habits[r].rater_id, v->reasons);
            assert_string_equal(v->reasons, "");
        } else if (!v->suspicious || !v->broken[expected[i].rule] || !strstr(v->reasons, expected[i].words)) {
            fail_msg("%s: %s", habit_names[habits[r]], v->reasons);
        }
    }
    assert_int_equal(j.verdicts->suspicious, EXPECTED);
    release(&j);
}

/* --- measures of a few sessions, by hand --- */

enum { MOST_HAND_TURNS = 8 };

/* A session of slates of `width` columns with the choices given, up to the first below -1. */
static struct pasta_session hand_session(const char *rater, const int *choice, int width, struct pasta_arena *arena)
{
    struct pasta_session s = {.session_id = rater, .rater_id = rater, .agent = "A", .user_type = -1};
    s.turns = pasta_arena_alloc(arena, MOST_HAND_TURNS * sizeof *s.turns);
    for (; choice[s.n_turns] >= -1; s.n_turns++)
        s.turns[s.n_turns] = (struct pasta_turn){.n_columns = width, .choice = choice[s.n_turns], .rating = NAN, .seconds = NAN,
                                                 .columns = world_slate(arena, pasta_arena_printf(arena, "%s-%d", rater, s.n_turns))};
    return s;
}

static void turns_and_times(void **state)
{
    (void)state;
    struct pasta_arena arena = {0};
    const int b[] = {0, -1, 0, 1, -2}, a[] = {3, -2}, more[] = {1, 2, -2};
    struct pasta_session sessions[] = {hand_session("b", b, 4, &arena), hand_session("a", a, 4, &arena),
                                       hand_session("b", more, 4, &arena)};
    sessions[0].turns[0].seconds = 1;
    sessions[0].turns[2].seconds = 2;
    sessions[2].turns[1].seconds = 30;
    sessions[0].turns[1].rating = sessions[0].turns[3].rating = 5;
    sessions[2].turns[0].rating = 9.5;
    sessions[1].turns[0].rating = 1;
    struct judged j = judge_sessions(arena, sessions, 3);
    assert_int_equal(j.study->n, 2);
    const struct pasta_rater_habits *first = &j.study->habits[0], *second = &j.study->habits[1];
    assert_string_equal(first->rater_id, "a");
    assert_int_equal(j.study->rater_of[0], 1);
    assert_int_equal(second->sessions, 2);
    assert_int_equal(second->turns, 6);
    assert_int_equal(second->chosen, 5);
    assert_int_equal(second->positions.n, 5);       /* 0 0 1 1 2 */
    assert_int_equal(second->pattern.lag, 1);       /* 2 of 4, 0 of 3, 0 of 2, 0 of 1 */
    assert_int_equal(second->pattern.equal, 2);
    assert_int_equal(second->pattern.of, 4);
    NEAR(second->pattern.excess, 0.25, 1e-12);
    NEAR(second->pattern.p, 1, 0);                  /* five times 67 / 256 */
    assert_int_equal(second->position_run.run.length, 2);
    assert_int_equal(second->rating_values, 2);
    assert_int_equal(second->rating_run.run.length, 2);
    NEAR(j.study->ratings[second->rating_run.run.value], 5, 0);
    /* ratings 1, 5, 5, 9.5 in all: of three, no two in a row alike */
    NEAR(second->rating_run.p, 1 - (2 * 0.25 * (0.5 * 0.5 + 0.25 * 0.75) + 0.5 * 2 * 0.25 * 0.75), 1e-12);
    assert_int_equal(second->timed, 3);
    assert_int_equal(second->fast, 1);              /* 2 s is not below 2 s */
    NEAR(second->seconds, 2, 0);
    assert_true(isnan(first->seconds) && isnan(first->speed) && isnan(second->speed));
    NEAR(j.study->median_seconds, 2, 1e-12);
    assert_int_equal(j.study->positions.n, 6);
    assert_true(isnan(first->guessing) && isnan(first->repeats_p) && isnan(first->versus_run.p));
    release(&j);
}

/* Robust deviations: medians 8, 8e, 8/e, 8e^2, 8/e^4 s have log-median log 8 and a MAD of 1. */
static void speeds(void **state)
{
    (void)state;
    struct pasta_arena arena = {0};
    static const double log_time[] = {0, 1, -1, 2, -4};
    const int choice[] = {0, -2};
    struct pasta_session sessions[5];
    for (int i = 0; i < 5; i++) {
        sessions[i] = hand_session(pasta_arena_printf(&arena, "r%d", i), choice, 4, &arena);
        sessions[i].turns[0].seconds = 8 * exp(log_time[i]);
    }
    struct judged j = judge_sessions(arena, sessions, 5);
    for (int i = 0; i < 5; i++)
        NEAR(j.study->habits[i].speed, log_time[i] / 1.4826, 1e-12);
    release(&j);
}

static void checks(void **state)
{
    (void)state;
    struct pasta_arena arena = {0};
    const int choice[] = {2, 1, -1, -2};
    struct pasta_session s = hand_session("a", choice, 4, &arena), other = hand_session("b", choice, 4, &arena);
    struct pasta_column *turned = pasta_arena_alloc(&arena, 4 * sizeof *turned), *twin = s.turns[1].columns;
    for (int l = 0; l < 4; l++)
        turned[l] = s.turns[0].columns[3 - l];
    twin[0] = twin[1]; /* columns 1 and 2 of the second turn look the same */
    struct pasta_check given[] = {
        {.kind = PASTA_CHECK_ATTENTION, .n_columns = 4, .columns = turned, .expected = 1, .choice = 1},
        {.kind = PASTA_CHECK_ATTENTION, .n_columns = 2, .columns = turned, .expected = 0, .choice = -1},
        {.kind = PASTA_CHECK_REPEAT, .n_columns = 4, .columns = turned, .expected = -1, .repeat_of = 1, .choice = 1},
        {.kind = PASTA_CHECK_REPEAT, .n_columns = 4, .columns = twin, .expected = -1, .repeat_of = 2, .choice = 0},
        {.kind = PASTA_CHECK_REPEAT, .n_columns = 4, .columns = s.turns[2].columns, .expected = -1, .repeat_of = 3, .choice = -1},
        {.kind = PASTA_CHECK_REPEAT, .n_columns = 4, .columns = turned, .expected = -1, .repeat_of = 1, .choice = 2}};
    struct pasta_check of_other = {.kind = PASTA_CHECK_REPEAT, .n_columns = 4, .columns = other.turns[0].columns, .expected = -1,
                                   .repeat_of = 1, .choice = 2};
    s.checks = given;
    s.n_checks = 6;
    other.checks = &of_other;
    other.n_checks = 1;
    struct pasta_session sessions[] = {s, other};
    struct judged j = judge_sessions(arena, sessions, 2);
    const struct pasta_rater_habits *h = &j.study->habits[0];
    assert_int_equal(h->attention, 2);
    assert_int_equal(h->attention_failed, 1);
    NEAR(h->guessing, 1 - 0.75 * 0.5, 1e-12);
    assert_int_equal(h->repeats, 4);
    assert_int_equal(h->repeats_same, 3); /* the last one is column 2 of the turn, not 3 */
    NEAR(h->repeats_chance, 0.25, 1e-12);
    NEAR(h->repeats_p, 0.8, 1e-12); /* of 5 looks one disagreed: P(it is among the 4) */
    NEAR(j.study->habits[1].repeats_p, 1, 1e-12);
    assert_int_equal(j.study->n_repeats, 5);
    static const double codes[] = {2, 2, 0, 0, -1, -1, 2, 1, 2, 2};
    for (int i = 0; i < 10; i++)
        NEAR(j.study->repeat_codes[i], codes[i], 0);
    assert_int_equal(j.study->repeat_rater[4], 1);
    assert_false(j.verdicts->items[0].suspicious);
    release(&j);
}

/* The bounds are what the settings say. */
static void bounds_hold(void **state)
{
    (void)state;
    enum habit habits[20] = {HONEST};
    struct judged j = judge_world(11, habits, 20, &usual);
    for (int r = 0; r < 20; r++)
        j.study->habits[r].attention_failed = 0;
    struct pasta_rater_habits *h = &j.study->habits[5];
    struct pasta_raters_settings set = bounds();
    static const struct { int failed, shown, least; double share; bool named; } cases[] = {
        {2, 4, 2, 0.5, true}, {2, 5, 2, 0.5, false}, {1, 1, 2, 0.5, false},
        {1, 1, 1, 0.5, true}, {2, 5, 2, 0.4, true},  {0, 0, 1, 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        h->attention_failed = cases[i].failed;
        h->attention = cases[i].shown;
        set.attention_failed = cases[i].least;
        set.attention_share = cases[i].share;
        struct pasta_rater_verdicts *v = pasta_rater_judge(j.study, &set);
        assert_int_equal(v->items[5].broken[PASTA_RULE_ATTENTION], cases[i].named);
        assert_int_equal(v->named[PASTA_RULE_ATTENTION], cases[i].named);
        pasta_rater_verdicts_free(v);
    }
    release(&j);
}

/* Less agreement than the others' is not enough: it has to be nearer to chance than to theirs. */
static void less_agreement_is_not_chance(void **state)
{
    (void)state;
    enum { RATERS = 10, EACH = 1000 };
    const enum habit habits[RATERS] = {HONEST};
    const struct pasta_raters_settings set = bounds();
    struct judged j = judge_world(11, habits, RATERS, &usual);
    static const struct { int64_t same; double p; bool named; } cases[] = {{590, 1e-12, false}, {570, 1e-12, true}, {570, 0.5, false}};
    j.study->n_repeats = RATERS * EACH;
    for (int r = 0; r < RATERS; r++) {
        j.study->habits[r].repeats = EACH;
        j.study->habits[r].repeats_same = 910;
        j.study->habits[r].repeats_p = 1;
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        j.study->habits[3].repeats_same = cases[i].same; /* half-way between 0.25 and 0.91 is 0.58 */
        j.study->habits[3].repeats_p = cases[i].p;
        struct pasta_rater_verdicts *v = pasta_rater_judge(j.study, &set);
        assert_int_equal(v->items[3].broken[PASTA_RULE_REPEATS], cases[i].named);
        assert_int_equal(v->named[PASTA_RULE_REPEATS], cases[i].named);
        if (cases[i].named)
            assert_string_equal(v->items[3].reasons, "chose the same in 570 of 1000 repeated slates (p < 1e-9)");
        pasta_rater_verdicts_free(v);
    }
    release(&j);
}

/* The correction is over all raters: what is rare for one is usual among many. */
static void correction_counts_raters(void **state)
{
    (void)state;
    struct pasta_arena arena = {0};
    const int choice[] = {0, 0, 0, 0, 0, -2}, odd[] = {0, 1, 2, 3, 0, -2};
    struct pasta_session sessions[50];
    for (int i = 0; i < 50; i++)
        sessions[i] = hand_session(pasta_arena_printf(&arena, "r%02d", i), i ? odd : choice, 4, &arena);
    struct judged few = judge_sessions((struct pasta_arena){0}, sessions, 1), many = judge_sessions(arena, sessions, 50);
    NEAR(few.study->habits[0].positions.p, pow(0.25, 4), 1e-12);
    NEAR(few.verdicts->items[0].p[PASTA_RULE_POSITIONS], 3 * pow(0.25, 4), 1e-12); /* positions, run and pattern */
    assert_true(many.verdicts->items[0].p[PASTA_RULE_POSITIONS] > 0.3);
    assert_false(many.verdicts->items[0].suspicious);
    release(&few);
    release(&many);
}

/* --- over many studies --- */

/* Who clicks at random is found by repeated slates alone, but only when there are many of them: eighty from each rater, where the honest
 * agree with themselves in 58 %. */
static void repeats_find_random_clicks(void **state)
{
    (void)state;
    enum { STUDIES = 10, RATERS = 40, EACH = 4 };
    static const struct world_study repeats = {.sessions = 10, .turns = 5, .repeats = 8};
    int found = 0, honest = 0;
    for (uint32_t study = 0; study < STUDIES; study++) {
        enum habit habits[RATERS] = {HONEST};
        for (int i = 0; i < EACH; i++)
            habits[9 * i] = RANDOM;
        struct judged j = judge_world(700 + study, habits, RATERS, &repeats);
        for (int r = 0; r < RATERS; r++)
            *(habits[r] == RANDOM ? &found : &honest) += j.verdicts->items[r].broken[PASTA_RULE_REPEATS];
        release(&j);
    }
    print_message("random clicks, 80 repeated slates: named %d of %d, honest %d of %d\n", found, STUDIES * EACH, honest,
                  STUDIES * (RATERS - EACH));
    assert_true(10 * found >= 6 * STUDIES * EACH);
    assert_true(honest <= 2);
}

/* Over many studies: how many of the honest are named, how many of the others are not. */
static void false_alarms_and_detections(void **state)
{
    (void)state;
    enum { STUDIES = 40, RATERS = 60, EACH = 2 };
    int n[HABITS] = {0}, named[HABITS] = {0}, quiet = 0;
    for (uint32_t study = 0; study < STUDIES; study++) {
        enum habit habits[RATERS] = {HONEST};
        int false_alarms = 0;
        for (int i = 0; i < EACH * (HABITS - 1); i++)
            habits[3 * i] = (enum habit)(1 + i % (HABITS - 1));
        struct judged j = judge_world(100 + study, habits, RATERS, &usual);
        for (int r = 0; r < RATERS; r++) {
            n[habits[r]]++;
            named[habits[r]] += j.verdicts->items[r].suspicious;
            false_alarms += habits[r] == HONEST && j.verdicts->items[r].suspicious;
        }
        quiet += false_alarms == 0;
        release(&j);
    }
    for (int h = 0; h < HABITS; h++)
        print_message("%-22s named %4d of %d\n", habit_names[h], named[h], n[h]);
    print_message("studies without a false alarm: %d of %d\n", quiet, STUDIES);
    assert_true(100 * named[HONEST] <= n[HONEST]);
    for (int h = HONEST + 1; h < HABITS; h++)
        if (20 * named[h] < 17 * n[h])
            fail_msg("%s: named %d of %d", habit_names[h], named[h], n[h]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_and_times), cmocka_unit_test(speeds), cmocka_unit_test(checks), cmocka_unit_test(bounds_hold),
        cmocka_unit_test(less_agreement_is_not_chance), cmocka_unit_test(correction_counts_raters), cmocka_unit_test(each_habit_is_named),
        cmocka_unit_test(repeats_find_random_clicks), cmocka_unit_test(false_alarms_and_detections)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
