/* em_reseed.c: dead and duplicate types begin anew, as somebody whom the living ones explain worst.
 *
 * On the users' quadratics (em_start.h), with b_u the best of the living types and L_u(x) the candidate's,
 *
 *     gain(x) = sum_u log((1 - 1/K) + exp(L_u(x) - b_u) / K) - ridge |x|^2 / 2
 *
 * is climbed by a few EM steps from the own tastes of a few users, drawn in proportion to what b_u leaves unexplained of them. The best
 * one becomes the type if it is worth its d numbers by the Bayesian information criterion, gain > d/2 log n; so where K is too large for
 * the data, a duplicate stays one instead of being moved about.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "em_start.h"
#include "pasta/base/mem.h"
#include "pasta/base/rng.h"

enum { TRIES = 8, ITERATIONS = 10 };

struct search {
    struct quadratics q;
    int K;
    double ridge;
    double *best, *left;    /* [n] of the living types; what they leave unexplained */
    double *own;            /* [n,d] users' own tastes */
    double *h, *g, *x;      /* [d,d], [d], [d] */
};

static double *new_doubles(size_t n) { return pasta_calloc(n, sizeof(double)); }

/* Coordinates around the common taste of every type's taste: out [K,d]. */
static void place_types(const struct search *s, const float *taste, double *out)
{
    const struct whitening *w = &s->q.em->whitening;
    for (int k = 0; k < s->K; k++)
        for (int j = 0; j < s->q.dim; j++) {
            double sum = -s->q.common[j];
            for (int i = 0; i < w->dim; i++)
                sum += w->basis[(size_t)j * w->dim + i] * taste[(size_t)k * w->dim + i];
            out[k * s->q.dim + j] = sum;
        }
}

static void search_init(struct search *s, const struct pasta_em *em, const struct pasta_user_model *heads)
{
    *s = (struct search){.K = em->n_types};
    quadratics_init(&s->q, em, heads);
    size_t n = s->q.n, d = (size_t)s->q.dim;
    s->best = new_doubles(n), s->left = new_doubles(n), s->own = new_doubles(n * d);
    s->h = new_doubles(d * d), s->g = new_doubles(d), s->x = new_doubles(d);
}

static void search_release(struct search *s)
{
    quadratics_release(&s->q);
    double *all[] = {s->best, s->left, s->own, s->h, s->g, s->x};
    for (int i = 0; i < 6; i++)
        free(all[i]);
}

/* The living types' tastes: how well they explain every user, and the ridge (inverse variance) that they speak for. */
static void explain(struct search *s, const double *tastes, const struct pasta_em_type *types)
{
    int d = s->q.dim, living = 0;
    double squares = 0;
    for (size_t u = 0; u < s->q.n; u++)
        s->best[u] = 0; /* the common taste */
    for (int k = 0; k < s->K; k++) {
        if (types[k].dead || types[k].duplicate_of >= 0)
            continue;
        living++;
        for (int j = 0; j < d; j++)
            squares += tastes[k * d + j] * tastes[k * d + j];
        for (size_t u = 0; u < s->q.n; u++)
            s->best[u] = fmax(s->best[u], quadratic_at(&s->q, u, tastes + k * d, s->g));
    }
    s->ridge = fmin(fmax(living * d / fmax(squares, 1e-9), 1e-3), 1e3);
    for (size_t u = 0; u < s->q.n; u++) {
        memcpy(s->h, s->q.fisher + u * (size_t)(d * d), (size_t)(d * d) * sizeof *s->h);
        ridge_solve(s->h, s->q.gradient + u * (size_t)d, d, s->ridge, s->own + u * (size_t)d);
    }
}

/* Gain of the taste x; *gamma, where not NULL, [n] takes the users' responsibilities. */
static double gain_of(const struct search *s, const double *x, double *gamma)
{
    double rest = 1 - 1.0 / s->K, gain = 0;
    for (int j = 0; j < s->q.dim; j++)
        gain -= 0.5 * s->ridge * x[j] * x[j];
    for (size_t u = 0; u < s->q.n; u++) {
        double more = fmin(quadratic_at(&s->q, u, x, s->g) - s->best[u], 600), odds = exp(more) / s->K;
        gain += log(rest + odds);
        gamma[u] = odds / (rest + odds);
    }
    return gain;
}

static void climb(const struct search *s, double *x, double *gamma)
{
    size_t d = (size_t)s->q.dim;
    for (int i = 0; i < ITERATIONS; i++) {
        gain_of(s, x, gamma);
        memset(s->h, 0, d * d * sizeof *s->h);
        double *g = s->x;
        memset(g, 0, d * sizeof *g);
        for (size_t u = 0; u < s->q.n; u++) {
            if (gamma[u] < 1e-6)
                continue;
            for (size_t j = 0; j < d * d; j++)
                s->h[j] += gamma[u] * s->q.fisher[u * d * d + j];
            for (size_t j = 0; j < d; j++)
                g[j] += gamma[u] * s->q.gradient[u * d + j];
        }
        ridge_solve(s->h, g, s->q.dim, s->ridge, x);
    }
}

