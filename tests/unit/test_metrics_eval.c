/* The metrics against closed forms, and Spearman's rho against the reference fixture. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "pasta/base/rng.h"
#include "pasta/eval/measures.h"
#include "pasta/io/safetensors.h"

#define NEAR(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static void spearman_closed_forms(void **state)
{
    (void)state;
    double x[] = {1, 2, 3, 4, 5}, up[] = {10, 20, 25, 90, 1000}, down[] = {5, 4, 3, 2, 1}, flat[] = {1, 1, 1, 1, 1};
    double swapped[] = {2, 1, 4, 3, 5}; /* sum d^2 = 4: 1 - 6*4/(5*24) */
    NEAR(pasta_spearman(x, up, 5), 1, 1e-12);
    NEAR(pasta_spearman(x, down, 5), -1, 1e-12);
    NEAR(pasta_spearman(x, swapped, 5), 0.8, 1e-12);
    assert_true(isnan(pasta_spearman(x, flat, 5)));
    assert_true(isnan(pasta_spearman(x, up, 0)));
    assert_true(isnan(pasta_spearman(x, (double[]){1, NAN, 3, NAN, 5}, 5)));
    double tied[] = {3, 1, 3, 3, 9, 1}, in_order[] = {1, 2, 3, 4, 5, 6}; /* ranks 4, 1.5, 4, 4, 6, 1.5: covariance 0.5 of sqrt(15 * 17.5) */
    NEAR(pasta_spearman(tied, in_order, 6), 0.5 / sqrt(262.5), 1e-12);
}

static void spearman_agrees_with_the_reference(void **state)
{
    (void)state;
    const char *shared = getenv("PASTA_SHARED");
    char path[4096];
    snprintf(path, sizeof path, "%s/parity/iql/losses.safetensors", shared ? shared : "../shared");
    FILE *there = fopen(path, "rb");
    if (!there) {
        print_message("no reference fixtures at %s\n", path);
        skip();
    }
    fclose(there);
    struct pasta_err err = {0};
    struct pasta_safetensors *st = NULL;
    assert_int_equal(pasta_safetensors_open(path, &st, &err), PASTA_OK);
    const struct pasta_st_tensor *x = pasta_safetensors_find(st, "spearman_x"), *y = pasta_safetensors_find(st, "spearman_y");
    const struct pasta_st_tensor *rho = pasta_safetensors_find(st, "spearman_rho");
    assert_true(x && y && rho && pasta_st_numel(x) == pasta_st_numel(y));
    NEAR(pasta_spearman(x->data, y->data, pasta_st_numel(x)), *(const double *)rho->data, 1e-12);
    pasta_safetensors_close(st);
}

struct ratings {
    double x[40], y[40];
    int32_t person[40];
};

static void spearman_of_people(void **state)
{
    (void)state;
    struct ratings d;
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < 40; i++) {
        d.person[i] = i / 4;
        d.y[i] = pasta_rng_below(&rng, 5);
        d.x[i] = d.y[i] + pasta_rng_below(&rng, 7);
    }
    struct pasta_bootstrap *boot = pasta_bootstrap_new(2, 10, 400);
    struct pasta_estimate pooled = pasta_spearman_pooled(boot, d.x, d.y, d.person, 40);
    NEAR(pooled.value, pasta_spearman(d.x, d.y, 40), 1e-12);
    assert_true(pooled.lo < pooled.value && pooled.value < pooled.hi);
    assert_int_equal(pooled.clusters, 10);

    double sum = 0;
    int defined = 0;
    for (int p = 0; p < 10; p++) {
        double rho = pasta_spearman(d.x + 4 * p, d.y + 4 * p, 4);
        if (!isnan(rho)) {
            sum += rho;
            defined++;
        }
    }
    struct pasta_estimate within = pasta_spearman_within(boot, d.x, d.y, d.person, 40, 3);
    NEAR(within.value, sum / defined, 1e-12);
    assert_int_equal(within.n, 4 * defined);
    assert_true(isnan(pasta_spearman_within(boot, d.x, d.y, d.person, 40, 5).value));

    double reversed[40];
    for (int i = 0; i < 40; i++)
        reversed[i] = -d.x[i];
    struct pasta_estimate twice = pasta_spearman_pooled_difference(boot, d.x, reversed, d.y, d.person, 40);
    NEAR(twice.value, 2 * pooled.value, 1e-12); /* rho(-x, y) = -rho(x, y), in every resample */
    NEAR(twice.lo, 2 * pooled.lo, 1e-12);
    NEAR(twice.hi, 2 * pooled.hi, 1e-12);
    assert_int_equal(twice.clusters, 10);
    pasta_bootstrap_free(boot);
}

