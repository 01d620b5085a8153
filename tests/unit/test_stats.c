/* Closed forms of the clustered bootstrap, and the coverage of its intervals. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/rng.h"
#include "pasta/eval/stats.h"

#define NEAR(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static void quantiles_interpolate(void **state)
{
    (void)state;
    double v[] = {1, 2, 4, 8};
    NEAR(pasta_quantile(v, 4, 0), 1, 0);
    NEAR(pasta_quantile(v, 4, 1), 8, 0);
    NEAR(pasta_quantile(v, 4, 0.5), 3, 1e-12);
    NEAR(pasta_quantile(v, 4, 0.25), 1.75, 1e-12);
    assert_true(isnan(pasta_quantile(v, 0, 0.5)));
}

static void mean_leaves_out_nan(void **state)
{
    (void)state;
    double v[] = {1, NAN, 3, 8};
    int32_t person[] = {0, 1, 2, 2};
    NEAR(pasta_mean(v, 4), 4, 1e-12);
    assert_true(isnan(pasta_mean(v + 1, 1)));
    struct pasta_bootstrap *boot = pasta_bootstrap_new(1, 3, 100);
    struct pasta_estimate e = pasta_estimate_mean(boot, v, person, 4);
    NEAR(e.value, 4, 1e-12);
    assert_int_equal(e.n, 3);
    assert_int_equal(e.clusters, 2);
    e = pasta_estimate_mean(boot, v, person, 1); /* one person: a value, no interval */
    NEAR(e.value, 1, 0);
    assert_true(isnan(e.lo) && isnan(e.hi));
    e = pasta_estimate_mean(boot, v, person, 0);
    assert_true(isnan(e.value));
    assert_int_equal(e.n, 0);
    pasta_bootstrap_free(boot);
}

enum { PEOPLE = 300 };

static void normal_values(uint32_t which, double *v, int n, double mean, double sd)
{
    struct pasta_rng rng = pasta_rng_at(5, PASTA_RNG_TEST, which, 0, 0);
    for (int i = 0; i < n; i++)
        v[i] = mean + sd * pasta_rng_normal(&rng);
}

static void interval_is_two_standard_errors(void **state)
{
    (void)state;
    double v[PEOPLE], squares = 0;
    int32_t person[PEOPLE];
    normal_values(0, v, PEOPLE, 3, 2);
    for (int i = 0; i < PEOPLE; i++)
        person[i] = i;
    double mean = pasta_mean(v, PEOPLE);
    for (int i = 0; i < PEOPLE; i++)
        squares += (v[i] - mean) * (v[i] - mean);
    double error = sqrt(squares) / PEOPLE;
    struct pasta_bootstrap *boot = pasta_bootstrap_new(7, PEOPLE, 4000);
    struct pasta_estimate e = pasta_estimate_mean(boot, v, person, PEOPLE);
    NEAR(e.value, mean, 1e-12);
    NEAR(e.lo, mean - 1.96 * error, 0.15 * error);
    NEAR(e.hi, mean + 1.96 * error, 0.15 * error);
    pasta_bootstrap_free(boot);
}

/* Ten copies of each observation say nothing new when people are what is resampled. */
static void copies_do_not_narrow(void **state)
{
    (void)state;
    double v[PEOPLE], copies[10 * PEOPLE];
    int32_t person[PEOPLE], owner[10 * PEOPLE];
    normal_values(1, v, PEOPLE, 0, 1);
    for (int i = 0; i < 10 * PEOPLE; i++) {
        copies[i] = v[i / 10];
        owner[i] = i / 10;
        person[i / 10] = i / 10;
    }
    struct pasta_bootstrap *boot = pasta_bootstrap_new(7, PEOPLE, 500);
    struct pasta_estimate once = pasta_estimate_mean(boot, v, person, PEOPLE);
    struct pasta_estimate ten = pasta_estimate_mean(boot, copies, owner, 10 * PEOPLE);
    NEAR(once.value, ten.value, 1e-12);
    NEAR(once.lo, ten.lo, 1e-12);
    NEAR(once.hi, ten.hi, 1e-12);
    assert_int_equal(ten.n, 10 * PEOPLE);
    assert_int_equal(ten.clusters, PEOPLE);
    pasta_bootstrap_free(boot);
}

