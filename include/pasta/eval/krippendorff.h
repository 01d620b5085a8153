/* krippendorff.h: do those who code the same things say the same, more than chance would have them?
 *
 *   alpha = 1 - D_o / D_e:  D_o the mean disagreement within units, D_e that of any two values of all units
 *
 * 1: no disagreement; 0: as much as between values drawn at random from all that were given; below: more than that. A unit is one thing
 * that was coded (a slate that was shown twice), a coder whoever coded it (the first time, the second time). Values may be missing: units
 * with fewer than two are left out.
 *
 *     double values[] = {2, 2,   0, 1,   3, 3,   1, NAN};        // four units, two coders
 *     struct pasta_estimate alpha = pasta_krippendorff(boot, values, rater, 4, 2, PASTA_LEVEL_NOMINAL);
 *
 * Sources: Krippendorff, "Content analysis", 2nd edition, 2004, chapter 11; Hayes & Krippendorff, "Answering the call for a standard
 * reliability measure for coding data", Communication Methods and Measures 1, 2007.
 */
#ifndef PASTA_EVAL_KRIPPENDORFF_H
#define PASTA_EVAL_KRIPPENDORFF_H
#include <stdint.h>
#include "pasta/eval/stats.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How far apart two values are: equal or not; by the values that lie between them; by their difference squared. */
enum pasta_level { PASTA_LEVEL_NOMINAL, PASTA_LEVEL_ORDINAL, PASTA_LEVEL_INTERVAL };

/* values [units,coders] row-major, NAN where there is none; unit u belongs to person cluster[u] of `boot`, whose units are resampled
 * together. (Resampling coders would let drawn twins agree with themselves.) boot NULL, and then cluster too: no interval. NAN where
 * nothing varies, or no unit has two values; n is the number of units that have. */
struct pasta_estimate pasta_krippendorff(const struct pasta_bootstrap *boot, const double *values, const int32_t *cluster, int64_t units,
                                         int coders, enum pasta_level level);

#ifdef __cplusplus
}
#endif
#endif
