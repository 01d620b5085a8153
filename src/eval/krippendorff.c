#include "pasta/eval/krippendorff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"

/* Codes are indices into the distinct values [V], in rising order. */
struct coding {
    const int32_t *code;    /* [units,coders], -1: missing */
    const int32_t *cluster; /* [units], or NULL: the weight is 1 */
    int64_t units;
    int coders, n_values;
    const double *value;    /* [V] */
    enum pasta_level level;
    double *coincidence;    /* [V,V] scratch: how often c meets k within a unit */
    double *total;          /* [V] scratch: its row sums */
};

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Each ordered pair of a unit's m values counts 1 / (m - 1), so that a value counts once. */
static void count_coincidences(const struct coding *c, const double *weights)
{
    memset(c->coincidence, 0, (size_t)c->n_values * (size_t)c->n_values * sizeof *c->coincidence);
    for (int64_t u = 0; u < c->units; u++) {
        const int32_t *code = c->code + u * c->coders;
        int m = 0;
        for (int i = 0; i < c->coders; i++)
            m += code[i] >= 0;
        const double weight = m < 2 ? 0 : (c->cluster ? weights[c->cluster[u]] : 1) / (m - 1);
        for (int i = 0; i < c->coders && weight > 0; i++)
            for (int j = 0; j < c->coders; j++)
                if (i != j && code[i] >= 0 && code[j] >= 0)
                    c->coincidence[code[i] * c->n_values + code[j]] += weight;
    }
    for (int v = 0; v < c->n_values; v++) {
        c->total[v] = 0;
        for (int k = 0; k < c->n_values; k++)
            c->total[v] += c->coincidence[v * c->n_values + k];
    }
}

/* delta^2 of values a < b; `between` is the sum of the totals from a to b. */
static double distance(const struct coding *c, int a, int b, double between)
{
    switch (c->level) {
    case PASTA_LEVEL_NOMINAL: return 1;
    case PASTA_LEVEL_ORDINAL: between -= (c->total[a] + c->total[b]) / 2; return between * between;
    case PASTA_LEVEL_INTERVAL: return (c->value[a] - c->value[b]) * (c->value[a] - c->value[b]);
    }
    return NAN;
}

static double alpha_at(const void *ctx, const double *weights)
{
    const struct coding *c = ctx;
    double observed = 0, expected = 0, all = 0;
    count_coincidences(c, weights);
    for (int a = 0; a < c->n_values; a++) {
        double between = c->total[a];
        all += c->total[a];
        for (int b = a + 1; b < c->n_values; b++) {
            between += c->total[b];
            const double apart = distance(c, a, b, between);
            observed += c->coincidence[a * c->n_values + b] * apart;
            expected += c->total[a] * c->total[b] * apart;
        }
    }
    return expected > 0 ? 1 - (all - 1) * observed / expected : NAN;
}

/* Fills code and the distinct values; returns how many there are. */
static int code_values(const double *values, int64_t n, int32_t *code, double *distinct)
{
    int64_t found = 0;
    int kept = 0;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(values[i]))
            distinct[found++] = values[i];
    qsort(distinct, (size_t)found, sizeof *distinct, by_value);
    for (int64_t i = 0; i < found; i++)
        if (kept == 0 || distinct[i] > distinct[kept - 1])
            distinct[kept++] = distinct[i];
    for (int64_t i = 0; i < n; i++) {
        const double *at = isnan(values[i]) ? NULL : bsearch(&values[i], distinct, (size_t)kept, sizeof *distinct, by_value);
        code[i] = at ? (int32_t)(at - distinct) : -1;
    }
    return kept;
}

/* Units with two values or more, and the people whose they are. */
static int64_t count_units(const struct coding *c, int64_t people, int64_t *owners)
{
    uint8_t *has = pasta_calloc((size_t)people + 1, sizeof *has);
    int64_t used = 0;
    *owners = 0;
    for (int64_t u = 0; u < c->units; u++) {
        int m = 0;
        for (int i = 0; i < c->coders; i++)
            m += c->code[u * c->coders + i] >= 0;
        if (m < 2)
            continue;
        used++;
        if (c->cluster && !has[c->cluster[u]]) {
            has[c->cluster[u]] = 1;
            ++*owners;
        }
    }
    free(has);
    return used;
}

struct pasta_estimate pasta_krippendorff(const struct pasta_bootstrap *boot, const double *values, const int32_t *cluster, int64_t units,
                                         int coders, enum pasta_level level)
{
    struct pasta_arena arena = {0};
    const size_t n = (size_t)units * (size_t)coders;
    int32_t *code = pasta_arena_alloc(&arena, n * sizeof *code);
    double *distinct = pasta_arena_alloc(&arena, n * sizeof *distinct);
    struct coding c = {.code = code, .cluster = boot ? cluster : NULL, .units = units, .coders = coders, .value = distinct, .level = level};
    c.n_values = code_values(values, (int64_t)n, code, distinct);
    c.coincidence = pasta_arena_alloc(&arena, (size_t)c.n_values * (size_t)c.n_values * sizeof *c.coincidence);
    c.total = pasta_arena_alloc(&arena, (size_t)c.n_values * sizeof *c.total);

    int64_t owners;
    const int64_t used = count_units(&c, boot ? pasta_bootstrap_clusters(boot) : 0, &owners);
    struct pasta_estimate e = {NAN, NAN, NAN, used, owners};
    if (boot && used)
        e = pasta_estimate_of(boot, alpha_at, &c, used, owners);
    else if (used)
        e.value = alpha_at(&c, NULL);
    pasta_arena_release(&arena);
    return e;
}
