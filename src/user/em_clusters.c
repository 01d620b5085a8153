/* em_clusters.c: a start for the tastes, found by clustering users.
 *
 * From random tastes EM often ends where two true types share one component and a third is split. On the users' quadratics (em_start.h) both EM steps are
 * closed form: gamma_u(k) from L_u(x_k), then x_k = (sum_u gamma H_u + ridge I)^-1 sum_u gamma g_u. So many random starts, each seeded in the manner of
 * k-means++ with users whom the types so far explain worst, cost less than a few steps of training, and the one of the highest likelihood wins. The ridge, the
 * inverse prior variance of the tastes, is fitted to the data by a run of its own (empirical Bayes): it decides how alike types are where people said little.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "em_start.h"
#include "pasta/base/mem.h"
#include "pasta/base/rng.h"

enum { STARTS = 16, ITERATIONS = 30 };

struct solution { double *taste, *prior, *gamma, objective, ridge; }; /* [K,d], [K], [n,K]; ridge: inverse prior variance of a taste's entries */
struct workspace { double *h, *g, *own, *best, *self, *gain; }; /* [d,d], [2d], [n,d], [n], [n], [n] */

/* Every user's own ridge estimate of the taste, and how much better than the common taste it explains the user. */
static void own_tastes(const struct quadratics *q, double ridge, struct workspace *w)
{
    size_t d = (size_t)q->dim;
    for (size_t u = 0; u < q->n; u++) {
        memcpy(w->h, q->fisher + u * d * d, d * d * sizeof *w->h);
        ridge_solve(w->h, q->gradient + u * d, q->dim, ridge, w->own + u * d);
        w->self[u] = quadratic_at(q, u, w->own + u * d, w->g);
    }
}

/* Seeds tastes with single users', each drawn in proportion to what the seeds so far leave unexplained. */
static void seed_tastes(const struct quadratics *q, int K, struct pasta_rng *rng, struct workspace *w, struct solution *s)
{
    size_t d = (size_t)q->dim;
    memset(w->best, 0, q->n * sizeof *w->best);
    for (int k = 0; k < K; k++) {
        double sum = 0;
        for (size_t u = 0; u < q->n; u++)
            sum += w->gain[u] = fmax(w->self[u] - w->best[u], 0);
        size_t pick = sum > 0 ? (size_t)pasta_rng_categorical(rng, w->gain, (int)q->n) : pasta_rng_below(rng, (uint32_t)q->n);
        memcpy(s->taste + (size_t)k * d, w->own + pick * d, d * sizeof *w->own);
        for (size_t u = 0; u < q->n; u++)
            w->best[u] = fmax(w->best[u], quadratic_at(q, u, s->taste + (size_t)k * d, w->g));
        s->prior[k] = 1.0 / K;
    }
}

static void e_step(const struct quadratics *q, int K, struct workspace *w, struct solution *s)
{
    size_t d = (size_t)q->dim;
    s->objective = 0;
    for (size_t i = 0; i < (size_t)K * d; i++)
        s->objective -= 0.5 * s->ridge * s->taste[i] * s->taste[i];
    for (size_t u = 0; u < q->n; u++) {
        double *gamma = s->gamma + u * (size_t)K, max = -INFINITY, sum = 0;
        for (int k = 0; k < K; k++) {
            gamma[k] = log(s->prior[k]) + quadratic_at(q, u, s->taste + (size_t)k * d, w->g);
            max = fmax(max, gamma[k]);
        }
        for (int k = 0; k < K; k++)
            sum += gamma[k] = exp(gamma[k] - max);
        for (int k = 0; k < K; k++)
            gamma[k] /= sum;
        s->objective += max + log(sum);
    }
}

/* Returns the ridge that the tastes found ask for: one over the mean of the posterior second moments of their entries. */
static double m_step(const struct quadratics *q, int K, struct workspace *w, struct solution *s)
{
    size_t d = (size_t)q->dim;
    double moments = 0;
    for (int k = 0; k < K; k++) {
        double mass = 0;
        memset(w->h, 0, d * d * sizeof *w->h);
        memset(w->g, 0, d * sizeof *w->g);
        for (size_t u = 0; u < q->n; u++) {
            double gamma = s->gamma[u * (size_t)K + (size_t)k];
            mass += gamma;
            if (gamma < 1e-6)
                continue;
            for (size_t j = 0; j < d * d; j++)
                w->h[j] += gamma * q->fisher[u * d * d + j];
            for (size_t j = 0; j < d; j++)
                w->g[j] += gamma * q->gradient[u * d + j];
        }
        double *taste = s->taste + (size_t)k * d;
        moments += ridge_solve(w->h, w->g, q->dim, s->ridge, taste);
        for (size_t j = 0; j < d; j++)
            moments += taste[j] * taste[j];
        s->prior[k] = (mass + 1) / ((double)q->n + K); /* one user more for every type, so that none starts dead */
    }
    return (double)K * (double)d / moments;
}

static struct solution solution_new(const struct quadratics *q, int K)
{
    return (struct solution){.taste = pasta_calloc((size_t)K * (size_t)q->dim, sizeof(double)), .prior = pasta_calloc((size_t)K, sizeof(double)),
                             .gamma = pasta_calloc(q->n * (size_t)K, sizeof(double)), .objective = -INFINITY};
}

static void solution_free(struct solution *s)
{
    free(s->taste);
    free(s->prior);
    free(s->gamma);
}

/* The best of STARTS runs of EM. */
static struct solution best_of(const struct quadratics *q, int K)
{
    size_t d = (size_t)q->dim, n = q->n;
    double *memory = pasta_malloc((d * d + 2 * d + n * d + 3 * n) * sizeof *memory);
    struct workspace w = {.h = memory};
    w.g = w.h + d * d, w.own = w.g + 2 * d, w.best = w.own + n * d, w.self = w.best + n, w.gain = w.self + n;
    struct solution best = solution_new(q, K), now = solution_new(q, K);
    best.ridge = now.ridge = 1;
    for (int start = -1; start < STARTS; start++) { /* the first run is to fit the ridge */
        struct pasta_rng rng = pasta_rng_at(q->em->seed, PASTA_RNG_INIT, (uint32_t)(start + 1), 3, 0);
        if (start <= 0)
            own_tastes(q, now.ridge, &w);
        seed_tastes(q, K, &rng, &w, &now);
        for (int i = 0; i < ITERATIONS; i++) {
            e_step(q, K, &w, &now);
            double ridge = m_step(q, K, &w, &now);
            now.ridge = start < 0 ? ridge : now.ridge;
        }
        if (start < 0) {
            best.ridge = now.ridge;
            continue;
        }
        e_step(q, K, &w, &now);
        if (now.objective > best.objective) {
            struct solution t = best;
            best = now;
            now = t;
        }
    }
    solution_free(&now);
    free(memory);
    return best;
}

bool em_clusters(const struct pasta_em *em, struct pasta_user_model *start)
{
    int K = em->n_types;
    struct quadratics q;
    quadratics_init(&q, em, start);
    bool enough = q.n >= 2 * (size_t)K;
    if (enough) {
        struct solution best = best_of(&q, K);
        for (int k = 0; k < K; k++) {
            quadratics_lift(&q, best.taste + (size_t)k * (size_t)q.dim, start->taste + (size_t)k * (size_t)em->data->dim);
            start->prior[k] = best.prior[k];
        }
        solution_free(&best);
    }
    quadratics_release(&q);
    return enough;
}
