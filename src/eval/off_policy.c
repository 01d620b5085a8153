/* off_policy.c: see off_policy.h. */
#include "pasta/eval/off_policy.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"

/* Who is fitted on, by person: all, or those of one half. */
enum half { EVEN, ODD, ALL };

static bool is_in(const struct pasta_logged *l, int64_t i, enum half half)
{
    return half == ALL || (enum half)(l->person[i] & 1) == half;
}

static const float *at(const struct pasta_logged *l, const float *features, int64_t i, int t)
{
    return features + ((size_t)i * (size_t)l->horizon + (size_t)t) * (size_t)l->features;
}

static double reward_at(const struct pasta_logged *l, int64_t i, int t)
{
    return t < l->horizon ? l->reward[i * l->horizon + t] : NAN;
}

static double inner(const float *x, const double *w, int n)
{
    double sum = 0;
    for (int k = 0; k < n; k++)
        sum += x[k] * w[k];
    return sum;
}

/* --- the regression --- */

/* Of every turn: the Cholesky factor of its normal equations, and its weights. */
struct fit { double *factor /* [H,D,D] lower */, *w /* [H,D] */; };

static void fit_release(struct fit *f)
{
    free(f->factor);
    free(f->w);
}

static double *factor_of(const struct fit *f, const struct pasta_logged *l, int t)
{
    return f->factor + (size_t)t * (size_t)l->features * (size_t)l->features;
}

/* Lower factor in place. A direction that no session has, of no ridge either, is left out: its row is 0. */
static void cholesky(double *a, int n)
{
    for (int j = 0; j < n; j++) {
        double *row = a + (size_t)j * (size_t)n, diagonal = row[j];
        for (int k = 0; k < j; k++)
            diagonal -= row[k] * row[k];
        const double root = diagonal > 1e-10 * row[j] ? sqrt(diagonal) : 0;
        row[j] = root;
        for (int i = j + 1; i < n; i++) {
            double *below = a + (size_t)i * (size_t)n, sum = below[j];
            for (int k = 0; k < j; k++)
                sum -= below[k] * row[k];
            below[j] = root > 0 ? sum / root : 0;
        }
    }
}

/* x <- (L L')^-1 x. */
static void cholesky_solve(const double *factor, double *x, int n)
{
    for (int i = 0; i < n; i++) {
        const double *row = factor + (size_t)i * (size_t)n;
        for (int k = 0; k < i; k++)
            x[i] -= row[k] * x[k];
        x[i] = row[i] > 0 ? x[i] / row[i] : 0;
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int k = i + 1; k < n; k++)
            x[i] -= factor[(size_t)k * (size_t)n + (size_t)i] * x[k];
        const double d = factor[(size_t)i * (size_t)n + (size_t)i];
        x[i] = d > 0 ? x[i] / d : 0;
    }
}

static void add_outer(double *gram, const float *x, int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k <= i; k++)
            gram[(size_t)i * (size_t)n + (size_t)k] += (double)x[i] * x[k];
}

/* Value of the agent's slate of turn t, 0 after the end. */
static double value_at(const struct pasta_logged *l, const struct fit *f, int64_t i, int t)
{
    return isnan(reward_at(l, i, t)) ? 0 : inner(at(l, l->policy, i, t), f->w + (size_t)t * (size_t)l->features, l->features);
}

/* What came, with what is expected to follow, less what was expected. */
static double surprise(const struct pasta_logged *l, const struct fit *f, int64_t i, int t)
{
    const double q = inner(at(l, l->shown, i, t), f->w + (size_t)t * (size_t)l->features, l->features);
    return reward_at(l, i, t) + l->discount * value_at(l, f, i, t + 1) - q;
}

static struct fit fit_half(const struct pasta_logged *l, enum half half)
{
    const int D = l->features;
    struct fit f = {pasta_calloc((size_t)l->horizon * (size_t)D * (size_t)D, sizeof *f.factor),
                    pasta_calloc((size_t)l->horizon * (size_t)D, sizeof *f.w)};
    for (int t = l->horizon - 1; t >= 0; t--) {
        double *gram = factor_of(&f, l, t), *w = f.w + (size_t)t * (size_t)D, trace = 0;
        for (int64_t i = 0; i < l->n; i++)
            if (is_in(l, i, half) && !isnan(reward_at(l, i, t))) {
                const float *x = at(l, l->shown, i, t);
                const double y = reward_at(l, i, t) + l->discount * value_at(l, &f, i, t + 1);
                add_outer(gram, x, D);
                for (int k = 0; k < D; k++)
                    w[k] += y * x[k];
            }
        for (int k = 0; k < D; k++)
            trace += gram[(size_t)k * (size_t)D + (size_t)k];
        for (int k = 0; k < D; k++)
            gram[(size_t)k * (size_t)D + (size_t)k] += l->ridge * trace / D;
        cholesky(gram, D);
        cholesky_solve(gram, w, D);
    }
    return f;
}

/* --- the three --- */

/* How the value moves with each turn's weights goes forward from the first turn: a surprise at turn t counts as often as the fit itself lets it.
 * That of a session is n times its own surprises, so counted. */
