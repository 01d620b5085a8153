/* stats.h: means with rater-clustered bootstrap intervals.
 *
 * Observations of one person are not independent, so people are resampled, not observations. Every statistic here is a function of
 * how often each person was drawn; ratios of sums (means, differences, shares of a gap) need one sum a person, so 2,000 resamples of
 * 400 people cost a millisecond. All statistics of one population use the same draws, so comparisons are paired.
 *
 *     struct pasta_bootstrap *boot = pasta_bootstrap_new(seed, n_raters, 2000);
 *     struct pasta_estimate e = pasta_estimate_mean(boot, rating, rater_of, n);   // e.value [e.lo, e.hi]
 *     pasta_bootstrap_free(boot);
 *
 * Randomness: resample b reads the stream (seed, PASTA_RNG_BOOTSTRAP, b). Results do not depend on threads.
 * Source: Efron & Tibshirani, "An introduction to the bootstrap", 1993, sections 6 and 13 (percentile intervals).
 */
#ifndef PASTA_EVAL_STATS_H
#define PASTA_EVAL_STATS_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A number with its 95 % interval. NAN value: undefined (no observation); NAN lo and hi: no interval (fewer than two people). */
struct pasta_estimate {
    double value, lo, hi;
    int64_t n;        /* observations behind it */
    int64_t clusters; /* people behind it */
};

struct pasta_bootstrap; /* the draws of one population; read-only after _new, safe from several threads */

/* clusters >= 0 people, resamples >= 1. */
struct pasta_bootstrap *pasta_bootstrap_new(uint64_t seed, int64_t clusters, int64_t resamples);
void pasta_bootstrap_free(struct pasta_bootstrap *boot); /* NULL is legal */
int64_t pasta_bootstrap_clusters(const struct pasta_bootstrap *boot);

/* A statistic as a function of the weight (times drawn) of each person, weights [clusters]; NAN where it is undefined. */
typedef double (*pasta_statistic_fn)(const void *ctx, const double *weights);

/* The statistic at weights 1 with its percentile interval. Undefined resamples are left out; when more than a tenth is undefined
 * there is no interval. `n` and `people` are reported as they are; people < 2: no interval. */
struct pasta_estimate pasta_estimate_of(const struct pasta_bootstrap *boot, pasta_statistic_fn statistic, const void *ctx,
                                        int64_t n, int64_t people);

/* sum(numerator) / sum(denominator) over people, both [clusters]: a mean (sums and counts), a difference of paired means, a share of a gap.
 * A person counts as behind it when either entry is not 0. */
struct pasta_estimate pasta_estimate_ratio(const struct pasta_bootstrap *boot, const double *numerator, const double *denominator,
                                           int64_t n);
/* Ratio a less ratio b, each as above: of two groups of observations, which may be of the same people, of others, or of both. */
struct pasta_estimate pasta_estimate_ratio_difference(const struct pasta_bootstrap *boot, const double *numerator_a,
                                                      const double *denominator_a, const double *numerator_b, const double *denominator_b,
                                                      int64_t n);
/* Mean of values[n], where values[i] belongs to person cluster[i]; NAN values are left out. */
struct pasta_estimate pasta_estimate_mean(const struct pasta_bootstrap *boot, const double *values, const int32_t *cluster, int64_t n);
/* Mean of a - b over items where both are there: paired, because item i of both belongs to the same person and situation. */
struct pasta_estimate pasta_estimate_difference(const struct pasta_bootstrap *boot, const double *a, const double *b,
                                                const int32_t *cluster, int64_t n);
/* Share of the way from `base` to `best` that `a` has gone: mean(a - base) / mean(best - base), paired as above. */
struct pasta_estimate pasta_estimate_gap(const struct pasta_bootstrap *boot, const double *a, const double *base, const double *best,
                                         const int32_t *cluster, int64_t n);

double pasta_mean(const double *values, int64_t n); /* NAN entries are left out; NAN when nothing is left */
/* Quantile of sorted[n] at q in [0,1], linear between order statistics (type 7 of Hyndman & Fan); NAN for n = 0. */
double pasta_quantile(const double *sorted, int64_t n, double q);

#ifdef __cplusplus
}
#endif
#endif
