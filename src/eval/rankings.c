/* Rank correlation, and rankings against scores. */
#include "pasta/eval/measures.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "measures_count.h"
#include "pasta/base/mem.h"

struct item {
    double value;
    int64_t index;
};

static int by_value_then_index(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->value != y->value)
        return x->value > y->value ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

static struct item *sorted_items(const double *values, int64_t n)
{
    struct item *items = pasta_malloc((size_t)n * sizeof *items);
    for (int64_t i = 0; i < n; i++)
        items[i] = (struct item){values[i], i};
    qsort(items, (size_t)n, sizeof *items, by_value_then_index);
    return items;
}

/* Ranks of items that occur weight[cluster] times each (weights and cluster NULL: once): the rank of a group of ties is the number of
 * copies before it plus half of its own copies and one. */
static void rank_sorted(const struct item *items, int64_t n, const double *weights, const int32_t *cluster, double *ranks)
{
    double before = 0;
    for (int64_t i = 0; i < n;) {
        double own = 0;
        int64_t end = i;
        if (isnan(items[i].value)) { /* equals nothing, itself neither: it has no rank, and the correlation none */
            ranks[items[i++].index] = NAN;
            continue;
        }
        for (; end < n && items[end].value == items[i].value; end++)
            own += weights ? weights[cluster[items[end].index]] : 1;
        for (; i < end; i++)
            ranks[items[i].index] = before + (own + 1) / 2;
        before += own;
    }
}

struct spearman {
    struct item *x, *y; /* [n] sorted */
    const int32_t *cluster;
    double *rank_x, *rank_y; /* [n] scratch */
    int64_t n;
};

static double spearman_at(const void *ctx, const double *weights)
{
    const struct spearman *s = ctx;
    rank_sorted(s->x, s->n, weights, s->cluster, s->rank_x);
    rank_sorted(s->y, s->n, weights, s->cluster, s->rank_y);
    double total = 0;
    for (int64_t i = 0; i < s->n; i++)
        total += weights ? weights[s->cluster[i]] : 1;
    double middle = (total + 1) / 2; /* the mean of average ranks, with ties or without */
    double xx = 0, yy = 0, xy = 0;
    for (int64_t i = 0; i < s->n; i++) {
        double w = weights ? weights[s->cluster[i]] : 1;
        double dx = s->rank_x[i] - middle, dy = s->rank_y[i] - middle;
        xx += w * dx * dx;
        yy += w * dy * dy;
        xy += w * dx * dy;
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

static struct spearman spearman_new(const double *x, const double *y, const int32_t *cluster, int64_t n)
{
    return (struct spearman){sorted_items(x, n), sorted_items(y, n), cluster, pasta_malloc((size_t)n * sizeof(double)),
                             pasta_malloc((size_t)n * sizeof(double)), n};
}

static void spearman_free(struct spearman *s)
{
    free(s->x);
    free(s->y);
    free(s->rank_x);
    free(s->rank_y);
}

double pasta_spearman(const double *x, const double *y, int64_t n)
{
    if (n == 0)
        return NAN;
    struct spearman s = spearman_new(x, y, NULL, n);
    double rho = spearman_at(&s, NULL);
    spearman_free(&s);
    return rho;
}

struct pasta_estimate pasta_spearman_pooled(const struct pasta_bootstrap *boot, const double *x, const double *y,
                                            const int32_t *cluster, int64_t n)
{
    struct spearman s = spearman_new(x, y, cluster, n);
    struct pasta_estimate e = pasta_estimate_of(boot, spearman_at, &s, n, measures_present(cluster, n, pasta_bootstrap_clusters(boot)));
    spearman_free(&s);
    return e;
}

static double spearman_difference_at(const void *ctx, const double *weights)
{
    const struct spearman *both = ctx;
    return spearman_at(&both[0], weights) - spearman_at(&both[1], weights);
}

struct pasta_estimate pasta_spearman_pooled_difference(const struct pasta_bootstrap *boot, const double *a, const double *b,
                                                       const double *y, const int32_t *cluster, int64_t n)
{
    struct spearman both[2] = {spearman_new(a, y, cluster, n), spearman_new(b, y, cluster, n)};
    struct pasta_estimate e = pasta_estimate_of(boot, spearman_difference_at, both, n,
                                                measures_present(cluster, n, pasta_bootstrap_clusters(boot)));
    spearman_free(&both[0]);
    spearman_free(&both[1]);
    return e;
}

void pasta_spearman_of_people(const double *x, const double *y, const int32_t *cluster, int64_t n, int64_t people, int64_t least,
                              double *rho)
{
    /* Items of one person next to each other, in their own order. */
    double *own_x = pasta_malloc((size_t)n * sizeof *own_x), *own_y = pasta_malloc((size_t)n * sizeof *own_y);
    int64_t *count = measures_items(cluster, n, people), *start = pasta_calloc((size_t)people + 1, sizeof *start);
    int64_t *fill = pasta_calloc((size_t)people, sizeof *fill);
    for (int64_t p = 0; p < people; p++)
        start[p + 1] = start[p] + count[p];
    for (int64_t i = 0; i < n; i++) {
        int64_t at = start[cluster[i]] + fill[cluster[i]]++;
        own_x[at] = x[i];
        own_y[at] = y[i];
    }
    for (int64_t p = 0; p < people; p++)
        rho[p] = count[p] < least ? NAN : pasta_spearman(own_x + start[p], own_y + start[p], count[p]);
    free(fill);
    free(start);
    free(count);
    free(own_x);
    free(own_y);
}

struct pasta_estimate pasta_spearman_within(const struct pasta_bootstrap *boot, const double *x, const double *y,
                                            const int32_t *cluster, int64_t n, int64_t least)
{
    int64_t people = pasta_bootstrap_clusters(boot), used = 0;
    int64_t *count = measures_items(cluster, n, people);
    double *rho = pasta_malloc((size_t)people * sizeof *rho);
    int32_t *self = pasta_malloc((size_t)people * sizeof *self);
    pasta_spearman_of_people(x, y, cluster, n, people, least, rho);
    for (int64_t p = 0; p < people; p++) {
        self[p] = (int32_t)p;
        used += isnan(rho[p]) ? 0 : count[p];
    }
    struct pasta_estimate e = pasta_estimate_mean(boot, rho, self, people);
    e.n = used;
    free(self);
    free(rho);
    free(count);
    return e;
}

/* --- one ranking against scores --- */

struct pasta_order pasta_ranking_order(const double *score, const double *rank, int n)
{
    struct pasta_order o = {0};
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) {
            double better = rank[j] - rank[i], higher = score[i] - score[j]; /* both above 0: i is better, and said to be */
            o.pairs++;
            if (better == 0)
                continue;
            o.unequal++;
            if (higher == 0)
                o.undecided++;
            else if ((higher > 0) == (better > 0))
                o.right++;
        }
    return o;
}

double pasta_inversion_score(struct pasta_order o)
{
    return o.pairs ? 1 - ((double)(o.unequal - o.right - o.undecided) + 0.5 * (double)o.undecided) / (double)o.pairs : NAN;
}