/* The best of some candidates into x [d]; false where none is worth its numbers. */
static bool find_somebody(struct search *s, struct pasta_rng *rng, double *x)
{
    size_t n = s->q.n, d = (size_t)s->q.dim;
    double *candidate = new_doubles(d), *gamma = new_doubles(n), best = 0.5 * (double)d * log((double)n), unexplained = 0;
    bool found = false;
    for (size_t u = 0; u < n; u++)
        unexplained += s->left[u] = fmax(quadratic_at(&s->q, u, s->own + u * d, s->g) - s->best[u], 0);
    for (int t = 0; t < TRIES && unexplained > 0; t++) {
        memcpy(candidate, s->own + (size_t)pasta_rng_categorical(rng, s->left, (int)n) * d, d * sizeof *candidate);
        climb(s, candidate, gamma);
        double gain = gain_of(s, candidate, gamma);
        if (gain > best) {
            best = gain;
            found = true;
            memcpy(x, candidate, d * sizeof *x);
        }
    }
    free(candidate);
    free(gamma);
    return found;
}

/* Row `type` of a parameter or of its optimiser state [K,...]: `values`, or zeros. */
static void set_row(pt tensor, int type, const float *values)
{
    int64_t shape[4], rank = pt_rank(tensor), row = pt_numel(tensor) / pt_size(tensor, 0);
    float *all = pasta_malloc((size_t)pt_numel(tensor) * sizeof *all);
    for (int d = 0; d < rank; d++)
        shape[d] = pt_size(tensor, d);
    pt_copy_f32(tensor, all);
    for (int64_t i = 0; i < row; i++)
        all[type * row + i] = values != NULL ? values[i] : 0;
    pt_set(tensor, pt_from_f32(all, (int)rank, shape));
    free(all);
}

/* The type gets the taste, adapters that do nothing, no momentum, and an even share of the prior. */
static pasta_status begin_type(struct pasta_em *em, int type, const float *taste, struct pasta_err *err)
{
    pt_scope_open();
    bool grad = pt_grad_enable(false);
    set_row(pasta_params_get(&em->online.params, "taste"), type, taste);
    static const char *const second[] = {"image_adapter.out", "text_adapter.out"};
    for (int i = 0; i < 2; i++)
        if (pasta_params_get(&em->online.params, second[i]) != NULL)
            set_row(pasta_params_get(&em->online.params, second[i]), type, NULL);
    const struct pasta_params *state = pasta_optim_state(em->optim);
    for (int i = 0; i < state->n; i++)
        if (pt_rank(state->items[i].tensor) > 1)
            set_row(state->items[i].tensor, type, NULL);
    pt_grad_enable(grad);
    em->prior[type] = 1.0 / em->n_types;
    double sum = 0;
    for (int k = 0; k < em->n_types; k++)
        sum += em->prior[k];
    for (int k = 0; k < em->n_types; k++)
        em->prior[k] /= sum;
    em->reseeded++;
    return pt_scope_close(err);
}

static pasta_status reseed(struct pasta_em *em, struct pasta_em_type *types, struct pasta_err *err)
{
    struct pasta_user_model *now = NULL;
    struct search s;
    pasta_status status = pasta_em_model(em, &now, err);
    if (status != PASTA_OK)
        return status;
    search_init(&s, em, now);
    pasta_user_model_free(now);
    size_t d = (size_t)s.q.dim, D = (size_t)em->data->dim;
    float *taste = pasta_malloc((size_t)em->n_types * D * sizeof *taste);
    double *places = new_doubles((size_t)em->n_types * d);
    pt_scope_open();
    pt_copy_f32(pasta_params_get(&em->online.params, "taste"), taste);
    status = pt_scope_close(err);
    if (status == PASTA_OK && s.q.n >= 2) {
        place_types(&s, taste, places);
        for (int k = 0; k < em->n_types && status == PASTA_OK && em->reseeded < em->settings->reseed; k++) {
            if (!types[k].dead && types[k].duplicate_of < 0)
                continue;
            explain(&s, places, types);
            struct pasta_rng rng = pasta_rng_at(em->seed, PASTA_RNG_INIT, (uint32_t)em->position, 4, (uint32_t)k);
            if (!find_somebody(&s, &rng, places + (size_t)k * d))
                break;
            quadratics_lift(&s.q, places + (size_t)k * d, taste);
            status = begin_type(em, k, taste, err);
            types[k].dead = false;
            types[k].duplicate_of = -1;
        }
    }
    free(taste);
    free(places);
    search_release(&s);
    return status;
}

pasta_status em_reseed(struct pasta_em *em, enum em_phase phase, int64_t step, struct pasta_em_metrics *out, struct pasta_err *err)
{
    if (em->reseeded >= em->settings->reseed || step == 0 || 2 * step > em_phase_steps(em, phase))
        return PASTA_OK;
    struct pasta_em_type *types = pasta_calloc((size_t)em->n_types, sizeof *types);
    int64_t before = em->reseeded;
    pasta_status status = em_types(em, em->evidence, types, err);
    if (status == PASTA_OK) {
        out->dead_types = out->duplicate_types = 0;
        for (int k = 0; k < em->n_types; k++) {
            out->dead_types += types[k].dead;
            out->duplicate_types += types[k].duplicate_of >= 0;
        }
        if (out->dead_types + out->duplicate_types > 0)
            status = reseed(em, types, err);
        out->reseeded_types = (double)(em->reseeded - before);
    }
    free(types);
    return status;
}
