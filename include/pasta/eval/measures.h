/* measures.h: the metrics of the field, each by its exact rule.
 *
 *   Spearman's rho          average ranks for ties, then Pearson's correlation of the ranks
 *   inversion accuracy      HPD v2's rule: the share of pairs of a ranking that the scores do not turn round
 *   pair accuracy           Pick-a-Pic's rule with a tie class and half credit; ties dropped; ties as half
 *   adjusted Rand index     agreement of two partitions, 0 for chance, 1 for equal
 *   calibration error       expected |accuracy - confidence| over equal-width bins
 *   effective number        exp(entropy) of a distribution over types
 *
 * Intervals resample people (stats.h). Undefined values are NAN (rho of a constant, anything of nothing).
 */
#ifndef PASTA_EVAL_MEASURES_H
#define PASTA_EVAL_MEASURES_H
#include <stdint.h>
#include "pasta/eval/stats.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Equal values share the average of their ranks. NAN of no items, of items that are NAN, and where all of a side are equal. */
double pasta_spearman(const double *x, const double *y, int64_t n);
/* Over all items at once; cluster[i] is the person of item i. */
struct pasta_estimate pasta_spearman_pooled(const struct pasta_bootstrap *boot, const double *x, const double *y,
                                            const int32_t *cluster, int64_t n);
/* rho(a, y) - rho(b, y), both over all items: whether a ranks y better than b does. */
struct pasta_estimate pasta_spearman_pooled_difference(const struct pasta_bootstrap *boot, const double *a, const double *b,
                                                       const double *y, const int32_t *cluster, int64_t n);
/* Slope of the least-squares line of y on x, NAN where x is constant: 1 for a prediction x of y that is off by no more than a constant. */
struct pasta_estimate pasta_slope(const struct pasta_bootstrap *boot, const double *x, const double *y, const int32_t *cluster, int64_t n);
/* Each person's (or ranking's: any group's) own rho into rho[people]; NAN for people with fewer than `least` items or a constant side. */
void pasta_spearman_of_people(const double *x, const double *y, const int32_t *cluster, int64_t n, int64_t people, int64_t least,
                              double *rho);
/* Mean over people of each one's own rho; people with fewer than `least` items, or with a constant side, are left out. The
 * estimate's n is the number of items of the people who are in. */
struct pasta_estimate pasta_spearman_within(const struct pasta_bootstrap *boot, const double *x, const double *y,
                                            const int32_t *cluster, int64_t n, int64_t least);

/* The n (n - 1) / 2 pairs of one ranking (rank 1 is best, ties allowed) against scores (higher is better). */
struct pasta_order {
    int64_t pairs;
    int64_t unequal;   /* of unequal ranks; of these: */
    int64_t right;     /* the better one has the higher score */
    int64_t undecided; /* the scores are equal */
};
struct pasta_order pasta_ranking_order(const double *score, const double *rank, int n);
/* 1 - inversions / pairs: pairs of equal rank are never wrong, equal scores of unequal ranks half an inversion; NAN without pairs. The
 * source puts equal scores into the order of its sort, so a scorer that says nothing is right or wrong there by the order of the file.
 * Source: tgxs002/HPSv2, hpsv2/src/training/train.py. */
double pasta_inversion_score(struct pasta_order order);

/* One pair: `first` is the predicted probability that the first image is preferred, label 1, 0 or 0.5 (tie). The prediction is a tie when
 * |first - (1 - first)| <= threshold. Score 1 when equal to the label, 0.5 when exactly one of the two is a tie, else 0.
 * Source: yuvalkirstain/PickScore, trainer/scripts/eval_preference_predictor.py. */
double pasta_pair_score(double first, double label, double threshold);
/* The first of {0, 0.1 .. 1} with the highest mean score on items with use[i] != 0 (all when use is NULL). */
double pasta_pair_threshold(const double *first, const double *label, const uint8_t *use, int64_t n);
/* 1 when the likelier image is the preferred one, 0 when it is not, 0.5 when the label or the prediction is exactly a tie. Without the ties:
 * ties dropped; with them: ties as half. Source: yuvalkirstain/PickScore, trainer/tasks/clip_task.py, which gives 0 where a prediction is
 * exactly 0.5. */
double pasta_pair_side(double first, double label);
/* Scores of n pairs into score[n]: the clusters are halved by the parity of cluster[i], and each half is scored with the threshold that is
 * best on the other one, so that no pair helps to choose its own. threshold[h]: what clusters of parity h were scored with. */
void pasta_pair_scores(const double *first, const double *label, const int32_t *cluster, int64_t n, double *score, double threshold[2]);

/* Agreement of partitions a and b (labels >= 0) of n items, item i being person i of `boot`, or boot NULL: no interval. Draws of the
 * same person twice are not counted as a pair that agrees. Source: Hubert & Arabie, "Comparing partitions", 1985. */
struct pasta_estimate pasta_adjusted_rand(const struct pasta_bootstrap *boot, const int32_t *a, const int32_t *b, int64_t n);

/* Expected calibration error over `bins` equal-width bins of confidence in [0,1]; correct[i] in {0,1}.
 * Source: Guo et al., "On calibration of modern neural networks", ICML 2017. */
struct pasta_estimate pasta_calibration_error(const struct pasta_bootstrap *boot, const double *confidence, const double *correct,
                                              const int32_t *cluster, int64_t n, int bins);

/* exp of the entropy of weights[n] (>= 0, any sum): n when they are equal, 1 when one has it all. */
double pasta_effective_number(const double *weights, int n);

#ifdef __cplusplus
}
#endif
#endif
