/* slate_law.h: with what probability an agent that explores shows a slate.
 *
 * A slate is one at random with probability epsilon (pasta_slate_explore), else the best by scores with Gumbel noise of some temperature
 * (pasta_slate_select). Adding Gumbel noise and sorting is drawing without replacement from a softmax, and the largest of several noisy
 * scores is itself a noisy score, of their log-sum-exp, that does not depend on which of them it is. So the candidates of a slate are
 * independent given its categories, and its categories are a draw without replacement of L out of five: everything is exact.
 *
 *     struct pasta_slate_law logging, policy;
 *     pasta_slate_law_init(&logging, turn->candidates, turn->scores, turn->n_candidates, L, epsilon, temperature);
 *     weight = pasta_slate_law_probability(&policy, picks, L) / pasta_slate_law_probability(&logging, picks, L);
 *     pasta_slate_law_release(&logging);
 *
 * Slates are sets: the order of the columns is drawn apart and does not count.
 * Sources: Plackett, Applied Statistics 1975; Yellott, Journal of Mathematical Psychology 1977 (Gumbel noise); Swaminathan et al.,
 * "Off-policy evaluation for slate recommendation", NeurIPS 2017 (the pseudoinverse estimator).
 */
#ifndef PASTA_AGENT_SLATE_LAW_H
#define PASTA_AGENT_SLATE_LAW_H
#include <stdbool.h>

#include "pasta/io/record.h"

enum { PASTA_CATEGORY_SETS = 1 << PASTA_CATEGORIES };
struct pasta_slate_part {            /* slates at random, or by score */
    double share;
    double *within;                  /* [n] probability of a candidate, given that its category is shown */
    double of_set[PASTA_CATEGORY_SETS]; /* of the categories shown, a bit each */
};
struct pasta_slate_law {
    int n;
    const struct pasta_candidate *candidates; /* borrowed */
    struct pasta_slate_part parts[2];
    double *inclusion;               /* [n] probability that a candidate is shown */
};

/* False, and nothing to release, where there is no such law: fewer categories than columns, or where it is drawn at all, a prompt that
 * occurs twice (it is shown once) or a score that is NAN. */
bool pasta_slate_law_init(struct pasta_slate_law *law, const struct pasta_candidate *candidates, const double *scores, int n, int slate,
                          double epsilon, double temperature) PASTA_MUST_CHECK;
void pasta_slate_law_release(struct pasta_slate_law *law); /* legal on a zeroed struct */
/* Of the slate of these candidates, at most one of a category; 0 where the agent never shows it. */
double pasta_slate_law_probability(const struct pasta_slate_law *law, const int *picks, int slate);
/* The weight of a logged slate for a policy that shows candidate i with probability inclusion[i], where what a slate brings is a sum over its
 * candidates: inclusion' Gamma^+ 1(slate), Gamma the probabilities that the logging agent shows two candidates together. Its mean over
 * logged slates is 1. NAN where the policy shows what the logging agent never does. */
double pasta_slate_item_weight(const struct pasta_slate_law *logging, const double *inclusion, const int *picks, int slate);
#endif
