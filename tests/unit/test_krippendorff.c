/* Krippendorff's alpha against the published examples, and its closed forms. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "pasta/eval/krippendorff.h"

#define NEAR(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

/* values [coders,units] as tables are printed; 0: missing. */
static double alpha_of(const int *table, int coders, int units, enum pasta_level level)
{
    double *values = malloc((size_t)(coders * units) * sizeof *values);
    for (int u = 0; u < units; u++)
        for (int c = 0; c < coders; c++)
            values[u * coders + c] = table[c * units + u] ? table[c * units + u] : NAN;
    const double alpha = pasta_krippendorff(NULL, values, NULL, units, coders, level).value;
    free(values);
    return alpha;
}

/* Krippendorff, "Computing Krippendorff's alpha-reliability", 2011, part C; "Content analysis", chapter 11: four observers, 12 units. */
static void four_observers(void **state)
{
    (void)state;
    static const int table[] = {1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0, 1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3,
                                0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0, 1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0};
    NEAR(alpha_of(table, 4, 12, PASTA_LEVEL_NOMINAL), 0.743, 5e-4);
    NEAR(alpha_of(table, 4, 12, PASTA_LEVEL_ORDINAL), 0.815, 5e-4);
    NEAR(alpha_of(table, 4, 12, PASTA_LEVEL_INTERVAL), 0.849, 5e-4);
}

/* Three coders, fifteen units, of which three have fewer than two values. */
static void three_coders(void **state)
{
    (void)state;
    static const int table[] = {0, 0, 0, 0, 0, 3, 4, 1, 2, 1, 1, 3, 3, 0, 3, 1, 0, 2, 1, 3, 3, 4, 3,
                                0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 3, 4, 4, 0, 2, 1, 1, 3, 3, 0, 4};
    NEAR(alpha_of(table, 3, 15, PASTA_LEVEL_NOMINAL), 0.691, 5e-4);
    NEAR(alpha_of(table, 3, 15, PASTA_LEVEL_INTERVAL), 0.811, 5e-4);
}

/* Two coders, ten units, binary (Krippendorff 2011, part A): o01 = 4 of n = 20, n0 = 14, n1 = 6: 1 - 19 * 4 / (14 * 6). */
static void two_observers(void **state)
{
    (void)state;
    static const int table[] = {1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 2, 2, 2, 1, 1, 2, 1, 1, 1, 1};
    NEAR(alpha_of(table, 2, 10, PASTA_LEVEL_NOMINAL), 1 - 19.0 * 4 / (14 * 6), 1e-12);
    NEAR(alpha_of(table, 2, 10, PASTA_LEVEL_NOMINAL), 0.095, 5e-4);
}

static void nothing_to_say(void **state)
{
    (void)state;
    const double same[] = {2, 2, 2, 2}, alone[] = {1, NAN, NAN, 2}, right[] = {1, 1, 2, 2};
    assert_true(isnan(pasta_krippendorff(NULL, same, NULL, 2, 2, PASTA_LEVEL_NOMINAL).value));
    assert_true(isnan(pasta_krippendorff(NULL, alone, NULL, 2, 2, PASTA_LEVEL_NOMINAL).value));
    assert_int_equal(pasta_krippendorff(NULL, alone, NULL, 2, 2, PASTA_LEVEL_NOMINAL).n, 0);
    assert_true(isnan(pasta_krippendorff(NULL, same, NULL, 0, 2, PASTA_LEVEL_NOMINAL).value));
    NEAR(pasta_krippendorff(NULL, right, NULL, 2, 2, PASTA_LEVEL_NOMINAL).value, 1, 1e-15);
}

/* A person drawn twice is its units twice; the interval holds the value and shrinks with people. */
static void interval_over_people(void **state)
{
    (void)state;
    enum { MOST = 400 };
    double values[2 * MOST], width[2];
    int32_t person[MOST];
    for (int u = 0; u < MOST; u++) {
        values[2 * u] = u % 3;
        values[2 * u + 1] = u % 5 ? u % 3 : (u + 1) % 3;
        person[u] = u / 4;
    }
    for (int k = 0; k < 2; k++) {
        const int units = k ? MOST : MOST / 10;
        struct pasta_bootstrap *boot = pasta_bootstrap_new(3, units / 4, 400);
        const struct pasta_estimate e = pasta_krippendorff(boot, values, person, units, 2, PASTA_LEVEL_NOMINAL);
        NEAR(e.value, pasta_krippendorff(NULL, values, NULL, units, 2, PASTA_LEVEL_NOMINAL).value, 1e-12);
        assert_true(e.lo < e.value && e.value < e.hi);
        assert_int_equal(e.n, units);
        assert_int_equal(e.clusters, units / 4);
        width[k] = e.hi - e.lo;
        pasta_bootstrap_free(boot);
    }
    assert_true(width[1] < width[0] / 2 && width[1] > width[0] / 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(four_observers), cmocka_unit_test(three_coders), cmocka_unit_test(two_observers),
                                       cmocka_unit_test(nothing_to_say), cmocka_unit_test(interval_over_people)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
