/* The law of an agent that explores, against the agent: how often each slate is shown. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/agent/slate.h"
#include "pasta/agent/slate_law.h"
#include "pasta/base/mem.h"

enum { N = 9, DRAWS = 200000 };
static const enum pasta_category categories[N] = {0, 0, 1, 1, 1, 2, 3, 3, 4};
static const char *const prompts[N] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
static const double scores[N] = {0.3, 0.9, -0.2, 0.5, 0.4, 1.1, 0, 0.2, -1};

static void candidates_of(struct pasta_candidate *c)
{
    for (int i = 0; i < N; i++)
        c[i] = (struct pasta_candidate){prompts[i], categories[i]};
}

/* As agent/rollout.c draws it; returns the slate as a set. */
static unsigned draw(const struct pasta_candidate *c, int slate, double epsilon, double temperature, struct pasta_rng *rng)
{
    double noisy[N];
    int picks[PASTA_MAX_SLATE];
    unsigned set = 0;
    const bool at_random = pasta_rng_uniform(rng) < epsilon;
    for (int i = 0; i < N; i++)
        noisy[i] = scores[i] + (temperature > 0 ? temperature * pasta_rng_gumbel(rng) : 0);
    const int n = at_random ? pasta_slate_explore(c, N, slate, rng, picks) : pasta_slate_select(c, noisy, N, slate, picks);
    for (int i = 0; i < n; i++)
        set |= 1u << picks[i];
    return set;
}

static int members(unsigned set, int *picks)
{
    int n = 0;
    for (int i = 0; i < N; i++)
        if (set >> i & 1)
            picks[n++] = i;
    return n;
}

static void check_frequencies(int slate, double epsilon, double temperature)
{
    struct pasta_candidate c[N];
    struct pasta_slate_law law;
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, (uint32_t)slate, (uint32_t)(100 * epsilon), (uint32_t)(100 * temperature));
    int *count = pasta_calloc(1u << N, sizeof *count);
    double all = 0, included[N] = {0};
    candidates_of(c);
    assert_true(pasta_slate_law_init(&law, c, scores, N, slate, epsilon, temperature));
    for (int k = 0; k < DRAWS; k++)
        count[draw(c, slate, epsilon, temperature, &rng)]++;
    for (unsigned set = 0; set < 1u << N; set++) {
        int picks[N];
        if (members(set, picks) != slate)
            continue;
        const double p = pasta_slate_law_probability(&law, picks, slate), found = (double)count[set] / DRAWS;
        unsigned shown = 0;
        for (int i = 0; i < slate; i++)
            shown |= 1u << categories[picks[i]];
        if (__builtin_popcount(shown) != slate) {
            assert_int_equal(count[set], 0);
            continue;
        }
        if (fabs(found - p) > 5 * sqrt(p * (1 - p) / DRAWS) + 1e-12)
            fail_msg("slate %x: expected %g, found %g", set, p, found);
        all += p;
        for (int i = 0; i < slate; i++)
            included[picks[i]] += p;
    }
    assert_true(fabs(all - 1) < 1e-12);
    for (int i = 0; i < N; i++)
        assert_true(fabs(included[i] - law.inclusion[i]) < 1e-12);
    pasta_slate_law_release(&law);
    free(count);
}

static void slates_come_as_often_as_the_law_says(void **state)
{
    (void)state;
    check_frequencies(4, 0.3, 0.5);
    check_frequencies(4, 1, 0);
    check_frequencies(3, 0, 1);
    check_frequencies(5, 0.2, 0);
    check_frequencies(4, 0, 0);
    check_frequencies(1, 0.5, 0.1);
}