static void paired_differences(void **state)
{
    (void)state;
    double base[PEOPLE], shifted[PEOPLE], best[PEOPLE], part[PEOPLE];
    int32_t person[PEOPLE];
    normal_values(2, base, PEOPLE, 0, 5);
    normal_values(3, best, PEOPLE, 9, 1);
    for (int i = 0; i < PEOPLE; i++) {
        person[i] = i / 3;
        shifted[i] = base[i] + 0.5;
        part[i] = base[i] + 0.25 * (best[i] - base[i]);
    }
    struct pasta_bootstrap *boot = pasta_bootstrap_new(7, PEOPLE / 3, 500);
    struct pasta_estimate e = pasta_estimate_difference(boot, shifted, base, person, PEOPLE);
    NEAR(e.value, 0.5, 1e-12); /* a constant shift has no spread, however noisy both sides are */
    NEAR(e.lo, 0.5, 1e-12);
    NEAR(e.hi, 0.5, 1e-12);
    e = pasta_estimate_gap(boot, part, base, best, person, PEOPLE);
    NEAR(e.value, 0.25, 1e-12);
    NEAR(e.lo, 0.25, 1e-12);
    NEAR(e.hi, 0.25, 1e-12);
    base[4] = NAN; /* an item counts where every side is there */
    e = pasta_estimate_gap(boot, part, base, best, person, PEOPLE);
    assert_int_equal(e.n, PEOPLE - 1);
    pasta_bootstrap_free(boot);
}

/* People of different numbers of observations: the mean of all observations, not of people. */
static void ratio_of_sums(void **state)
{
    (void)state;
    double num[] = {10, 1}, den[] = {9, 1};
    struct pasta_bootstrap *boot = pasta_bootstrap_new(3, 2, 1000);
    struct pasta_estimate e = pasta_estimate_ratio(boot, num, den, 10);
    NEAR(e.value, 1.1, 1e-12);
    NEAR(e.lo, 1.0, 1e-12); /* both draws the second person */
    NEAR(e.hi, 10.0 / 9, 1e-12);
    pasta_bootstrap_free(boot);
}

static void same_seed_same_interval(void **state)
{
    (void)state;
    double v[PEOPLE];
    int32_t person[PEOPLE];
    normal_values(4, v, PEOPLE, 0, 1);
    for (int i = 0; i < PEOPLE; i++)
        person[i] = i;
    struct pasta_estimate e[3];
    for (int i = 0; i < 3; i++) {
        struct pasta_bootstrap *boot = pasta_bootstrap_new(i == 2 ? 8 : 7, PEOPLE, 200);
        e[i] = pasta_estimate_mean(boot, v, person, PEOPLE);
        pasta_bootstrap_free(boot);
    }
    assert_true(e[0].lo == e[1].lo && e[0].hi == e[1].hi);
    assert_true(e[0].lo != e[2].lo);
}

/* Nineteen intervals in twenty hold the truth (people with an effect of their own, and five observations each). */
static void intervals_cover(void **state)
{
    (void)state;
    enum { TRIALS = 400, RATERS = 60, EACH = 5 };
    int held = 0;
    for (uint32_t t = 0; t < TRIALS; t++) {
        double v[RATERS * EACH], effect[RATERS];
        int32_t person[RATERS * EACH];
        normal_values(100 + t, effect, RATERS, 0, 1);
        normal_values(9000 + t, v, RATERS * EACH, 2, 1);
        for (int i = 0; i < RATERS * EACH; i++) {
            person[i] = i / EACH;
            v[i] += effect[person[i]];
        }
        struct pasta_bootstrap *boot = pasta_bootstrap_new(t, RATERS, 400);
        struct pasta_estimate e = pasta_estimate_mean(boot, v, person, RATERS * EACH);
        held += e.lo <= 2 && 2 <= e.hi;
        pasta_bootstrap_free(boot);
    }
    print_message("coverage of nominal 95 %%: %.1f %%\n", 100.0 * held / TRIALS);
    assert_true(held > 0.90 * TRIALS && held < 0.985 * TRIALS);
}

