#include "pasta/eval/measures.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "measures_count.h"
#include "pasta/base/mem.h"

int64_t *measures_items(const int32_t *cluster, int64_t n, int64_t clusters)
{
    int64_t *count = pasta_calloc((size_t)clusters, sizeof *count);
    for (int64_t i = 0; i < n; i++)
        count[cluster[i]]++;
    return count;
}

int64_t measures_present(const int32_t *cluster, int64_t n, int64_t clusters)
{
    int64_t *count = measures_items(cluster, n, clusters), present = 0;
    for (int64_t p = 0; p < clusters; p++)
        present += count[p] > 0;
    free(count);
    return present;
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
    const double *confidence, *correct;
    const int32_t *cluster;
    const int32_t *bin; /* [n] */
    int64_t n;
    int bins;
    double *scratch; /* [bins,2]: confidence less correct, items */
};

static double calibration_at(const void *ctx, const double *weights)
{
    const struct calibration *c = ctx;
    for (int64_t j = 0; j < 2 * c->bins; j++)
        c->scratch[j] = 0;
    for (int64_t i = 0; i < c->n; i++) {
        double w = weights[c->cluster[i]], *at = c->scratch + 2 * c->bin[i];
        at[0] += w * (c->confidence[i] - c->correct[i]);
        at[1] += w;
    }
    double total = 0, gap = 0;
    for (int b = 0; b < c->bins; b++) {
        gap += fabs(c->scratch[2 * b]);
        total += c->scratch[2 * b + 1];
    }
    return total > 0 ? gap / total : NAN;
}

struct pasta_estimate pasta_calibration_error(const struct pasta_bootstrap *boot, const double *confidence, const double *correct,
                                              const int32_t *cluster, int64_t n, int bins)
{
    int32_t *bin = pasta_malloc((size_t)n * sizeof *bin);
    for (int64_t i = 0; i < n; i++) {
        int at = (int)(confidence[i] * bins);
        bin[i] = at < 0 ? 0 : at >= bins ? bins - 1 : at;
    }
    double *scratch = pasta_malloc(2 * (size_t)bins * sizeof *scratch);
    struct calibration c = {confidence, correct, cluster, bin, n, bins, scratch};
    struct pasta_estimate e = pasta_estimate_of(boot, calibration_at, &c, n, measures_present(cluster, n, pasta_bootstrap_clusters(boot)));
    free(scratch);
    free(bin);
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

/* --- slope --- */

enum { SLOPE_SUMS = 5 }; /* 1, x, y, xx, xy */
struct slope { const double *sums; int64_t clusters; }; /* [clusters,SLOPE_SUMS] */

static double slope_at(const void *ctx, const double *weights)
{
    const struct slope *s = ctx;
    double all[SLOPE_SUMS] = {0};
    for (int64_t c = 0; c < s->clusters; c++)
        for (int k = 0; k < SLOPE_SUMS; k++)
            all[k] += weights[c] * s->sums[c * SLOPE_SUMS + k];
    const double spread = all[3] - all[1] * all[1] / all[0];
    return spread > 1e-12 * all[3] ? (all[4] - all[1] * all[2] / all[0]) / spread : NAN;
}

struct pasta_estimate pasta_slope(const struct pasta_bootstrap *boot, const double *x, const double *y, const int32_t *cluster, int64_t n)
{
    const int64_t clusters = pasta_bootstrap_clusters(boot);
    double *sums = pasta_calloc((size_t)(clusters * SLOPE_SUMS + 1), sizeof *sums);
    const double x0 = pasta_mean(x, n), y0 = pasta_mean(y, n); /* only for precision */
    for (int64_t i = 0; i < n; i++) {
        const double dx = x[i] - x0, dy = y[i] - y0, add[SLOPE_SUMS] = {1, dx, dy, dx * dx, dx * dy};
        for (int k = 0; k < SLOPE_SUMS; k++)
            sums[cluster[i] * SLOPE_SUMS + k] += add[k];
    }
    const struct slope slope = {sums, clusters};
    const struct pasta_estimate e = pasta_estimate_of(boot, slope_at, &slope, n, measures_present(cluster, n, clusters));
    free(sums);
    return e;
}