/* The interval of the pooled rho at given draws equals rho of the sample written out with its copies. */
static void weighted_spearman_is_spearman_of_copies(void **state)
{
    (void)state;
    enum { N = 12 };
    double x[N], y[N];
    int32_t person[N];
    struct pasta_rng rng = pasta_rng_at(3, PASTA_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < N; i++) {
        x[i] = pasta_rng_below(&rng, 6);
        y[i] = x[i] + pasta_rng_below(&rng, 6);
        person[i] = i / 2;
    }
    struct pasta_bootstrap *boot = pasta_bootstrap_new(11, N / 2, 1);
    struct pasta_estimate e = pasta_spearman_pooled(boot, x, y, person, N);
    struct pasta_rng draws = pasta_rng_at(11, PASTA_RNG_BOOTSTRAP, 0, 0, 0);
    double copy_x[N], copy_y[N];
    for (int i = 0; i < N; i += 2) {
        uint32_t p = pasta_rng_below(&draws, N / 2);
        for (int j = 0; j < 2; j++) {
            copy_x[i + j] = x[2 * p + j];
            copy_y[i + j] = y[2 * p + j];
        }
    }
    NEAR(e.lo, pasta_spearman(copy_x, copy_y, N), 1e-12);
    pasta_bootstrap_free(boot);
}

