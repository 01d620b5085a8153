/* off_policy.h: what an agent would have got, from sessions that another one played.
 *
 * n sessions of at most H turns; `shown` [n,H,D] are features of the slates that were shown, `policy` [n,H,D] their expectation under the
 * agent that is asked about, given the same history; weight [n,H] how much oftener it shows that very slate than the logging agent did. The
 * value is the expected sum over turns of discount^(t-1) reward.
 *
 *   fitted     fitted Q evaluation, linear in the features, turn by turn from the last: Q_t = argmin sum (r_t + discount V_{t+1} - Q_t)^2 +
 *              ridge n |w|^2, V_t = Q_t at the agent's slate. Precise, and biased where values are not linear in the features.
 *   weighted   importance weights, per decision and self-normalised: turn t's reward counts with the product of the weights up to t, divided by
 *              its mean. Consistent whatever values are like; after a few turns few sessions are left. A window of the last k turns' weights
 *              leaves more, and takes the history before them as the logging agent made it.
 *   doubly     doubly robust: the fitted values, corrected by weighted differences between what came and what was expected. Q is fitted on the
 *              people of one half for those of the other.
 *
 * Each gives a number for every session whose mean is the estimate (of first order: value plus influence), so that intervals and paired
 * differences come from resampling people, as everywhere (stats.h). The fitted value's is the regression's own, clustered by session; its first
 * order also takes back what the ridge shrinks.
 *
 *     double *values = pasta_malloc(n * sizeof *values), left;
 *     pasta_off_policy_weighted(&logged, values, &left);
 *     struct pasta_estimate e = pasta_estimate_mean(boot, values, logged.person, n);
 *
 * Sources: Le, Voloshin & Yue, "Batch policy learning under constraints", ICML 2019 (fitted Q evaluation); Duan, Jia & Wang, ICML 2020 (linear,
 * its variance); Precup, Sutton & Singh, ICML 2000 (per decision); Jiang & Li, ICML 2016, and Thomas & Brunskill, ICML 2016 (doubly robust,
 * self-normalised).
 */
#ifndef PASTA_EVAL_OFF_POLICY_H
#define PASTA_EVAL_OFF_POLICY_H
#include <stdint.h>

struct pasta_logged {
    int64_t n;
    int horizon, features;        /* H, D; a constant feature is the caller's affair */
    int window;                   /* turns whose weights count, up to a reward's own; 0: all */
    const float *shown, *policy;  /* [n,H,D] */
    const double *reward;         /* [n,H]; NAN: the session was over */
    const double *weight;         /* [n,H], 1 for turns that were not; NULL: none */
    const int32_t *person;        /* [n] >= 0 */
    double discount, ridge;       /* ridge >= 0, a share of the mean square of the features */
};
/* values [n]: see above. All three are sums over turns. */
void pasta_off_policy_fitted(const struct pasta_logged *logged, double *values);
/* *effective: (sum w)^2 / sum w^2 of the products that the last turn's rewards count with, Kish's number of sessions that are left. All NAN where a weight is
 * NAN, or all weights of a turn are 0. */
void pasta_off_policy_weighted(const struct pasta_logged *logged, double *values, double *effective);
void pasta_off_policy_doubly(const struct pasta_logged *logged, double *values, double *effective);
#endif
