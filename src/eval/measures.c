#include "pasta/eval/measures.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "pasta/base/mem.h"

/* --- rank correlation --- */

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

static int64_t *items_of_people(const int32_t *cluster, int64_t n, int64_t people)
{
    int64_t *count = pasta_calloc((size_t)people, sizeof *count);
    for (int64_t i = 0; i < n; i++)
        count[cluster[i]]++;
    return count;
}

static int64_t people_present(const int32_t *cluster, int64_t n, int64_t people)
{
    int64_t *count = items_of_people(cluster, n, people), present = 0;
    for (int64_t p = 0; p < people; p++)
        present += count[p] > 0;
    free(count);
    return present;
}

struct pasta_estimate pasta_spearman_pooled(const struct pasta_bootstrap *boot, const double *x, const double *y,
                                            const int32_t *cluster, int64_t n)
{
    struct spearman s = spearman_new(x, y, cluster, n);
    struct pasta_estimate e = pasta_estimate_of(boot, spearman_at, &s, n, people_present(cluster, n, pasta_bootstrap_clusters(boot)));
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
                                                people_present(cluster, n, pasta_bootstrap_clusters(boot)));
    spearman_free(&both[0]);
    spearman_free(&both[1]);
    return e;
}

void pasta_spearman_of_people(const double *x, const double *y, const int32_t *cluster, int64_t n, int64_t people, int64_t least,
                              double *rho)
{
    /* Items of one person next to each other, in their own order. */
    double *own_x = pasta_malloc((size_t)n * sizeof *own_x), *own_y = pasta_malloc((size_t)n * sizeof *own_y);
    int64_t *count = items_of_people(cluster, n, people), *start = pasta_calloc((size_t)people + 1, sizeof *start);
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
    int64_t *count = items_of_people(cluster, n, people);
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

/* --- pairs with ties --- */

double pasta_pair_score(double first, double label, double threshold)
{
    bool tie_said = fabs(first - (1 - first)) <= threshold, tie_true = label == 0.5;
    if (tie_said || tie_true)
        return tie_said && tie_true ? 1 : 0.5;
    return (first > 0.5) == (label > 0.5) ? 1 : 0;
}

double pasta_pair_threshold(const double *first, const double *label, const uint8_t *use, int64_t n)
{
    double best = 0, best_sum = -1;
    for (int step = 0; step <= 10; step++) {
        double threshold = step / 10.0, sum = 0;
        for (int64_t i = 0; i < n; i++)
            if (!use || use[i])
                sum += pasta_pair_score(first[i], label[i], threshold);
        if (sum > best_sum) {
            best_sum = sum;
            best = threshold;
        }
    }
    return best;
}

void pasta_pair_scores(const double *first, const double *label, const int32_t *cluster, int64_t n, double *score)
{
    uint8_t *use = pasta_malloc((size_t)n);
    for (int half = 0; half < 2; half++) {
        for (int64_t i = 0; i < n; i++)
            use[i] = cluster[i] % 2 != half;
        double threshold = pasta_pair_threshold(first, label, use, n);
        for (int64_t i = 0; i < n; i++)
            if (!use[i])
                score[i] = pasta_pair_score(first[i], label[i], threshold);
    }
    free(use);
}

/* --- agreement of partitions --- */

struct partition {
    const int32_t *a, *b;
    int32_t n_a, n_b;
    int64_t n;
    double *cells; /* [2,(n_a*n_b + n_a + n_b + 1)] scratch: sums of weights, then of their squares */
};

/* Pairs of different people within a group where person i counts w_i times: (W^2 - sum w^2) / 2. */
static double pairs_within(double sum, double squares)
{
    return (sum * sum - squares) / 2;
}

static double adjusted_rand_at(const void *ctx, const double *weights)
{
    const struct partition *p = ctx;
    int64_t cells = (int64_t)p->n_a * p->n_b, size = cells + p->n_a + p->n_b + 1;
    double *sum = p->cells, *squares = p->cells + size;
    for (int64_t i = 0; i < 2 * size; i++)
        p->cells[i] = 0;
    for (int64_t i = 0; i < p->n; i++) {
        double w = weights ? weights[i] : 1;
        int64_t at[4] = {(int64_t)p->a[i] * p->n_b + p->b[i], cells + p->a[i], cells + p->n_a + p->b[i], size - 1};
        for (int j = 0; j < 4; j++) {
            sum[at[j]] += w;
            squares[at[j]] += w * w;
        }
    }
    double both = 0, in_a = 0, in_b = 0, all = pairs_within(sum[size - 1], squares[size - 1]);
    for (int64_t i = 0; i < cells; i++)
        both += pairs_within(sum[i], squares[i]);
    for (int64_t i = 0; i < p->n_a; i++)
        in_a += pairs_within(sum[cells + i], squares[cells + i]);
    for (int64_t i = 0; i < p->n_b; i++)
        in_b += pairs_within(sum[cells + p->n_a + i], squares[cells + p->n_a + i]);
    if (all <= 0)
        return NAN;
    double expected = in_a * in_b / all, most = (in_a + in_b) / 2;
    return most == expected ? 1 : (both - expected) / (most - expected); /* both trivial in the same way: equal partitions */
}

struct pasta_estimate pasta_adjusted_rand(const struct pasta_bootstrap *boot, const int32_t *a, const int32_t *b, int64_t n)
{
    struct partition p = {a, b, 1, 1, n, NULL};
    for (int64_t i = 0; i < n; i++) {
        p.n_a = a[i] >= p.n_a ? a[i] + 1 : p.n_a;
        p.n_b = b[i] >= p.n_b ? b[i] + 1 : p.n_b;
    }
    p.cells = pasta_malloc(2 * (size_t)((int64_t)p.n_a * p.n_b + p.n_a + p.n_b + 1) * sizeof *p.cells);
    struct pasta_estimate e = {NAN, NAN, NAN, n, n};
    if (boot)
        e = pasta_estimate_of(boot, adjusted_rand_at, &p, n, n);
    else if (n > 1)
        e.value = adjusted_rand_at(&p, NULL);
    free(p.cells);
    return e;
}

/* --- calibration and types --- */

struct calibration {
    const double *sums; /* [people,bins,3]: items, confidence, correct */
    int64_t people;
    int bins;
    double *scratch; /* [bins,3] */
};

static double calibration_at(const void *ctx, const double *weights)
{
    const struct calibration *c = ctx;
    int64_t width = 3 * (int64_t)c->bins;
    for (int64_t j = 0; j < width; j++)
        c->scratch[j] = 0;
    for (int64_t i = 0; i < c->people; i++)
        for (int64_t j = 0; j < width; j++)
            c->scratch[j] += weights[i] * c->sums[i * width + j];
    double total = 0, gap = 0;
    for (int b = 0; b < c->bins; b++) {
        total += c->scratch[3 * b];
        gap += fabs(c->scratch[3 * b + 1] - c->scratch[3 * b + 2]);
    }
    return total > 0 ? gap / total : NAN;
}

struct pasta_estimate pasta_calibration_error(const struct pasta_bootstrap *boot, const double *confidence, const double *correct,
                                              const int32_t *cluster, int64_t n, int bins)
{
    int64_t people = pasta_bootstrap_clusters(boot), width = 3 * (int64_t)bins;
    double *sums = pasta_calloc((size_t)(people * width), sizeof *sums);
    for (int64_t i = 0; i < n; i++) {
        int bin = (int)(confidence[i] * bins);
        bin = bin < 0 ? 0 : bin >= bins ? bins - 1 : bin;
        double *at = sums + cluster[i] * width + 3 * bin;
        at[0] += 1;
        at[1] += confidence[i];
        at[2] += correct[i];
    }
    double *scratch = pasta_calloc((size_t)width, sizeof *scratch);
    struct calibration c = {sums, people, bins, scratch};
    struct pasta_estimate e = pasta_estimate_of(boot, calibration_at, &c, n, people_present(cluster, n, people));
    free(scratch);
    free(sums);
    return e;
}

double pasta_effective_number(const double *weights, int n)
{
    double total = 0, entropy = 0;
    for (int i = 0; i < n; i++)
        total += weights[i];
    if (!(total > 0))
        return NAN;
    for (int i = 0; i < n; i++)
        if (weights[i] > 0)
            entropy -= weights[i] / total * log(weights[i] / total);
    return exp(entropy);
}
