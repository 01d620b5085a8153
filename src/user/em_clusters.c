/* em_clusters.c: a start for the tastes, found by clustering users.
 *
 * From random tastes EM often ends where two true types share one component and a third is split. On the users' quadratics (em_start.h)
 * both EM steps are closed form: gamma_u(k) from L_u(x_k), then x_k = (sum_u gamma H_u + ridge I)^-1 sum_u gamma g_u. So many random
 * starts, each seeded in the manner of k-means++ with users whom the types so far explain worst, cost less than a few steps of training,
 * and the one of the highest likelihood wins. The ridge, the inverse prior variance of the tastes, is fitted to the data by a run of its
 * own (empirical Bayes): it decides how alike types are where people said little.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "em_start.h"
#include "pasta/base/mem.h"
#include "pasta/base/rng.h"
#include "pasta/base/threads.h"

enum { STARTS = 16, ITERATIONS = 30 };

/* [K,d], [K], [n,K]; ridge: inverse prior variance of a taste's entries */
struct solution { double *taste, *prior, *gamma, objective, ridge; };
struct workspace { double *memory, *h, *g, *best, *gain; }; /* [d,d], [2d], [n], [n] */
struct search {
    const struct quadratics *q;
    int K;
    double ridge;
    double *own, *self;          /* [n,d], [n] */
    struct solution *solutions;  /* [STARTS] */
};

static struct workspace workspace_new(const struct quadratics *q)
{
    size_t d = (size_t)q->dim;
    struct workspace w = {.memory = pasta_malloc((d * d + 2 * d + 2 * q->n) * sizeof(double))};
    w.h = w.memory, w.g = w.h + d * d, w.best = w.g + 2 * d, w.gain = w.best + q->n;
    return w;
}

/* Every user's own ridge estimate of the taste, and how much better than the common taste it explains the user. */
static void own_tastes(struct search *s)
{
    const struct quadratics *q = s->q;
    size_t d = (size_t)q->dim;
    struct workspace w = workspace_new(q);
    for (size_t u = 0; u < q->n; u++) {
        memcpy(w.h, q->fisher + u * d * d, d * d * sizeof *w.h);
        ridge_solve(w.h, q->gradient + u * d, q->dim, s->ridge, s->own + u * d);
        s->self[u] = quadratic_at(q, u, s->own + u * d, w.g);
    }
    free(w.memory);
}

/* Seeds tastes with single users', each drawn in proportion to what the seeds so far leave unexplained. */
static void seed_tastes(const struct search *search, struct pasta_rng *rng, struct workspace *w, struct solution *s)
{
    const struct quadratics *q = search->q;
    size_t d = (size_t)q->dim;
    memset(w->best, 0, q->n * sizeof *w->best);
    for (int k = 0; k < search->K; k++) {
        double sum = 0;
        for (size_t u = 0; u < q->n; u++)
            sum += w->gain[u] = fmax(search->self[u] - w->best[u], 0);
        size_t pick = sum > 0 ? (size_t)pasta_rng_categorical(rng, w->gain, (int)q->n) : pasta_rng_below(rng, (uint32_t)q->n);
        memcpy(s->taste + (size_t)k * d, search->own + pick * d, d * sizeof *search->own);
        for (size_t u = 0; u < q->n; u++)
            w->best[u] = fmax(w->best[u], quadratic_at(q, u, s->taste + (size_t)k * d, w->g));
        s->prior[k] = 1.0 / search->K;
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
    return (struct solution){.taste = pasta_calloc((size_t)K * (size_t)q->dim, sizeof(double)),
                             .prior = pasta_calloc((size_t)K, sizeof(double)), .gamma = pasta_calloc(q->n * (size_t)K, sizeof(double)),
                             .objective = -INFINITY};
}

static void solution_free(struct solution *s)
{
    free(s->taste);
    free(s->prior);
    free(s->gamma);
}

/* EM from the seeds of one start. With `fit`, the ridge follows the tastes. */
static void run_em(const struct search *search, uint32_t start, bool fit, struct solution *s)
{
    struct workspace w = workspace_new(search->q);
    struct pasta_rng rng = pasta_rng_at(search->q->em->seed, PASTA_RNG_INIT, start, 3, 0);
    s->ridge = search->ridge;
    seed_tastes(search, &rng, &w, s);
    for (int i = 0; i < ITERATIONS; i++) {
        e_step(search->q, search->K, &w, s);
        double ridge = m_step(search->q, search->K, &w, s);
        s->ridge = fit ? ridge : s->ridge;
    }
    e_step(search->q, search->K, &w, s);
    free(w.memory);
}

static pasta_status run_start(void *ctx, int64_t start, int worker, struct pasta_err *err)
{
    const struct search *search = ctx;
    (void)worker;
    (void)err;
    run_em(search, (uint32_t)start + 1, false, &search->solutions[start]);
    return PASTA_OK;
}

/* The best of STARTS runs of EM, with the ridge that a run before them fitted. Among equals the first wins, whatever the threads. */
static pasta_status best_of(const struct quadratics *q, int K, int threads, struct solution *best, struct pasta_err *err)
{
    struct search search = {.q = q, .K = K, .ridge = 1, .solutions = pasta_calloc(STARTS, sizeof *search.solutions)};
    search.own = pasta_malloc(q->n * (size_t)q->dim * sizeof *search.own);
    search.self = pasta_malloc(q->n * sizeof *search.self);
    for (int i = 0; i < STARTS; i++)
        search.solutions[i] = solution_new(q, K);
    own_tastes(&search);
    run_em(&search, 0, true, &search.solutions[0]);
    search.ridge = search.solutions[0].ridge;
    own_tastes(&search);
    pasta_status status = pasta_parallel_for(STARTS, threads, run_start, &search, err);
    int winner = 0;
    for (int i = 1; i < STARTS; i++)
        winner = search.solutions[i].objective > search.solutions[winner].objective ? i : winner;
    *best = search.solutions[winner];
    for (int i = 0; i < STARTS; i++)
        if (i != winner)
            solution_free(&search.solutions[i]);
    free(search.solutions);
    free(search.own);
    free(search.self);
    return status;
}

pasta_status em_clusters(const struct pasta_em *em, int threads, struct pasta_user_model *start, bool *found, struct pasta_err *err)
{
    int K = em->n_types;
    struct quadratics q;
    pasta_status status = PASTA_OK;
    quadratics_init(&q, em, start);
    *found = q.n >= 2 * (size_t)K;
    if (*found) {
        struct solution best;
        status = best_of(&q, K, threads, &best, err);
        for (int k = 0; k < K; k++) {
            quadratics_lift(&q, best.taste + (size_t)k * (size_t)q.dim, start->taste + (size_t)k * (size_t)em->data->dim);
            start->prior[k] = best.prior[k];
        }
        solution_free(&best);
    }
    quadratics_release(&q);
    return status;
}