static void pair_rules(void **state)
{
    (void)state;
    static const struct { double first, label, threshold, score; } cases[] = {
        {0.9, 1, 0.1, 1},     {0.9, 0, 0.1, 0},   {0.2, 0, 0.1, 1}, {0.2, 1, 0.1, 0}, /* said and true, neither a tie */
        {0.52, 0.5, 0.1, 1},  {0.52, 1, 0.1, 0.5}, {0.52, 0, 0.1, 0.5},               /* a tie said */
        {0.9, 0.5, 0.1, 0.5}, {0.5, 1, 0, 0.5},   {0.5, 0.5, 0, 1},  {0.01, 1, 1, 0.5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        NEAR(pasta_pair_score(cases[i].first, cases[i].label, cases[i].threshold), cases[i].score, 0);
}

static void pair_thresholds_come_from_the_other_half(void **state)
{
    (void)state;
    /* People 0 and 2 have ties up to a margin of 0.3, people 1 and 3 have none at all. */
    double first[] = {0.63, 0.9, 0.63, 0.1, 0.63, 0.9, 0.55, 0.1}, label[] = {0.5, 1, 0.5, 0, 1, 1, 1, 0};
    int32_t person[] = {0, 0, 2, 2, 1, 1, 3, 3};
    uint8_t even[] = {1, 1, 1, 1, 0, 0, 0, 0};
    double score[8], threshold[2], want[] = {0.5, 1, 0.5, 1, 0.5, 1, 0.5, 1};
    NEAR(pasta_pair_threshold(first, label, even, 8), 0.3, 1e-12);
    NEAR(pasta_pair_threshold(first + 4, label + 4, NULL, 4), 0, 0);
    pasta_pair_scores(first, label, person, 8, score, threshold);
    for (int i = 0; i < 8; i++)
        NEAR(score[i], want[i], 0);
    NEAR(threshold[0], 0, 0);
    NEAR(threshold[1], 0.3, 1e-12);
}

/* A tie, in label or prediction, counts half; 0.5 exactly is no side. */
static void pair_sides(void **state)
{
    (void)state;
    static const struct { double first, label, score; } cases[] = {
        {0.9, 1, 1}, {0.9, 0, 0}, {0.1, 0, 1}, {0.1, 1, 0}, {0.9, 0.5, 0.5}, {0.1, 0.5, 0.5}, {0.5, 1, 0.5}, {0.5, 0.5, 0.5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        NEAR(pasta_pair_side(cases[i].first, cases[i].label), cases[i].score, 0);
}

/* Always "tie" earns 1 on ties and half elsewhere: with 13.6 % ties the 56.8 % published as chance on Pick-a-Pic. */
static void chance_with_ties(void **state)
{
    (void)state;
    double first[1000], label[1000], sum = 0;
    for (int i = 0; i < 1000; i++) {
        first[i] = 0.5;
        label[i] = i < 136 ? 0.5 : i % 2;
    }
    double threshold = pasta_pair_threshold(first, label, NULL, 1000);
    for (int i = 0; i < 1000; i++)
        sum += pasta_pair_score(first[i], label[i], threshold);
    NEAR(threshold, 0, 0);
    NEAR(sum / 1000, 0.568, 1e-12);
}

static void inversions(void **state)
{
    (void)state;
    double rank[] = {1, 2, 3, 4}, right[] = {9, 7, 5, 1}, wrong[] = {1, 5, 7, 9}, one_off[] = {7, 9, 5, 1}, flat[] = {3, 3, 3, 3};
    NEAR(pasta_inversion_score(pasta_ranking_order(right, rank, 4)), 1, 0);
    NEAR(pasta_inversion_score(pasta_ranking_order(wrong, rank, 4)), 0, 0);
    NEAR(pasta_inversion_score(pasta_ranking_order(one_off, rank, 4)), 1 - 1 / 6.0, 1e-12);
    NEAR(pasta_inversion_score(pasta_ranking_order(flat, rank, 4)), 0.5, 1e-12);
    assert_true(isnan(pasta_inversion_score(pasta_ranking_order(right, rank, 1))));
    /* Ranks 1, 1, 2: the pair of ties is never wrong, the other two are turned round: 2 of 3. */
    double tied[] = {1, 1, 2}, up[] = {1, 2, 3};
    struct pasta_order o = pasta_ranking_order(up, tied, 3);
    assert_int_equal(o.pairs, 3);
    assert_int_equal(o.unequal, 2);
    assert_int_equal(o.right, 0);
    NEAR(pasta_inversion_score(o), 1 / 3.0, 1e-12);
    /* Scores 5, 5, 1 of ranks 1, 2, 3: two right, one undecided. */
    double level[] = {5, 5, 1};
    o = pasta_ranking_order(level, rank, 3);
    assert_int_equal(o.right, 2);
    assert_int_equal(o.undecided, 1);
    NEAR(pasta_inversion_score(o), 1 - 0.5 / 3, 1e-12);
}

static void adjusted_rand_closed_forms(void **state)
{
    (void)state;
    int32_t a[] = {0, 0, 0, 1, 1, 1}, renamed[] = {2, 2, 2, 0, 0, 0}, split[] = {0, 0, 1, 1, 2, 2}, one[6] = {0};
    NEAR(pasta_adjusted_rand(NULL, a, renamed, 6).value, 1, 1e-12);
    /* pairs: both 2, a 6, b 3, all 15: (2 - 1.2) / (4.5 - 1.2) */
    NEAR(pasta_adjusted_rand(NULL, a, split, 6).value, 0.8 / 3.3, 1e-12);
    NEAR(pasta_adjusted_rand(NULL, a, one, 6).value, 0, 1e-12);
    assert_true(isnan(pasta_adjusted_rand(NULL, a, a, 1).value));
    struct pasta_bootstrap *boot = pasta_bootstrap_new(1, 6, 200);
    struct pasta_estimate e = pasta_adjusted_rand(boot, a, renamed, 6);
    NEAR(e.value, 1, 1e-12);
    NEAR(e.lo, 1, 1e-12);
    pasta_bootstrap_free(boot);
}

/* Independent partitions: about 0, and copies of a person drawn twice do not lift the interval above it. */
static void adjusted_rand_of_chance(void **state)
{
    (void)state;
    enum { N = 400 };
    int32_t a[N], b[N];
    struct pasta_rng rng = pasta_rng_at(6, PASTA_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < N; i++) {
        a[i] = (int32_t)pasta_rng_below(&rng, 8);
        b[i] = (int32_t)pasta_rng_below(&rng, 8);
    }
    struct pasta_bootstrap *boot = pasta_bootstrap_new(1, N, 400);
    struct pasta_estimate e = pasta_adjusted_rand(boot, a, b, N);
    NEAR(e.value, 0, 0.02);
    assert_true(e.lo <= e.value && e.value <= e.hi && e.hi - e.lo < 0.05);
    assert_true(fabs((e.lo + e.hi) / 2 - e.value) < 0.01);
    pasta_bootstrap_free(boot);
}

static void calibration(void **state)
{
    (void)state;
    double confidence[] = {0.75, 0.75, 0.75, 0.75, 0.25, 0.25}, correct[] = {1, 1, 1, 0, 1, 0};
    int32_t person[] = {0, 0, 1, 1, 2, 2};
    struct pasta_bootstrap *boot = pasta_bootstrap_new(1, 3, 100);
    NEAR(pasta_calibration_error(boot, confidence, correct, person, 4, 10).value, 0, 1e-12);
    NEAR(pasta_calibration_error(boot, confidence, correct, person, 6, 10).value, 2 * 0.25 / 6, 1e-12);
    double sure[] = {1, 1}, wrong[] = {0, 0};
    NEAR(pasta_calibration_error(boot, sure, wrong, person, 2, 10).value, 1, 1e-12);
    pasta_bootstrap_free(boot);
}

static void effective_numbers(void **state)
{
    (void)state;
    double equal[] = {2, 2, 2, 2}, one[] = {0, 7, 0}, two[] = {1, 0, 1}, none[] = {0, 0};
    NEAR(pasta_effective_number(equal, 4), 4, 1e-12);
    NEAR(pasta_effective_number(one, 3), 1, 1e-12);
    NEAR(pasta_effective_number(two, 3), 2, 1e-12);
    assert_true(isnan(pasta_effective_number(none, 2)));
}

static void slopes(void **state)
{
    (void)state;
    enum { PEOPLE = 40, EACH = 3, ALL = PEOPLE * EACH };
    struct pasta_bootstrap *boot = pasta_bootstrap_new(1, PEOPLE, 500);
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 9, 0, 0);
    double x[ALL], line[ALL], noisy[ALL], flat[ALL], sx = 0, sy = 0, sxx = 0, sxy = 0;
    int32_t person[ALL];
    for (int i = 0; i < ALL; i++) {
        x[i] = 1000 + pasta_rng_normal(&rng);
        line[i] = 5 - 2 * x[i];
        noisy[i] = 0.5 * x[i] + pasta_rng_normal(&rng);
        flat[i] = 0.1;
        person[i] = i / EACH;
        sx += x[i], sy += noisy[i], sxx += x[i] * x[i], sxy += x[i] * noisy[i];
    }
    struct pasta_estimate e = pasta_slope(boot, x, line, person, ALL);
    assert_true(fabs(e.value + 2) < 1e-9 && fabs(e.lo + 2) < 1e-9 && fabs(e.hi + 2) < 1e-9);
    assert_true(e.n == ALL && e.clusters == PEOPLE);
    e = pasta_slope(boot, x, noisy, person, ALL);
    assert_true(fabs(e.value - (sxy - sx * sy / ALL) / (sxx - sx * sx / ALL)) < 1e-6);
    assert_true(e.lo < 0.5 && e.hi > 0.5 && e.lo > 0 && e.hi < 1);
    assert_true(isnan(pasta_slope(boot, flat, noisy, person, ALL).value));
    assert_true(isnan(pasta_slope(boot, x, noisy, person, 0).value));
    pasta_bootstrap_free(boot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spearman_closed_forms),
        cmocka_unit_test(spearman_agrees_with_the_reference),
        cmocka_unit_test(spearman_of_people),
        cmocka_unit_test(weighted_spearman_is_spearman_of_copies),
        cmocka_unit_test(pair_rules),
        cmocka_unit_test(pair_thresholds_come_from_the_other_half),
        cmocka_unit_test(pair_sides),
        cmocka_unit_test(chance_with_ties),
        cmocka_unit_test(inversions),
        cmocka_unit_test(adjusted_rand_closed_forms),
        cmocka_unit_test(adjusted_rand_of_chance),
        cmocka_unit_test(calibration),
        cmocka_unit_test(slopes),
        cmocka_unit_test(effective_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
