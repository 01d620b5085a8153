#include "pasta/eval/paired_tests.h"

#include <math.h>
#include <stdlib.h>

#include "pasta/base/mem.h"

/* 1.96 + 0.84: the normal quantiles of 0.975 and 0.8. */
static const double DETECTABLE = 1.959963984540054 + 0.8416212335729143;

/* Lentz's evaluation of the continued fraction of the regularised incomplete beta function, for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m <= 10000; m++) {
        const double steps[2] = {m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))};
        double change = 1;
        for (int i = 0; i < 2; i++) {
            d = 1 + steps[i] * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + steps[i] / c;
            c = fabs(c) < tiny ? tiny : c;
            change = d * c;
            h *= change;
        }
        if (fabs(change - 1) < 1e-15)
            break;
    }
    return h;
}

/* I_x(a, b). */
static double beta_share(double a, double b, double x)
{
    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    const double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double pasta_student_p(double t, double df)
{
    return beta_share(df / 2, 0.5, df / (df + t * t));
}

double pasta_student_quantile(double p, double df)
{
    double lo = 0, hi = 1;
    while (pasta_student_p(hi, df) > p)
        hi *= 2;
    for (int i = 0; i < 200 && hi - lo > 1e-14 * hi; i++) {
        const double middle = (lo + hi) / 2;
        *(pasta_student_p(middle, df) > p ? &lo : &hi) = middle;
    }
    return (lo + hi) / 2;
}

void pasta_t_interval(const double *values, int n, double *mean, double *lo, double *hi)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++)
        sum += values[i];
    *mean = n > 0 ? sum / n : NAN;
    *lo = *hi = NAN;
    for (int i = 0; i < n; i++)
        squares += (values[i] - *mean) * (values[i] - *mean);
    if (n < 2)
        return;
    const double half = pasta_student_quantile(0.05, n - 1) * sqrt(squares / (n - 1) / n);
    *lo = *mean - half;
    *hi = *mean + half;
}

struct pasta_paired_test pasta_paired_test_of(const double *a, const double *b, const int32_t *person, int64_t n, int64_t people)
{
    struct pasta_paired_test test = {NAN, NAN, NAN, NAN, NAN, 0};
    double *sum = pasta_calloc((size_t)people + 1, sizeof *sum), mean = 0, squares = 0;
    int64_t *count = pasta_calloc((size_t)people + 1, sizeof *count);
    for (int64_t i = 0; i < n; i++)
        if (!isnan(a[i] - b[i])) {
            sum[person[i]] += a[i] - b[i];
            count[person[i]]++;
        }
    for (int64_t p = 0; p < people; p++) /* Welford's update */
        if (count[p] > 0) {
            const double difference = sum[p] / (double)count[p], off = difference - mean;
            mean += off / (double)++test.people;
            squares += off * (difference - mean);
        }
    free(sum);
    free(count);
    if (test.people > 0)
        test.mean = mean;
    if (test.people < 2)
        return test;
    const double df = (double)test.people - 1, error = sqrt(squares / df / (double)test.people);
    if (error > 0) {
        test.t = mean / error;
        test.p = pasta_student_p(test.t, df);
        test.detectable = DETECTABLE * error;
    } else if (mean != 0) {
        test.p = 0;
    }
    return test;
}

static int by_p(const void *a, const void *b)
{
    const double x = (*(struct pasta_paired_test *const *)a)->p, y = (*(struct pasta_paired_test *const *)b)->p;
    return (x > y) - (x < y);
}

void pasta_holm(struct pasta_paired_test *tests, int n)
{
    struct pasta_paired_test **order = pasta_calloc((size_t)n + 1, sizeof *order);
    int defined = 0;
    double highest = 0;
    for (int i = 0; i < n; i++) {
        tests[i].p_holm = NAN;
        if (!isnan(tests[i].p))
            order[defined++] = &tests[i];
    }
    qsort(order, (size_t)defined, sizeof *order, by_p);
    for (int i = 0; i < defined; i++) {
        highest = fmax(highest, fmin(1, order[i]->p * (defined - i)));
        order[i]->p_holm = highest;
    }
    free(order);
}
