/* The text that the value functions read: template, shortening, tokens, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/paths.h"
#include "pasta/value/history.h"

/* Two turns: one with a rating, one with a rating and a comparison. */
static struct pasta_column first[] = {{.prompt = "a red bicycle in ink", .category = PASTA_STYLE}, {.prompt = "a red bicycle at night", .category = PASTA_EXPAND}};
static struct pasta_column second[] = {{.prompt = "a red bicycle in ink, neon", .category = PASTA_STYLE}, {.prompt = "two red bicycles", .category = PASTA_SUBJECT}};
static struct pasta_turn turns[] = {{.n_columns = 2, .columns = first, .choice = 0, .rating = 6.6}, {.n_columns = 2, .columns = second, .choice = -1, .rating = 3, .versus = PASTA_WORSE}};
static struct pasta_session session = {.initial_prompt = "a red\nbicycle", .n_turns = 2, .turns = turns};

static void text_is_the_template(void **state)
{
    (void)state;
    struct pasta_str s = {0};
    const struct pasta_candidate candidate = {"a red bicycle in ink, calm mood", PASTA_CREATIVE};
    pasta_history_text(&session, 2, &candidate, &s);
    assert_string_equal(s.data, "prompt: a red bicycle\n"
                                " style ~ in ink ? yes expand ~ at night ? no 7\n"
                                " style ~ neon ? no subject two ~ bicycles ? no 3 worse\n"
                                " creative ~ calm mood ?");
    pasta_str_clear(&s);
    pasta_history_text(&session, 0, NULL, &s);
    assert_string_equal(s.data, "prompt: a red bicycle\n");
    pasta_str_release(&s);
}

static void shortening_keeps_what_is_new(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"a cat", "a cat", "~"},
        {"a cat, in ink", "a cat", "~ in ink"},
        {"A Cat, in ink", "a cat", "~ in ink"},
        {"a sleepy cat, in ink", "a cat in ink", "~ sleepy ~"},
        {"an owl", "a cat", "an owl"},
        {"a cat", "a cat, in ink", "~"},
        {"b a b a", "a b", "b ~ a"},
        {"", "a cat", ""},
        {"in ink", "", "in ink"},
        {"a , b", "a , c", "~ b"},
        {"  a   cat ", "a cat", "~"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_str s = {0};
        pasta_str_add(&s, "");
        pasta_history_shorten(cases[i][0], cases[i][1], &s);
        assert_string_equal(s.data, cases[i][2]);
        pasta_str_release(&s);
    }
}

static struct pasta_spm *load_tokenizer(void)
{
    struct pasta_err err = {0};
    struct pasta_spm *spm = NULL;
    char *path = pasta_data_path("models/gemma-sketch/tokenizer.model");
    if (pasta_spm_load(path, &spm, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    free(path);
    return spm;
}

static void tokens_are_those_of_the_text(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_spm *spm = load_tokenizer();
    struct pasta_history h;
    struct pasta_str s = {0};
    int64_t *whole, ids[400];
    int n_whole;
    pasta_history_text(&session, 2, NULL, &s);
    assert_int_equal(pasta_spm_encode(spm, s.data, &whole, &n_whole, &err), PASTA_OK);
    assert_int_equal(pasta_history_init(&h, spm, &session, 2, &err), PASTA_OK);
    const int n = pasta_history_write(&h, 0, 2, 400, ids);
    assert_int_equal(n, n_whole + 1);
    assert_int_equal(ids[0], 2);
    for (int i = 1; i < n; i++)
        assert_int_equal(ids[i], whole[i - 1]);
    /* a shorter history is a beginning of a longer one */
    int64_t fewer[400];
    const int n_fewer = pasta_history_write(&h, 0, 1, 400, fewer);
    assert_true(n_fewer < n);
    assert_memory_equal(fewer, ids, (size_t)n_fewer * sizeof *ids);
    pasta_history_release(&h);
    pasta_str_release(&s);
    free(whole);
    pasta_spm_free(spm);
}

static void limits_cut_the_oldest_turns(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_spm *spm = load_tokenizer();
    struct pasta_history h;
    int64_t ids[400], all[400];
    assert_int_equal(pasta_history_init(&h, spm, &session, 2, &err), PASTA_OK);
    const int n = pasta_history_write(&h, 0, 2, 400, all), head = 1 + h.prompt.n;
    assert_int_equal(pasta_history_first(&h, 2, n), 0);
    assert_int_equal(pasta_history_first(&h, 2, n - 1), 1);
    assert_int_equal(pasta_history_write(&h, 1, 2, n - 1, ids), head + h.turns[1].n);
    assert_memory_equal(ids, all, (size_t)head * sizeof *ids); /* the initial prompt stays */
    assert_memory_equal(ids + head, all + head + h.turns[0].n, (size_t)h.turns[1].n * sizeof *ids);
    assert_int_equal(pasta_history_first(&h, 2, head), 2);
    /* the prompt line alone is too long: cut at its end, its newline kept */
    assert_int_equal(pasta_history_write(&h, 2, 2, 3, ids), 3);
    assert_int_equal(ids[1], all[1]);
    assert_int_equal(ids[2], all[head - 1]);
    /* a candidate keeps its question mark */
    const struct pasta_candidate candidate = {"a red bicycle in ink, calm mood, neon, at night", PASTA_CREATIVE};
    struct pasta_tokens full, cut;
    assert_int_equal(pasta_history_candidate(spm, &session, 2, &candidate, 400, &full, &err), PASTA_OK);
    assert_int_equal(pasta_history_candidate(spm, &session, 2, &candidate, 4, &cut, &err), PASTA_OK);
    assert_true(full.n > 4);
    assert_int_equal(cut.n, 4);
    assert_memory_equal(cut.ids, full.ids, 3 * sizeof *cut.ids);
    assert_int_equal(cut.ids[3], full.ids[full.n - 1]);
    pasta_tokens_release(&full);
    pasta_tokens_release(&cut);
    pasta_history_release(&h);
    pasta_spm_free(spm);
}

int main(void)
{
    turns[0].versus = PASTA_VERSUS_NONE;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_the_template),
        cmocka_unit_test(shortening_keeps_what_is_new),
        cmocka_unit_test(tokens_are_those_of_the_text),
        cmocka_unit_test(limits_cut_the_oldest_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