struct record {
    double *seen;
    int64_t calls;
};

static double first_weight(const void *ctx, const double *weights)
{
    struct record *r = *(struct record *const *)ctx;
    r->seen[r->calls++] = weights[0];
    return weights[0];
}

/* Draws kept in memory and draws made again are the same draws. */
static void large_populations_draw_alike(void **state)
{
    (void)state;
    enum { MANY = 40000, FEW = 300, MORE = 1700 };
    struct record kept = {calloc(FEW + 1, sizeof(double)), 0}, again = {calloc(MORE + 1, sizeof(double)), 0};
    struct record *at = &kept;
    struct pasta_bootstrap *boot = pasta_bootstrap_new(7, MANY, FEW);
    (void)pasta_estimate_of(boot, first_weight, &at, MANY, MANY);
    pasta_bootstrap_free(boot);
    at = &again;
    boot = pasta_bootstrap_new(7, MANY, MORE);
    (void)pasta_estimate_of(boot, first_weight, &at, MANY, MANY);
    pasta_bootstrap_free(boot);
    double sum = 0;
    for (int i = 0; i <= FEW; i++) {
        assert_true(kept.seen[i] == again.seen[i]);
        sum += kept.seen[i];
    }
    NEAR(sum / FEW, 1, 0.3);
    free(kept.seen);
    free(again.seen);
}

/* Two groups: of other people, a difference of means with the variance of both; of the same people, paired. */
static void ratio_differences(void **state)
{
    (void)state;
    enum { N = 200 };
    double values[2 * N], ones[2 * N], num_a[2 * N] = {0}, den_a[2 * N] = {0}, num_b[2 * N] = {0}, den_b[2 * N] = {0};
    normal_values(21, values, 2 * N, 5, 1);
    for (int i = 0; i < 2 * N; i++) {
        ones[i] = 1;
        values[i] += i % 2;
        double *num = i % 2 ? num_a : num_b, *den = i % 2 ? den_a : den_b;
        num[i] = values[i];
        den[i] = 1;
    }
    struct pasta_bootstrap *boot = pasta_bootstrap_new(2, 2 * N, 2000);
    struct pasta_estimate e = pasta_estimate_ratio_difference(boot, num_a, den_a, num_b, den_b, 2 * N);
    double mean_a = 0, mean_b = 0;
    for (int i = 0; i < 2 * N; i++) {
        mean_a += num_a[i] / N;
        mean_b += num_b[i] / N;
    }
    NEAR(e.value, mean_a - mean_b, 1e-12);
    NEAR(e.hi - e.lo, 2 * 1.96 * sqrt(2.0 / N), 0.06);
    assert_int_equal(e.clusters, 2 * N);
    e = pasta_estimate_ratio_difference(boot, values, ones, values, ones, 2 * N);
    NEAR(e.value, 0, 0);
    NEAR(e.hi - e.lo, 0, 0);
    memset(den_b, 0, sizeof den_b);
    assert_true(isnan(pasta_estimate_ratio_difference(boot, num_a, den_a, num_b, den_b, N).value));
    pasta_bootstrap_free(boot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_interpolate),        cmocka_unit_test(mean_leaves_out_nan),
        cmocka_unit_test(interval_is_two_standard_errors), cmocka_unit_test(copies_do_not_narrow),
        cmocka_unit_test(paired_differences),           cmocka_unit_test(ratio_of_sums),
        cmocka_unit_test(ratio_differences),
        cmocka_unit_test(same_seed_same_interval),      cmocka_unit_test(intervals_cover),
        cmocka_unit_test(large_populations_draw_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
