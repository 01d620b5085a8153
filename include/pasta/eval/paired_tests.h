/* paired_tests.h: is a mean difference within people other than 0, asked of several differences at once?
 *
 * The unit is a person: one mean difference each. Intervals (stats.h) answer the same question for one difference; with many, some exclude 0
 * by chance, which Holm's correction takes into account.
 *
 *     struct pasta_paired_test tests[N] = {pasta_paired_test_of(a, b, person, n, people), ...};
 *     pasta_holm(tests, N);
 *
 * Sources: Student, Biometrika 1908; Holm, Scandinavian Journal of Statistics 1979; Abramowitz & Stegun 26.5.8 (incomplete beta function).
 */
#ifndef PASTA_EVAL_PAIRED_TESTS_H
#define PASTA_EVAL_PAIRED_TESTS_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pasta_paired_test {
    double mean;        /* of people's mean differences; NAN: nobody has one */
    double t;           /* mean / standard error; NAN with fewer than two people, or if all differ by the same */
    double p;           /* two-sided, Student's t with people - 1 degrees of freedom; NAN where t is; 0 where all differ by the same, other than 0 */
    double p_holm;      /* after pasta_holm: of the family; NAN where p is */
    double detectable;  /* smallest true difference that such a test (0.05, two-sided, uncorrected) finds with probability 0.8; NAN as t */
    int64_t people;     /* who have a difference */
};
/* Of a - b [n], where both are there; item i belongs to person[i] in 0..people-1. */
struct pasta_paired_test pasta_paired_test_of(const double *a, const double *b, const int32_t *person, int64_t n, int64_t people);
/* p_holm of all: the k-th smallest of m values of p times m - k + 1, made rising, at most 1. Undefined tests do not count. */
void pasta_holm(struct pasta_paired_test *tests, int n);
/* P(|T| >= |t|), T Student's with df > 0 degrees of freedom. */
double pasta_student_p(double t, double df);
double pasta_student_quantile(double p, double df); /* t >= 0 with P(|T| >= t) = p, 0 < p <= 1 */
/* Mean of n values with its 95 % t-interval: lo and hi NAN for n < 2. */
void pasta_t_interval(const double *values, int n, double *mean, double *lo, double *hi);

#ifdef __cplusplus
}
#endif
#endif
