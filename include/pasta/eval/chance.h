/* chance.h: how likely a thing is by chance, exactly, for the short sequences that one rater leaves.
 *
 *     int column[] = {0, 0, 0, 0, 2}, width[] = {4, 4, 4, 4, 4};
 *     struct pasta_uniform_test even = pasta_uniform_test_of(column, width, 5, seed);    // even.p: that they spread so unevenly
 *     struct pasta_run run = pasta_longest_run(column, 5);                                // 4 times column 0
 *
 * Randomness: draws of uniform tests read the stream (seed, PASTA_RNG_BOOTSTRAP, 0, 1), which no resample uses.
 * Sources: Pearson, Philosophical Magazine 1900 (chi-square); Cochran, Biometrics 1954 (expected counts of five); Fisher, "Statistical
 * methods for research workers", 5th edition, 1934, 21.02; Feller, "An introduction to probability theory and its applications", volume 1,
 * XIII.7 (runs).
 */
#ifndef PASTA_EVAL_CHANCE_H
#define PASTA_EVAL_CHANCE_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Successes in n independent trials of probabilities p[n]: P(X >= k), P(X <= k). */
double pasta_successes_at_least(const double *p, int64_t n, int64_t k);
double pasta_successes_at_most(const double *p, int64_t n, int64_t k);

/* Of `all` trials `good` are successes, whoever made them: P(X <= k) for the n of one of those who made them (Fisher's exact test,
 * one-sided). */
double pasta_fisher_at_most(int64_t k, int64_t n, int64_t good, int64_t all);

enum pasta_uniform_method { PASTA_UNIFORM_NONE, PASTA_UNIFORM_EXACT, PASTA_UNIFORM_CHI_SQUARE, PASTA_UNIFORM_DRAWN };
struct pasta_uniform_test {
    int64_t n;               /* choices among two or more */
    double statistic;        /* chi-square, summed over widths */
    int degrees;             /* its degrees of freedom: over widths, width - 1 */
    double p;                /* of a statistic as large under even choices; NAN: n is 0 */
    enum pasta_uniform_method method;
    int commonest;           /* the option chosen most often, the first of equals; -1: n is 0 */
    int64_t commonest_n;
    double excess;           /* share of the choices that would have to be others for an even spread, 0 to 1; NAN: n is 0 */
};
/* Are the options of choice[i] in 0..width[i]-1, width at most PASTA_MAX_SLATE, taken evenly? Choices that are negative, or the only
 * option, are left out. The law of chi-square is wrong where fewer than five are expected somewhere, so: with one width, exactly, while
 * there are at most 100,000 ways to spread the choices (82 choices of four options); otherwise by chi-square where five are expected of
 * each option of each width; otherwise from 100,000 draws, p = (1 + as uneven) / (1 + draws). */
struct pasta_uniform_test pasta_uniform_test_of(const int *choice, const int *width, int64_t n, uint64_t seed);

struct pasta_run {
    int value;               /* -1: no values */
    int64_t length;
};
struct pasta_run pasta_longest_run(const int *values, int64_t n); /* the first of the longest */
/* Probability of a run of at least `length` equal values among n independent ones, value i being v with probability p[i,v] ([n,n_values]
 * row-major; rows sum to 1). */
double pasta_run_chance(const double *p, int64_t n, int n_values, int64_t length);

#ifdef __cplusplus
}
#endif
#endif
