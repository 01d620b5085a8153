#include "pasta/eval/stats.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"
#include "pasta/base/rng.h"

struct pasta_bootstrap {
    int64_t clusters, resamples;
    uint8_t *counts; /* [resamples,clusters]: times each person was drawn, NULL when too many to keep */
    uint64_t seed;
};

/* The draws of all statistics are kept while they take at most this many bytes; beyond, each statistic draws them again. */
static const double KEEP_BYTES = 64e6;

static void draw(uint64_t seed, int64_t resample, int64_t clusters, double *weights)
{
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_BOOTSTRAP, (uint32_t)resample, 0, 0);
    memset(weights, 0, (size_t)clusters * sizeof *weights);
    for (int64_t i = 0; i < clusters; i++)
        weights[pasta_rng_below(&rng, (uint32_t)clusters)] += 1.0;
}

struct pasta_bootstrap *pasta_bootstrap_new(uint64_t seed, int64_t clusters, int64_t resamples)
{
    struct pasta_bootstrap *boot = pasta_calloc(1, sizeof *boot);
    *boot = (struct pasta_bootstrap){.clusters = clusters, .resamples = resamples, .seed = seed};
    if ((double)clusters * (double)resamples > KEEP_BYTES)
        return boot;
    /* as bytes, unless a person is drawn more often than one can hold, which takes 256 people and better luck than there is */
    double *weights = pasta_malloc((size_t)clusters * sizeof *weights);
    boot->counts = pasta_malloc((size_t)(clusters * resamples));
    for (int64_t b = 0; b < resamples && boot->counts; b++) {
        draw(seed, b, clusters, weights);
        bool fits = true;
        for (int64_t i = 0; i < clusters; i++) {
            fits = fits && weights[i] <= UINT8_MAX;
            boot->counts[b * clusters + i] = (uint8_t)weights[i];
        }
        if (!fits) {
            free(boot->counts);
            boot->counts = NULL;
        }
    }
    free(weights);
    return boot;
}

static void weights_of(const struct pasta_bootstrap *boot, int64_t resample, double *weights)
{
    if (!boot->counts) {
        draw(boot->seed, resample, boot->clusters, weights);
        return;
    }
    const uint8_t *counts = boot->counts + resample * boot->clusters;
    for (int64_t i = 0; i < boot->clusters; i++)
        weights[i] = counts[i];
}

void pasta_bootstrap_free(struct pasta_bootstrap *boot)
{
    if (!boot)
        return;
    free(boot->counts);
    free(boot);
}

