/* The selector on a table of small cases, and random slates. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "pasta/agent/slate.h"

enum { MAX_N = 12 };

/* One letter of `categories` per candidate (r e s u c), one letter of `prompts` as its prompt. */
struct slate_case {
    const char *name, *categories, *prompts;
    double scores[MAX_N];
    int slate, expected_n, expected[PASTA_MAX_SLATE];
};

static const struct slate_case cases[] = {
    {"best of each category, then the best", "rreessuucc", "abcdefghij", {1, 2, 8, 7, 3, 4, 6, 5, 0, 9}, 4, 4, {9, 2, 6, 5}},
    {"slate of one", "resuc", "abcde", {1, 5, 3, 4, 2}, 1, 1, {1}},
    {"as many columns as categories", "resuc", "abcde", {1, 5, 3, 4, 2}, 5, 5, {1, 3, 2, 4, 0}},
    {"ties go to the lower index", "resuc", "abcde", {1, 1, 1, 1, 1}, 3, 3, {0, 1, 2}},
    {"ties within a category", "rreess", "abcdef", {2, 2, 2, 2, 2, 2}, 3, 3, {0, 2, 4}},
    {"fewer categories than columns: filled up by score", "rrreee", "abcdef", {6, 5, 4, 3, 2, 1}, 4, 4, {0, 3, 1, 2}},
    {"one category", "sssss", "abcde", {1, 2, 3, 4, 5}, 3, 3, {4, 3, 2}},
    {"a prompt is never shown twice", "resuc", "aabab", {5, 4, 3, 2, 1}, 4, 2, {0, 2}},
    {"a category whose best is taken gives its next", "rreess", "axaybz", {9, 1, 8, 2, 7, 1}, 3, 3, {0, 4, 3}},
    {"fewer candidates than columns", "re", "ab", {1, 2}, 4, 2, {1, 0}},
    {"no candidates", "", "", {0}, 4, 0, {0}},
    {"nan comes last", "resu", "abcd", {NAN, 1, NAN, -1}, 3, 3, {1, 3, 0}},
    {"minus infinity is before nan", "resu", "abcd", {NAN, -INFINITY, INFINITY, -1}, 4, 4, {2, 3, 1, 0}},
};

static void fill(const struct slate_case *c, struct pasta_candidate *candidates, char texts[][2])
{
    static const char letters[] = "resuc";
    for (size_t i = 0; c->categories[i]; i++) {
        texts[i][0] = c->prompts[i];
        texts[i][1] = '\0';
        candidates[i].prompt = texts[i]; /* equal prompts at different addresses */
        candidates[i].category = (enum pasta_category)(strchr(letters, c->categories[i]) - letters);
    }
}

static void select_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct slate_case *c = &cases[i];
        struct pasta_candidate candidates[MAX_N];
        char texts[MAX_N][2];
        int picks[PASTA_MAX_SLATE];
        fill(c, candidates, texts);
        const int n = pasta_slate_select(candidates, c->scores, (int)strlen(c->categories), c->slate, picks);
        if (n != c->expected_n || memcmp(picks, c->expected, (size_t)n * sizeof *picks) != 0)
            fail_msg("%s: %d columns, first %d", c->name, n, n ? picks[0] : -1);
    }
}

static void explore_keeps_the_promises(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct slate_case *c = &cases[i];
        struct pasta_candidate candidates[MAX_N];
        char texts[MAX_N][2];
        fill(c, candidates, texts);
        for (uint32_t draw = 0; draw < 50; draw++) {
            struct pasta_rng rng = pasta_rng_at(7, PASTA_RNG_TEST, draw, 0, 0);
            int picks[PASTA_MAX_SLATE];
            const int n = pasta_slate_explore(candidates, (int)strlen(c->categories), c->slate, &rng, picks);
            assert_int_equal(n, c->expected_n); /* how many there are does not depend on the scores */
            for (int a = 0; a < n; a++)
                for (int b = 0; b < a; b++)
                    assert_string_not_equal(candidates[picks[a]].prompt, candidates[picks[b]].prompt);
        }
    }
}

/* 2 candidates of the first category, 1 of the others, 2 columns: each category is in 2/5 of the slates, and each candidate of the
 * first in half of those. 20,000 draws: a share's standard error is at most 0.0035; the bound is more than four of them. */
static void explore_is_uniform_over_categories(void **state)
{
    (void)state;
    const struct slate_case c = {.categories = "rresuc", .prompts = "abcdef"};
    const double expected[6] = {0.2, 0.2, 0.4, 0.4, 0.4, 0.4};
    struct pasta_candidate candidates[MAX_N];
    char texts[MAX_N][2];
    int count[6] = {0};
    enum { DRAWS = 20000 };

    fill(&c, candidates, texts);
    for (uint32_t draw = 0; draw < DRAWS; draw++) {
        struct pasta_rng rng = pasta_rng_at(3, PASTA_RNG_TEST, draw, 0, 0);
        int picks[PASTA_MAX_SLATE];
        assert_int_equal(pasta_slate_explore(candidates, 6, 2, &rng, picks), 2);
        assert_int_not_equal(candidates[picks[0]].category, candidates[picks[1]].category);
        count[picks[0]]++;
        count[picks[1]]++;
    }
    for (int i = 0; i < 6; i++)
        if (fabs((double)count[i] / DRAWS - expected[i]) > 0.015)
            fail_msg("candidate %d: share %g, expected %g", i, (double)count[i] / DRAWS, expected[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(select_table),
        cmocka_unit_test(explore_keeps_the_promises),
        cmocka_unit_test(explore_is_uniform_over_categories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