void pasta_off_policy_fitted(const struct pasta_logged *l, double *values)
{
    const int D = l->features;
    struct fit f = fit_half(l, ALL);
    double *direction = pasta_calloc((size_t)D * 2, sizeof *direction), *next = direction + D;
    for (int64_t i = 0; i < l->n; i++) {
        values[i] = value_at(l, &f, i, 0);
        for (int k = 0; k < D && !isnan(reward_at(l, i, 0)); k++)
            direction[k] += at(l, l->policy, i, 0)[k] / (double)l->n;
    }
    for (int t = 0; t < l->horizon; t++) {
        cholesky_solve(factor_of(&f, l, t), direction, D);
        memset(next, 0, (size_t)D * sizeof *next);
        for (int64_t i = 0; i < l->n; i++) {
            if (isnan(reward_at(l, i, t)))
                continue;
            const double share = inner(at(l, l->shown, i, t), direction, D);
            values[i] += (double)l->n * share * surprise(l, &f, i, t);
            for (int k = 0; k < D && !isnan(reward_at(l, i, t + 1)); k++)
                next[k] += l->discount * share * at(l, l->policy, i, t + 1)[k];
        }
        memcpy(direction, next, (size_t)D * sizeof *direction);
    }
    free(direction);
    fit_release(&f);
}

static void undefined(const struct pasta_logged *l, double *values, double *effective)
{
    for (int64_t i = 0; i < l->n; i++)
        values[i] = NAN;
    *effective = 0;
}

static double weight_at(const struct pasta_logged *l, int64_t i, int t)
{
    return isnan(reward_at(l, i, t)) ? 1 : l->weight[i * l->horizon + t];
}

/* Products of the weights up to each turn [n,H], or NULL. *effective as above. */
static double *products(const struct pasta_logged *l, double *effective)
{
    double *product = pasta_malloc((size_t)(l->n * l->horizon) * sizeof *product), sum = 0, squares = 0;
    bool whole = true;
    for (int64_t i = 0; i < l->n; i++) {
        double w = 1;
        for (int t = 0; t < l->horizon; t++) {
            w = 1;
            for (int k = l->window > 0 && t >= l->window ? t - l->window + 1 : 0; k <= t; k++)
                w *= weight_at(l, i, k);
            product[i * l->horizon + t] = w;
            whole = whole && !isnan(w);
        }
        sum += w;
        squares += w * w;
    }
    *effective = squares > 0 ? sum * sum / squares : 0;
    for (int t = 0; t < l->horizon && whole; t++) {
        double all = 0;
        for (int64_t i = 0; i < l->n; i++)
            all += fabs(product[i * l->horizon + t]);
        whole = all > 0;
    }
    if (whole)
        return product;
    free(product);
    return NULL;
}

/* sum of w x / sum of w over the sessions, as a number for each: mean + w (x - mean) / mean of w. Added to values. */
static void add_normalised(const double *product, const double *x, int64_t n, int horizon, int t, double factor, double *values)
{
    double weights = 0, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        weights += product[i * horizon + t];
        sum += product[i * horizon + t] * x[i];
    }
    for (int64_t i = 0; i < n; i++)
        values[i] += factor * (sum / weights + (double)n * product[i * horizon + t] * (x[i] - sum / weights) / weights);
}

void pasta_off_policy_weighted(const struct pasta_logged *l, double *values, double *effective)
{
    double *product = products(l, effective), *x = pasta_malloc((size_t)l->n * sizeof *x), factor = 1;
    memset(values, 0, (size_t)l->n * sizeof *values);
    for (int t = 0; t < l->horizon && product; t++, factor *= l->discount) {
        for (int64_t i = 0; i < l->n; i++)
            x[i] = isnan(reward_at(l, i, t)) ? 0 : reward_at(l, i, t);
        add_normalised(product, x, l->n, l->horizon, t, factor, values);
    }
    if (!product)
        undefined(l, values, effective);
    free(product);
    free(x);
}

void pasta_off_policy_doubly(const struct pasta_logged *l, double *values, double *effective)
{
    double *product = products(l, effective), *x = pasta_malloc((size_t)l->n * sizeof *x), factor = 1;
    struct fit fits[2] = {{0}, {0}};
    for (int half = 0; half < 2 && product; half++)
        fits[half] = fit_half(l, half == EVEN ? ODD : EVEN);
    for (int64_t i = 0; i < l->n && product; i++)
        values[i] = value_at(l, &fits[l->person[i] & 1], i, 0);
    for (int t = 0; t < l->horizon && product; t++, factor *= l->discount) {
        for (int64_t i = 0; i < l->n; i++)
            x[i] = isnan(reward_at(l, i, t)) ? 0 : surprise(l, &fits[l->person[i] & 1], i, t);
        add_normalised(product, x, l->n, l->horizon, t, factor, values);
    }
    if (!product)
        undefined(l, values, effective);
    fit_release(&fits[0]);
    fit_release(&fits[1]);
    free(product);
    free(x);
}
