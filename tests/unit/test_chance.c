/* Exact probabilities against closed forms, and against counting everything. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "pasta/base/rng.h"
#include "pasta/eval/chance.h"
#include "pasta/eval/chi_square.h"

#define NEAR(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static void successes(void **state)
{
    (void)state;
    const double fair[] = {0.5, 0.5, 0.5, 0.5}, mixed[] = {0.5, 0.25, 0.2};
    NEAR(pasta_successes_at_least(fair, 4, 3), 5.0 / 16, 1e-15);
    NEAR(pasta_successes_at_most(fair, 4, 1), 5.0 / 16, 1e-15);
    NEAR(pasta_successes_at_least(fair, 4, 0), 1, 1e-15);
    NEAR(pasta_successes_at_least(mixed, 3, 3), 0.025, 1e-15);
    NEAR(pasta_successes_at_most(mixed, 3, 0), 0.5 * 0.75 * 0.8, 1e-15);
    NEAR(pasta_successes_at_most(mixed, 3, 1) + pasta_successes_at_least(mixed, 3, 2), 1, 1e-15);
    NEAR(pasta_successes_at_least(NULL, 0, 0), 1, 0);
}

/* The lady tasting tea: 8 cups, 4 of them good, 4 taken. */
static void fisher(void **state)
{
    (void)state;
    NEAR(pasta_fisher_at_most(0, 4, 4, 8), 1.0 / 70, 1e-13);
    NEAR(pasta_fisher_at_most(1, 4, 4, 8), 17.0 / 70, 1e-13);
    NEAR(pasta_fisher_at_most(4, 4, 4, 8), 1, 1e-13);
    NEAR(pasta_fisher_at_most(2, 3, 4, 5), 0.6, 1e-13); /* at least 2 of 3 are good: C(4,2) C(1,1) / C(5,3) */
    NEAR(pasta_fisher_at_most(1, 3, 4, 5), 0, 0);
}

static void runs(void **state)
{
    (void)state;
    const int values[] = {1, 0, 0, 2, 2, 2, 0, 0, 0};
    const struct pasta_run run = pasta_longest_run(values, 9);
    assert_int_equal(run.value, 2);
    assert_int_equal(run.length, 3);
    assert_int_equal(pasta_longest_run(values, 0).length, 0);
    assert_int_equal(pasta_longest_run(values, 1).length, 1);
}

/* Heads or tails: of 2^n sequences those whose longest run is below 3 are 2 F(n + 1); n = 5: 16 of 32. */
static void run_of_coins(void **state)
{
    (void)state;
    double p[40];
    for (int i = 0; i < 40; i++)
        p[i] = 0.5;
    NEAR(pasta_run_chance(p, 5, 2, 3), 0.5, 1e-15);
    NEAR(pasta_run_chance(p, 20, 2, 20), ldexp(1, -19), 1e-20);
    NEAR(pasta_run_chance(p, 20, 2, 21), 0, 0);
    NEAR(pasta_run_chance(p, 20, 2, 1), 1, 0);
    NEAR(pasta_run_chance(p, 0, 2, 1), 0, 0);
    NEAR(pasta_run_chance(p, 5, 2, 2), 1 - 2.0 / 32, 1e-15);
}

/* Rows of p may differ: all 3^7 sequences, counted through. */
static void run_by_counting(void **state)
{
    (void)state;
    enum { N = 7, V = 3 };
    double p[N * V];
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int v = 0; v < V; v++)
            sum += p[i * V + v] = i == 3 && v == 2 ? 0 : pasta_rng_uniform(&rng);
        for (int v = 0; v < V; v++)
            p[i * V + v] /= sum;
    }
    for (int length = 2; length <= N; length++) {
        double sum = 0;
        for (int code = 0; code < 2187; code++) {
            int values[N], rest = code;
            double chance = 1;
            for (int i = 0; i < N; i++, rest /= V) {
                values[i] = rest % V;
                chance *= p[i * V + values[i]];
            }
            if (pasta_longest_run(values, N).length >= length)
                sum += chance;
        }
        NEAR(pasta_run_chance(p, N, V, length), sum, 1e-14);
    }
}

static struct pasta_uniform_test spread(const int *choice, int width, int64_t n)
{
    int *widths = malloc((size_t)n * sizeof *widths);
    for (int64_t i = 0; i < n; i++)
        widths[i] = width;
    const struct pasta_uniform_test test = pasta_uniform_test_of(choice, widths, n, 1);
    free(widths);
    return test;
}

