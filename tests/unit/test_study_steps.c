/* What a session shows next: turns, attention checks and repeated slates, the same after a restart. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "study_made.h"

/* One session played to its end under these rates; `choice_of` fixes every turn's choice where it is not -2. */
struct played { struct made made; struct study_session *session; };
static struct played play(double attention, double repeat, uint64_t seed, int choice_of)
{
    struct pasta_study_design design = made_design(2, 1, 1);
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_TEST, 0, 0, 0);
    struct played p;
    design.attention_rate = attention;
    design.repeat_rate = repeat;
    design.seed = seed;
    design.horizon = 8;
    p.made = made_open(&design);
    p.session = made_begin(&p.made, 0);
    while (!p.session->ended) {
        struct pasta_arena arena = {0};
        if (!p.session->shown)
            made_show(&p.made, p.session);
        struct study_answer answer = made_answer(p.session, &rng, &arena);
        if (choice_of != -2 && !p.session->check) {
            answer.choice = choice_of;
            answer.versus = answer.choice >= 0 && study_asks_versus(p.session) ? PASTA_SAME : PASTA_VERSUS_NONE;
        }
        made_say(&p.made, p.session, &answer);
        pasta_arena_release(&arena);
    }
    return p;
}

static void rates_of_0_and_1(void **state)
{
    (void)state;
    struct played none = play(0, 0, 1, 2), attention = play(1, 0, 1, 2), repeat = play(0, 1, 1, 2), both = play(1, 1, 1, 2);
    assert_int_equal(none.session->record.n_checks, 0);
    assert_int_equal(attention.session->record.n_checks, 8);
    assert_int_equal(repeat.session->record.n_checks, 7); /* after the first turn there is no earlier one to repeat */
    assert_int_equal(both.session->record.n_checks, 15);
    for (int i = 0; i < 15; i++) { /* attention first */
        const struct pasta_check *check = &both.session->record.checks[i];
        assert_int_equal(check->after_turn, i == 0 ? 1 : (i + 1) / 2 + 1);
        assert_int_equal(check->kind, i == 0 || i % 2 ? PASTA_CHECK_ATTENTION : PASTA_CHECK_REPEAT);
    }
    made_close(&none.made), made_close(&attention.made), made_close(&repeat.made), made_close(&both.made);
}

static void checks_are_of_turns(void **state)
{
    (void)state;
    int of[8][8] = {0}, expected[MADE_COLUMNS] = {0}, moved = 0, n = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct played p = play(0.5, 0.5, seed, -2);
        const struct pasta_session *s = &p.session->record;
        for (int i = 0; i < s->n_checks; i++) {
            const struct pasta_check *check = &s->checks[i];
            const struct pasta_turn *turn = &s->turns[(check->kind == PASTA_CHECK_REPEAT ? check->repeat_of : check->after_turn) - 1];
            bool seen[MADE_COLUMNS] = {false};
            assert_int_equal(check->n_columns, MADE_COLUMNS);
            for (int l = 0; l < MADE_COLUMNS; l++) {
                const int column = pasta_column_in(turn, &check->columns[l]);
                assert_in_range(column, 0, MADE_COLUMNS - 1);
                assert_false(seen[column]);
                seen[column] = true;
                moved += column != l;
                n++;
            }
            if (check->kind == PASTA_CHECK_ATTENTION) {
                assert_in_range(check->expected, 0, MADE_COLUMNS - 1);
                expected[check->expected]++;
                continue;
            }
            assert_in_range(check->repeat_of, 1, check->after_turn - 1); /* never the turn just seen */
            assert_true(turn->choice >= 0);
            of[check->after_turn - 1][check->repeat_of - 1]++;
        }
        made_close(&p.made);
    }
    assert_true(moved > n / 2 && moved < n); /* 3 of 4 columns stand elsewhere */
    for (int l = 0; l < MADE_COLUMNS; l++)
        assert_true(expected[l] > 200);
    for (int t = 1; t < 8; t++)
        for (int earlier = 0; earlier < t; earlier++)
            assert_true(of[t][earlier] > 0);
}

static void nothing_chosen_is_not_repeated(void **state)
{
    (void)state;
    struct played p = play(0, 1, 3, -1);
    assert_int_equal(p.session->record.n_turns, 8);
    assert_int_equal(p.session->record.n_checks, 0);
    made_close(&p.made);
}

/* A state made anew asks what the first one asked, at every point of the session. */
static void same_after_restart(void **state)
{
    (void)state;
    struct pasta_study_design design = made_design(2, 1, 1);
    struct made m = made_open(&design);
    struct pasta_rng rng = pasta_rng_at(5, PASTA_RNG_TEST, 0, 0, 0);
    struct study_session *session = made_begin(&m, 0);
    while (!session->ended) {
        struct study *again;
        struct pasta_err err = {0};
        struct pasta_check a, b;
        struct pasta_str text_a = {0}, text_b = {0};
        struct pasta_arena arena = {0};
        assert_int_equal(made_read(m.journal.data, m.journal.length, &again, NULL, &err), PASTA_OK);
        const enum step_kind kind = step_next(&design, &session->record, 0, &arena, &a);
        assert_int_equal(step_next(&again->design, &again->sessions[0]->record, 0, &arena, &b), kind);
        assert_int_equal(step_next(&design, &session->record, 0, NULL, &b), kind); /* without columns */
        assert_int_equal(step_next(&again->design, &again->sessions[0]->record, 0, &arena, &b), kind);
        if (kind == STEP_CHECK) {
            pasta_check_print(&a, &text_a);
            pasta_check_print(&b, &text_b);
            assert_string_equal(text_a.data, text_b.data);
        }
        pasta_str_release(&text_a);
        pasta_str_release(&text_b);
        pasta_arena_release(&arena);
        study_free(again);
        made_step(&m, session, &rng);
    }
    made_close(&m);
}

static void steps_are_found_by_number(void **state)
{
    (void)state;
    struct played p = play(1, 1, 2, 1);
    const struct pasta_session *s = &p.session->record;
    int turns = 0, checks = 0;
    const struct pasta_turn *turn;
    const struct pasta_check *check;
    assert_int_equal(step_number(s), 8 + 15 + 1);
    for (int step = 1; step < step_number(s); step++) {
        step_find(s, step, &turn, &check);
        assert_true((turn == NULL) != (check == NULL));
        if (turn)
            assert_ptr_equal(turn, &s->turns[turns++]);
        else
            assert_ptr_equal(check, &s->checks[checks++]);
        if (check)
            assert_int_equal(check->after_turn, turns);
    }
    assert_int_equal(turns, 8);
    for (int step = -1; step <= 24; step += step == -1 ? 1 : 24) {
        step_find(s, step, &turn, &check);
        assert_null(turn);
        assert_null(check);
    }
    made_close(&p.made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_of_0_and_1), cmocka_unit_test(checks_are_of_turns), cmocka_unit_test(nothing_chosen_is_not_repeated),
        cmocka_unit_test(same_after_restart), cmocka_unit_test(steps_are_found_by_number)};
    return cmocka_run_group_tests(tests, made_setup, made_teardown);
}
