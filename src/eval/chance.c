#include "pasta/eval/chance.h"

#include <math.h>
#include <stdlib.h>

#include "pasta/base/mem.h"

/* --- successes --- */

/* Probabilities of 0..n successes, by one trial after the other; caller frees. */
static double *success_law(const double *p, int64_t n)
{
    double *law = pasta_calloc((size_t)n + 1, sizeof *law);
    law[0] = 1;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = i + 1; k >= 0; k--)
            law[k] = law[k] * (1 - p[i]) + (k > 0 ? law[k - 1] * p[i] : 0);
    return law;
}

static double sum_of_law(const double *p, int64_t n, int64_t from, int64_t to)
{
    double *law = success_law(p, n), sum = 0;
    for (int64_t k = from < 0 ? 0 : from; k <= to && k <= n; k++)
        sum += law[k];
    free(law);
    return fmin(1, sum);
}

double pasta_successes_at_least(const double *p, int64_t n, int64_t k)
{
    return sum_of_law(p, n, k, n);
}

double pasta_successes_at_most(const double *p, int64_t n, int64_t k)
{
    return sum_of_law(p, n, 0, k);
}

static double log_choose(int64_t n, int64_t k)
{
    return lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1);
}

double pasta_fisher_at_most(int64_t k, int64_t n, int64_t good, int64_t all)
{
    double sum = 0;
    for (int64_t x = good + n > all ? good + n - all : 0; x <= k && x <= n && x <= good; x++)
        sum += exp(log_choose(good, x) + log_choose(all - good, n - x) - log_choose(all, n));
    return fmin(1, sum);
}

/* --- runs --- */

struct pasta_run pasta_longest_run(const int *values, int64_t n)
{
    struct pasta_run best = {-1, 0};
    for (int64_t i = 0, start = 0; i < n; i++) {
        if (values[i] != values[start])
            start = i;
        if (i - start + 1 > best.length)
            best = (struct pasta_run){values[i], i - start + 1};
    }
    return best;
}

/* open[v,k]: probability that no run was long enough so far, and that the last k + 1 values were v, those before them not. */
double pasta_run_chance(const double *p, int64_t n, int n_values, int64_t length)
{
    if (length <= 1)
        return n > 0 || length <= 0;
    const size_t most = (size_t)length - 1;
    double *open = pasta_calloc((size_t)n_values * most, sizeof *open), chance = 0, unfinished = 1;
    double *ending = pasta_calloc((size_t)n_values, sizeof *ending); /* sums of open over k */
    for (int64_t i = 0; i < n; i++) {
        double left = 0;
        for (int v = 0; v < n_values; v++) {
            double *of = open + (size_t)v * most, now = p[i * n_values + v];
            const double fresh = now * (unfinished - ending[v]);
            chance += now * of[most - 1];
            ending[v] = fresh;
            for (size_t k = most - 1; k > 0; k--)
                ending[v] += of[k] = now * of[k - 1];
            of[0] = fresh;
            left += ending[v];
        }
        unfinished = left;
    }
    free(open);
    free(ending);
    return fmin(1, chance);
}
