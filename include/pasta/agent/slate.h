/* slate.h: the selector, which turns scored candidates into the columns of a slate.
 *
 * Q(h, P) is the mean of f(h, p) over the slate [paper], so the best slate is found by sorting: the best candidate of each
 * category, then the L best of those. Both selectors keep two promises whatever they are given: no prompt is shown twice in a
 * slate, and a slate is shorter than asked only when the candidates have no further distinct prompt.
 *
 *     int picks[PASTA_MAX_SLATE];
 *     int columns = pasta_slate_select(candidates, scores, n, settings->slate, picks);
 */
#ifndef PASTA_AGENT_SLATE_H
#define PASTA_AGENT_SLATE_H
#include "pasta/base/rng.h"
#include "pasta/io/record.h"

/* The L best candidates, at most one of each category. Candidates are walked by falling score (equal scores: lower index first;
 * NAN: after every number) and taken when their category and their prompt are new. Where that gives fewer than L columns, a second
 * walk in the same order fills up with candidates of categories that are already there.
 * picks[L]: indices of candidates, in the order they were taken. Returns how many: 0..min(n, L). L <= PASTA_MAX_SLATE. */
int pasta_slate_select(const struct pasta_candidate *candidates, const double *scores, int n, int slate, int *picks);

/* A random slate: categories uniformly without replacement, then a candidate of each uniformly (so a category's chance does not
 * grow with its number of candidates); filled up as above, category by category in the order drawn. */
int pasta_slate_explore(const struct pasta_candidate *candidates, int n, int slate, struct pasta_rng *rng, int *picks);
#endif
