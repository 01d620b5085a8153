/* slate.c: see slate.h. */
#include "pasta/agent/slate.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"

static bool prompt_taken(const struct pasta_candidate *candidates, const int *picks, int taken, const char *prompt)
{
    for (int i = 0; i < taken; i++)
        if (strcmp(candidates[picks[i]].prompt, prompt) == 0)
            return true;
    return false;
}

/* Takes candidates in `order`: first one of each category, then whatever has a new prompt. */
static int take_in_order(const struct pasta_candidate *candidates, const uint32_t *order, int n, int slate, int *picks)
{
    bool category_taken[PASTA_CATEGORIES] = {false};
    int taken = 0;

    for (int fill = 0; fill < 2; fill++)
        for (int i = 0; i < n && taken < slate; i++) {
            const struct pasta_candidate *c = &candidates[order[i]];
            if (!fill && category_taken[c->category])
                continue;
            /* In the second walk this also passes over what the first walk took. */
            if (prompt_taken(candidates, picks, taken, c->prompt))
                continue;
            category_taken[c->category] = true;
            picks[taken++] = (int)order[i];
        }
    return taken;
}

static int by_falling_score(const void *a, const void *b, void *scores_of)
{
    const double *scores = scores_of;
    const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const double x = isnan(scores[i]) ? -INFINITY : scores[i], y = isnan(scores[j]) ? -INFINITY : scores[j];

    if (x != y)
        return x > y ? -1 : 1;
    if (!isnan(scores[i]) != !isnan(scores[j])) /* a true -inf is still a number */
        return isnan(scores[j]) ? -1 : 1;
    return i < j ? -1 : i > j;
}

int pasta_slate_select(const struct pasta_candidate *candidates, const double *scores, int n, int slate, int *picks)
{
    assert(slate <= PASTA_MAX_SLATE);
    uint32_t *order = pasta_malloc((size_t)n * sizeof *order);
    for (int i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    qsort_r(order, (size_t)n, sizeof *order, by_falling_score, (void *)(uintptr_t)scores);

    const int taken = take_in_order(candidates, order, n, slate, picks);
    free(order);
    return taken;
}

int pasta_slate_explore(const struct pasta_candidate *candidates, int n, int slate, struct pasta_rng *rng, int *picks)
{
    assert(slate <= PASTA_MAX_SLATE);
    uint32_t *shuffled = pasta_malloc((size_t)n * sizeof *shuffled), *order = pasta_malloc((size_t)n * sizeof *order);
    uint32_t categories[PASTA_CATEGORIES];
    int filled = 0;

    for (int i = 0; i < n; i++)
        shuffled[i] = (uint32_t)i;
    for (uint32_t c = 0; c < PASTA_CATEGORIES; c++)
        categories[c] = c;
    pasta_rng_shuffle(rng, shuffled, (uint32_t)n);
    pasta_rng_shuffle(rng, categories, PASTA_CATEGORIES);

    /* Category by category: the first walk then takes one of each in the order drawn. */
    for (int c = 0; c < PASTA_CATEGORIES; c++)
        for (int i = 0; i < n; i++)
            if ((uint32_t)candidates[shuffled[i]].category == categories[c])
                order[filled++] = shuffled[i];
    assert(filled == n);

    const int taken = take_in_order(candidates, order, n, slate, picks);
    free(shuffled);
    free(order);
    return taken;
}
