/* Student's distribution against closed forms and published quantiles, the paired test against a worked example, Holm's correction by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "pasta/eval/paired_tests.h"

static void close_to(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("expected %.12g, found %.12g", expected, found);
}

static void students_distribution(void **state)
{
    (void)state;
    for (double t = 0.1; t < 50; t *= 1.7) {
        close_to(pasta_student_p(t, 1), 1 - 2 * atan(t) / M_PI, 1e-13);           /* Cauchy */
        close_to(pasta_student_p(-t, 2), 1 - t / sqrt(2 + t * t), 1e-13);
        close_to(pasta_student_p(t, 1e7), erfc(t / sqrt(2)), 1e-6);               /* the normal limit */
    }
    close_to(pasta_student_p(0, 5), 1, 0);
    close_to(pasta_student_p(2.776445, 4), 0.05, 1e-7);                           /* tables: 0.975 quantiles */
    close_to(pasta_student_p(2.262157, 9), 0.05, 1e-7);
    close_to(pasta_student_p(1.983972, 99) / 0.05, 1.0, 1e-2);
    close_to(pasta_student_p(3.250, 9), 0.01, 1e-5);
    close_to(pasta_student_quantile(0.05, 4), 2.776445, 1e-6);
    close_to(pasta_student_quantile(0.05, 1e9), 1.959964, 1e-6);
    close_to(pasta_student_quantile(1, 3), 0, 1e-12);
    double mean, lo, hi;
    pasta_t_interval((double[]){1, 2, 3, 4, 5}, 5, &mean, &lo, &hi);
    close_to(mean, 3, 0);
    close_to(hi - 3, 2.776445 * sqrt(0.5), 1e-5);
    close_to(3 - lo, hi - 3, 1e-12);
    pasta_t_interval((double[]){7}, 1, &mean, &lo, &hi);
    assert_true(mean == 7 && isnan(lo) && isnan(hi));
    assert_true(pasta_student_p(40, 500) > 0 && pasta_student_p(40, 500) < 1e-150);
}

/* Student's own example, the hours of sleep gained by ten patients with two drugs: mean difference 1.58, t = 4.0621, p = 0.00283. */
static void students_sleep(void **state)
{
    (void)state;
    const double first[10] = {0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0}, second[10] = {1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};
    const int32_t person[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct pasta_paired_test test = pasta_paired_test_of(second, first, person, 10, 10);
    close_to(test.mean, 1.58, 1e-12);
    close_to(test.t, 4.0621277, 1e-6);
    close_to(test.p, 0.0028328900, 1e-8);
    close_to(test.detectable, 2.801585 * 1.58 / 4.0621277, 1e-5);
    assert_int_equal(test.people, 10);
}

/* Several answers of one person are one person. */
static void people_are_the_unit(void **state)
{
    (void)state;
    const double a[6] = {1, 3, 2, NAN, 5, 9}, b[6] = {0, 0, 0, 0, NAN, 1};
    const int32_t person[6] = {0, 0, 1, 1, 2, 3};
    struct pasta_paired_test test = pasta_paired_test_of(a, b, person, 6, 5); /* means 2, 2, none, 8, nobody */
    assert_int_equal(test.people, 3);
    close_to(test.mean, 4, 1e-12);
    close_to(test.t, 2, 1e-12); /* standard error 2 */
    test = pasta_paired_test_of(a, a, person, 6, 5);
    assert_true(test.mean == 0 && isnan(test.p) && isnan(test.t));
    test = pasta_paired_test_of(a, b, person, 2, 5);
    assert_true(test.people == 1 && test.mean == 2 && isnan(test.p));
    test = pasta_paired_test_of(a, b, person, 0, 0);
    assert_true(test.people == 0 && isnan(test.mean) && isnan(test.p));
}

static void holm(void **state)
{
    (void)state;
    struct pasta_paired_test tests[6] = {{.p = 0.01}, {.p = 0.04}, {.p = NAN}, {.p = 0.03}, {.p = 0.005}, {.p = 0.9}};
    const double expected[6] = {0.04, 0.09, NAN, 0.09, 0.025, 0.9}; /* of five: .005*5, .01*4, .03*3, .04*2 raised to .09, .9 */
    pasta_holm(tests, 6);
    for (int i = 0; i < 6; i++)
        if (isnan(expected[i]))
            assert_true(isnan(tests[i].p_holm));
        else
            close_to(tests[i].p_holm, expected[i], 1e-15);
    struct pasta_paired_test many[2] = {{.p = 0.7}, {.p = 0.8}};
    pasta_holm(many, 2);
    assert_true(many[0].p_holm == 1 && many[1].p_holm == 1);
    pasta_holm(many, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(students_distribution), cmocka_unit_test(students_sleep), cmocka_unit_test(people_are_the_unit),
                                       cmocka_unit_test(holm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
