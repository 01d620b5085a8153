/* Who gets which place: arms balanced by blocks, every rater every arm, abandoned places dealt again; what an answer may be. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "study_made.h"

static void end(struct study_session *session) /* as if it had been played */
{
    session->ended = true;
}

static struct study_session *begin(struct study *study, uint32_t rater, double now)
{
    struct made m = {.study = study, .now = now};
    struct study_session *session = made_begin(&m, rater);
    pasta_str_release(&m.journal);
    return session;
}

static int difference(const struct study *study)
{
    int n[2] = {0};
    for (size_t i = 0; i < study->n; i++)
        n[study->sessions[i]->arm]++;
    return n[0] - n[1];
}

/* Raters who play one session: at any time the arms differ by one at most, and whole blocks are even. */
static void one_session_each(void **state)
{
    (void)state;
    const struct pasta_study_design design = made_design(2000, 2000, 1);
    struct study *study = study_new(&design);
    int first = 0;
    for (uint32_t r = 0; r < 2000; r++) {
        struct study_session *session = begin(study, r, 0);
        assert_non_null(session);
        assert_int_equal(session->block, r / 2);
        first += r % 2 == 0 && session->arm == 0;
        assert_in_range(difference(study) + 1, 0, 2);
        assert_true(r % 2 == 0 || difference(study) == 0);
        if (r % 3)
            end(session);
    }
    assert_in_range(first, 420, 580); /* which arm comes first is a toss-up: 500 +- 16 */
    int64_t block;
    int arm;
    assert_false(study_deal(study, &study->raters[0], 0, &arm, &block));
    study_free(study);
}

/* Three arms and thousands of starts, some abandoned: each place ends with one session, however the raters come and go. */
static void abandonment(void **state)
{
    (void)state;
    static const char *arms[] = {"a", "b", "c"};
    struct pasta_study_design design = made_design(3000, 5000, 1);
    design.n_arms = 3;
    design.arms = arms;
    struct study *study = study_new(&design);
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 0, 0, 0);
    double now = 0;
    uint32_t rater = 0;
    int abandoned = 0, done[3] = {0};
    while (study_done(study) < 3000) {
        struct study_session *session = begin(study, rater, now);
        if (session) {
            rater++;
            if (pasta_rng_below(&rng, 5))
                end(session);
            else
                abandoned++;
        }
        now += session ? 1 : 61; /* nobody comes while all that is left is under way */
    }
    assert_true(abandoned > 500);
    assert_int_equal(study->n, 3000 + abandoned);
    bool *taken = pasta_calloc(3000, sizeof *taken);
    for (size_t i = 0; i < study->n; i++) {
        const struct study_session *session = study->sessions[i];
        const int64_t place = 3 * session->block + session->arm;
        assert_true(!session->ended || !taken[place]);
        taken[place] = taken[place] || session->ended;
        done[session->arm] += session->ended;
    }
    for (int a = 0; a < 3; a++)
        assert_int_equal(done[a], 1000);
    free(taken);
    study_free(study);
}

/* Raters with two sessions see both arms, whoever comes in between, and the arms stay close. */
static void two_sessions_each(void **state)
{
    (void)state;
    const struct pasta_study_design design = made_design(800, 400, 2);
    for (uint32_t order = 0; order < 5; order++) {
        struct study *study = study_new(&design);
        struct pasta_rng rng = pasta_rng_at(order, PASTA_RNG_TEST, 0, 0, 0);
        uint32_t turns[800];
        int furthest = 0;
        for (uint32_t i = 0; i < 800; i++)
            turns[i] = i % 400;
        pasta_rng_shuffle(&rng, turns, 800);
        for (uint32_t i = 0; i < 800; i++) {
            struct study_session *session = begin(study, turns[i], i);
            assert_non_null(session);
            end(session);
            furthest = abs(difference(study)) > furthest ? abs(difference(study)) : furthest;
        }
        for (uint32_t r = 0; r < 400; r++)
            assert_int_not_equal(study->raters[r].sessions[0]->arm, study->raters[r].sessions[1]->arm);
        assert_int_equal(difference(study), 0);
        assert_true(furthest <= 20);
        assert_int_equal(study_done(study), 800);
        study_free(study);
    }
}

/* Which arm comes first says nothing about who the rater is. */
static void arms_do_not_depend_on_the_rater(void **state)
{
    (void)state;
    int first[10] = {0};
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct pasta_study_design design = made_design(10, 10, 1);
        design.seed = seed;
        struct study *study = study_new(&design);
        for (uint32_t r = 0; r < 10; r++)
            first[r] += begin(study, r, 0)->arm;
        study_free(study);
    }
    for (int r = 0; r < 10; r++)
        assert_in_range(first[r], 150, 250); /* 200 +- 10 */
}