static void uniform_is_exact_for_few(void **state)
{
    (void)state;
    int first[25] = {0}, pair[] = {1, 0};
    struct pasta_uniform_test test = spread(first, 4, 5);
    assert_int_equal(test.method, PASTA_UNIFORM_EXACT);
    NEAR(test.p, 4 * pow(0.25, 5), 1e-15);
    NEAR(test.excess, 0.75, 1e-15);
    NEAR(test.statistic, 15, 1e-12);
    assert_int_equal(test.degrees, 3);
    first[24] = 2; /* 24 of 25: 4 that lead, 3 that got the other one, 25 places for it */
    test = spread(first, 4, 25);
    NEAR(test.p / ((4 + 4 * 3 * 25) * pow(0.25, 25)), 1, 1e-10);
    assert_int_equal(test.commonest, 0);
    assert_int_equal(test.commonest_n, 24);
    NEAR(spread(pair, 2, 2).p, 1, 1e-15);
    NEAR(spread(pair, 2, 2).excess, 0, 0);
}

static void uniform_leaves_out(void **state)
{
    (void)state;
    const int choice[] = {-1, 0, 1, 0}, width[] = {4, 1, 4, 4};
    const struct pasta_uniform_test test = pasta_uniform_test_of(choice, width, 4, 1), none = pasta_uniform_test_of(choice, width, 2, 1);
    assert_int_equal(test.n, 2);
    NEAR(test.p, 1, 1e-12);
    assert_int_equal(none.n, 0);
    assert_int_equal(none.method, PASTA_UNIFORM_NONE);
    assert_true(isnan(none.p) && isnan(none.excess));
    assert_int_equal(none.commonest, -1);
}

/* Where both can be had, the law of chi-square is near the exact one. */
static void uniform_of_many(void **state)
{
    (void)state;
    enum { N = 4000 };
    int choice[N];
    for (int i = 0; i < N; i++)
        choice[i] = i % 100 < 28 ? 0 : i % 3 + 1; /* 28, 24, 24, 24 in a hundred */
    const struct pasta_uniform_test many = spread(choice, 4, N), few = spread(choice, 4, 80);
    assert_int_equal(many.method, PASTA_UNIFORM_CHI_SQUARE);
    assert_int_equal(few.method, PASTA_UNIFORM_EXACT);
    NEAR(many.statistic, 4000 * (0.03 * 0.03 + 3 * 0.01 * 0.01) * 4, 0.2);
    NEAR(many.p, pasta_chi_square_above(many.statistic, 3), 0);
    NEAR(few.p, pasta_chi_square_above(few.statistic, 3), 0.03);
}

/* Several widths and few choices: drawn. All at the left has probability w^-n for each width, and the same number of ways. */
static void uniform_of_widths(void **state)
{
    (void)state;
    const int choice[] = {0, 0, 0, 0, 0}, width[] = {2, 2, 2, 3, 3};
    const struct pasta_uniform_test test = pasta_uniform_test_of(choice, width, 5, 1), again = pasta_uniform_test_of(choice, width, 5, 1);
    assert_int_equal(test.method, PASTA_UNIFORM_DRAWN);
    NEAR(test.p, 2 * pow(0.5, 3) * 3 * pow(1.0 / 3, 2), 5 * sqrt(0.0833 / 100000));
    assert_true(test.p == again.p);
    assert_int_equal(test.degrees, 3);
    NEAR(test.excess, 1 - (3.0 / 2 + 2.0 / 3) / 5, 1e-12);

    int many[25], widths[25]; /* five of each option of each width, and one choice fewer */
    for (int i = 0; i < 25; i++) {
        widths[i] = i < 10 ? 2 : 3;
        many[i] = i % widths[i];
    }
    assert_int_equal(pasta_uniform_test_of(many, widths, 25, 1).method, PASTA_UNIFORM_CHI_SQUARE);
    assert_int_equal(pasta_uniform_test_of(many, widths, 24, 1).method, PASTA_UNIFORM_DRAWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(successes), cmocka_unit_test(fisher), cmocka_unit_test(runs), cmocka_unit_test(run_of_coins),
        cmocka_unit_test(run_by_counting), cmocka_unit_test(uniform_is_exact_for_few), cmocka_unit_test(uniform_leaves_out),
        cmocka_unit_test(uniform_of_many), cmocka_unit_test(uniform_of_widths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