/* Where a slate brings the sum of its candidates' worth, weighted logged slates bring what the other agent's do, whatever the worths. */
static void item_weights_are_right_for_sums(void **state)
{
    (void)state;
    const struct { int slate; double epsilon, temperature; } logged[] = {{4, 1, 0}, {4, 0.3, 0.4}, {5, 1, 0}, {2, 0.1, 0}};
    struct pasta_candidate c[N];
    double other[N];
    candidates_of(c);
    for (int i = 0; i < N; i++)
        other[i] = sin(7 * i);
    for (size_t k = 0; k < sizeof logged / sizeof *logged; k++) {
        struct pasta_slate_law logging, policy;
        double ones = 0, squares = 0;
        assert_true(pasta_slate_law_init(&logging, c, scores, N, logged[k].slate, logged[k].epsilon, logged[k].temperature));
        assert_true(pasta_slate_law_init(&policy, c, other, N, logged[k].slate, 0, 0));
        double brought[N] = {0};
        for (unsigned set = 0; set < 1u << N; set++) {
            int picks[N];
            unsigned shown = 0;
            if (members(set, picks) != logged[k].slate)
                continue;
            for (int i = 0; i < logged[k].slate; i++)
                shown |= 1u << categories[picks[i]];
            if (__builtin_popcount(shown) != logged[k].slate)
                continue;
            const double p = pasta_slate_law_probability(&logging, picks, logged[k].slate);
            const double w = pasta_slate_item_weight(&logging, policy.inclusion, picks, logged[k].slate);
            ones += p * w;
            squares += p * w * w;
            for (int i = 0; i < logged[k].slate; i++)
                brought[picks[i]] += p * w;
        }
        assert_true(fabs(ones - 1) < 1e-8);
        assert_true(squares > 1); /* these are two agents */
        for (int i = 0; i < N; i++)
            assert_true(fabs(brought[i] - policy.inclusion[i]) < 1e-8);
        pasta_slate_law_release(&logging);
        pasta_slate_law_release(&policy);
    }
}

static void what_is_never_shown_has_no_weight(void **state)
{
    (void)state;
    struct pasta_candidate c[N];
    struct pasta_slate_law logging, policy;
    double reversed[N];
    const int best[] = {1, 3, 5};
    candidates_of(c);
    for (int i = 0; i < N; i++)
        reversed[i] = -scores[i];
    assert_true(pasta_slate_law_init(&logging, c, scores, N, 3, 0, 0));
    assert_true(pasta_slate_law_init(&policy, c, reversed, N, 3, 0, 0));
    assert_true(isnan(pasta_slate_item_weight(&logging, policy.inclusion, best, 3)));
    assert_true(fabs(pasta_slate_item_weight(&logging, logging.inclusion, best, 3) - 1) < 1e-9);
    assert_true(pasta_slate_law_probability(&logging, best, 3) == 1);
    assert_true(pasta_slate_law_probability(&policy, best, 3) == 0);
    pasta_slate_law_release(&logging);
    pasta_slate_law_release(&policy);
}

static void what_has_no_law_is_refused(void **state)
{
    (void)state;
    struct pasta_candidate c[N];
    struct pasta_slate_law law;
    double missing[N];
    candidates_of(c);
    memcpy(missing, scores, sizeof scores);
    missing[2] = NAN;
    assert_false(pasta_slate_law_init(&law, c, missing, N, 4, 0, 1));
    assert_true(pasta_slate_law_init(&law, c, missing, N, 4, 1, 0)); /* at random, scores say nothing */
    pasta_slate_law_release(&law);
    assert_false(pasta_slate_law_init(&law, c, scores, 5, 4, 1, 0)); /* two categories */
    assert_true(pasta_slate_law_init(&law, c, scores, 5, 4, 0, 0));  /* filled up, always alike */
    assert_true(fabs(pasta_slate_item_weight(&law, law.inclusion, (const int[]){0, 1, 3, 4}, 4) - 1) < 1e-9);
    pasta_slate_law_release(&law);
    c[8].prompt = "a";
    assert_false(pasta_slate_law_init(&law, c, scores, N, 4, 0.5, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slates_come_as_often_as_the_law_says),
        cmocka_unit_test(item_weights_are_right_for_sums),
        cmocka_unit_test(what_is_never_shown_has_no_weight),
        cmocka_unit_test(what_has_no_law_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