static void an_abandoned_rater_may_go_on(void **state)
{
    (void)state;
    const struct pasta_study_design design = made_design(2, 3, 1);
    struct made m = made_open(&design);
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 0, 0, 0);
    struct study_session *away = made_begin(&m, 0);
    made_step(&m, away, &rng);
    m.now += 59;
    struct study_session *second = made_begin(&m, 1);
    assert_non_null(second);
    assert_int_not_equal(second->arm, away->arm);
    m.now += 1;
    assert_false(study_abandoned(m.study, away, m.now)); /* exactly as long is not longer */
    assert_null(made_begin(&m, 2));
    m.now += 1;
    assert_true(study_abandoned(m.study, away, m.now));
    assert_false(study_abandoned(m.study, second, m.now));
    assert_false(study_abandoned(m.study, away, m.now - 1000)); /* a clock that is set back gives nothing away */
    struct study_session *third = made_begin(&m, 2);
    assert_int_equal(third->arm, away->arm);
    assert_int_equal(third->block, away->block);
    while (!third->ended)
        made_step(&m, third, &rng);
    while (!second->ended)
        made_step(&m, second, &rng);
    assert_int_equal(study_done(m.study), 2);
    assert_ptr_equal(study_current(&m.study->raters[0]), away);
    while (!away->ended)
        made_step(&m, away, &rng);
    assert_int_equal(study_done(m.study), 2); /* a place counts once */
    assert_null(study_current(&m.study->raters[0]));
    assert_int_equal(third->ended_as, 1);
    assert_int_equal(second->ended_as, 2);
    assert_int_equal(away->ended_as, 3);
    made_close(&m);
}

/* On the page, steps count on: no answer meant for one session is taken for another. */
static void steps_count_on(void **state)
{
    (void)state;
    struct pasta_study_design design = made_design(4, 2, 2);
    design.attention_rate = design.repeat_rate = 0;
    struct made m = made_open(&design);
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 0, 0, 0);
    struct study_rater *rater = &m.study->raters[0];
    int step = 1;
    assert_null(study_session_of(rater, &step));
    assert_int_equal(study_steps_before(rater), 0);
    struct study_session *first = made_begin(&m, 0);
    while (!first->ended)
        made_step(&m, first, &rng);
    assert_int_equal(study_steps_before(rater), 0);
    struct study_session *second = made_begin(&m, 0);
    made_step(&m, second, &rng);
    assert_int_equal(study_steps_before(rater), 4);
    const struct { int page, own; const struct study_session *session; } cases[] = {
        {1, 1, first}, {4, 4, first}, {5, 1, second}, {6, 2, second}, {99, 95, second}, {0, 0, first}, {-3, -3, first}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        step = cases[i].page;
        assert_ptr_equal(study_session_of(rater, &step), cases[i].session);
        assert_int_equal(step, cases[i].own);
    }
    made_close(&m);
}

static const char *refused(const struct study_session *session, struct study_answer answer, bool none)
{
    return study_refuse(session, &answer, none);
}

static void what_an_answer_may_be(void **state)
{
    (void)state;
    struct pasta_study_design design = made_design(2, 1, 1);
    design.attention_rate = 1;
    struct made m = made_open(&design);
    struct study_session *session = made_begin(&m, 0);
    const struct study_answer plain = {.step = 1, .choice = 0, .rating = NAN, .seconds = NAN};
    struct study_answer answer = plain;

    made_show(&m, session);
    assert_null(refused(session, plain, false));
    for (int choice = -2; choice <= 5; choice++) {
        answer.choice = choice;
        assert_int_equal(refused(session, answer, true) == NULL, choice >= -1 && choice < MADE_COLUMNS);
        assert_int_equal(refused(session, answer, false) == NULL, choice >= 0 && choice < MADE_COLUMNS);
    }
    answer = plain;
    answer.versus = PASTA_BETTER;
    assert_non_null(refused(session, answer, false)); /* than what? */
    made_say(&m, session, &plain);

    made_show(&m, session);
    assert_true(session->check);
    answer = plain;
    assert_null(refused(session, answer, true));
    answer.choice = -1;
    assert_non_null(refused(session, answer, true));
    answer = plain;
    answer.rating = 5;
    assert_non_null(refused(session, answer, true));
    answer = plain;
    answer.critique = "x";
    assert_non_null(refused(session, answer, true));
    answer = plain;
    answer.versus = PASTA_SAME;
    assert_non_null(refused(session, answer, true));
    made_say(&m, session, &plain);

    made_show(&m, session);
    assert_false(session->check);
    assert_non_null(refused(session, plain, false)); /* versus is asked for */
    answer = plain;
    answer.versus = PASTA_WORSE;
    assert_null(refused(session, answer, false));
    answer.choice = -1;
    assert_non_null(refused(session, answer, true)); /* nothing was chosen that could be worse */
    answer.versus = PASTA_VERSUS_NONE;
    assert_null(refused(session, answer, true));
    made_say(&m, session, &answer);
    made_step(&m, session, &(struct pasta_rng){0}); /* the check */
    made_show(&m, session);
    assert_null(refused(session, plain, false)); /* after a turn with no choice there is nothing to compare with */
    made_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_session_each), cmocka_unit_test(abandonment), cmocka_unit_test(two_sessions_each),
        cmocka_unit_test(arms_do_not_depend_on_the_rater), cmocka_unit_test(an_abandoned_rater_may_go_on), cmocka_unit_test(steps_count_on),
        cmocka_unit_test(what_an_answer_may_be)};
    return cmocka_run_group_tests(tests, made_setup, made_teardown);
}