int64_t pasta_bootstrap_clusters(const struct pasta_bootstrap *boot)
{
    return boot->clusters;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double pasta_quantile(const double *sorted, int64_t n, double q)
{
    if (n == 0)
        return NAN;
    double at = q * (double)(n - 1);
    int64_t below = (int64_t)floor(at);
    if (below >= n - 1)
        return sorted[n - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

double pasta_mean(const double *values, int64_t n)
{
    double sum = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(values[i])) {
            sum += values[i];
            count++;
        }
    return count ? sum / (double)count : NAN;
}

struct pasta_estimate pasta_estimate_of(const struct pasta_bootstrap *boot, pasta_statistic_fn statistic, const void *ctx,
                                        int64_t n, int64_t people)
{
    struct pasta_estimate e = {NAN, NAN, NAN, n, people};
    if (boot->clusters == 0 || n == 0)
        return e;
    double *buffer = pasta_malloc((size_t)boot->clusters * sizeof *buffer);
    for (int64_t i = 0; i < boot->clusters; i++)
        buffer[i] = 1.0;
    e.value = statistic(ctx, buffer);
    if (isnan(e.value) || people < 2) {
        free(buffer);
        return e;
    }
    double *found = pasta_malloc((size_t)boot->resamples * sizeof *found);
    int64_t defined = 0;
    for (int64_t b = 0; b < boot->resamples; b++) {
        weights_of(boot, b, buffer);
        double value = statistic(ctx, buffer);
        if (!isnan(value))
            found[defined++] = value;
    }
    if (defined * 10 >= boot->resamples * 9) {
        qsort(found, (size_t)defined, sizeof *found, by_value);
        e.lo = pasta_quantile(found, defined, 0.025);
        e.hi = pasta_quantile(found, defined, 0.975);
    }
    free(found);
    free(buffer);
    return e;
}

/* --- ratios of sums over people --- */

struct ratio {
    const double *numerator, *denominator;
    int64_t clusters;
};

static double ratio_at(const void *ctx, const double *weights)
{
    const struct ratio *r = ctx;
    double num = 0, den = 0;
    for (int64_t i = 0; i < r->clusters; i++) {
        num += weights[i] * r->numerator[i];
        den += weights[i] * r->denominator[i];
    }
    return den == 0 ? NAN : num / den;
}

struct pasta_estimate pasta_estimate_ratio(const struct pasta_bootstrap *boot, const double *numerator, const double *denominator,
                                           int64_t n)
{
    int64_t people = 0;
    for (int64_t i = 0; i < boot->clusters; i++)
        people += numerator[i] != 0 || denominator[i] != 0;
    struct ratio r = {numerator, denominator, boot->clusters};
    return pasta_estimate_of(boot, ratio_at, &r, n, people);
}

static double ratio_difference_at(const void *ctx, const double *weights)
{
    const struct ratio *r = ctx; /* a and b */
    return ratio_at(&r[0], weights) - ratio_at(&r[1], weights);
}

struct pasta_estimate pasta_estimate_ratio_difference(const struct pasta_bootstrap *boot, const double *numerator_a,
                                                      const double *denominator_a, const double *numerator_b, const double *denominator_b,
                                                      int64_t n)
{
    int64_t people = 0;
    for (int64_t i = 0; i < boot->clusters; i++)
        people += numerator_a[i] != 0 || denominator_a[i] != 0 || numerator_b[i] != 0 || denominator_b[i] != 0;
    const struct ratio r[2] = {{numerator_a, denominator_a, boot->clusters}, {numerator_b, denominator_b, boot->clusters}};
    return pasta_estimate_of(boot, ratio_difference_at, r, n, people);
}

/* Sums per person of (a - base) and of (best - base), or of 1 where best is NULL; base NULL counts as 0. */
static struct pasta_estimate paired(const struct pasta_bootstrap *boot, const double *a, const double *base, const double *best,
                                    const int32_t *cluster, int64_t n)
{
    double *num = pasta_calloc((size_t)boot->clusters, sizeof *num);
    double *den = pasta_calloc((size_t)boot->clusters, sizeof *den);
    int64_t used = 0;
    for (int64_t i = 0; i < n; i++) {
        double from = base ? base[i] : 0, to = best ? best[i] : from + 1;
        if (isnan(a[i]) || isnan(from) || isnan(to))
            continue;
        num[cluster[i]] += a[i] - from;
        den[cluster[i]] += best ? to - from : 1;
        used++;
    }
    struct pasta_estimate e = pasta_estimate_ratio(boot, num, den, used);
    free(num);
    free(den);
    return e;
}

struct pasta_estimate pasta_estimate_mean(const struct pasta_bootstrap *boot, const double *values, const int32_t *cluster, int64_t n)
{
    return paired(boot, values, NULL, NULL, cluster, n);
}

struct pasta_estimate pasta_estimate_difference(const struct pasta_bootstrap *boot, const double *a, const double *b,
                                                const int32_t *cluster, int64_t n)
{
    return paired(boot, a, b, NULL, cluster, n);
}

struct pasta_estimate pasta_estimate_gap(const struct pasta_bootstrap *boot, const double *a, const double *base, const double *best,
                                         const int32_t *cluster, int64_t n)
{
    return paired(boot, a, base, best, cluster, n);
}
