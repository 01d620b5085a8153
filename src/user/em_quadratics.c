/* em_quadratics.c: users as quadratics in the taste (em_start.h).
 *
 * The score is linear in the taste, so pairs and choices are logistic regressions on differences of embeddings, ratings a linear one. A
 * user's ratings are centred, so that generous and harsh raters do not become types. Coordinates are the whitened ones (whitening.h).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "em_start.h"
#include "pasta/base/mem.h"

enum { MAX_USERS = 4096, MIN_OBSERVATIONS = 4, NEWTON_STEPS = 6 };

/* --- a little dense algebra ---------------------------------------------------------------------------------------------------------- */

static double dot(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void add_outer(double *h, const double *x, int d, double weight)
{
    for (int i = 0; i < d; i++) {
        double w = weight * x[i];
        for (int j = 0; j < d; j++)
            h[i * d + j] += w * x[j];
    }
}

/* h + ridge I = L L^T; L replaces the lower triangle of h [d,d]. */
static void factorise(double *h, int d, double ridge)
{
    for (int i = 0; i < d; i++)
        h[i * d + i] += ridge;
    for (int i = 0; i < d; i++) {
        for (int j = 0; j <= i; j++) {
            double sum = h[i * d + j] - dot(h + i * d, h + j * d, j);
            h[i * d + j] = i == j ? sqrt(sum) : sum / h[j * d + j];
        }
    }
}

double ridge_solve(double *h, const double *g, int d, double ridge, double *x)
{
    double trace = 0;
    factorise(h, d, ridge);
    for (int i = 0; i < d; i++)
        x[i] = (g[i] - dot(h + i * d, x, i)) / h[i * d + i];
    for (int i = d - 1; i >= 0; i--) {
        double sum = x[i];
        for (int j = i + 1; j < d; j++)
            sum -= h[j * d + i] * x[j];
        x[i] = sum / h[i * d + i];
    }
    /* tr (L L^T)^-1 = |L^-1|^2, a column of L^-1 at a time; the columns go above the diagonal, which is free. */
    for (int c = 0; c < d; c++) {
        double diagonal = 1 / h[c * d + c], *column = h + c * d; /* entry i > c lies in column[i] */
        trace += diagonal * diagonal;
        for (int i = c + 1; i < d; i++) {
            double sum = h[i * d + c] * diagonal;
            for (int j = c + 1; j < i; j++)
                sum += h[i * d + j] * column[j];
            column[i] = -sum / h[i * d + i];
            trace += column[i] * column[i];
        }
    }
    return trace;
}

double quadratic_at(const struct quadratics *q, size_t user, const double *x, double *scratch)
{
    size_t d = (size_t)q->dim;
    const double *g = q->gradient + user * d, *h = q->fisher + user * d * d;
    memset(scratch, 0, d * sizeof *scratch);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            scratch[j] += x[i] * h[i * d + j];
    return dot(g, x, q->dim) - 0.5 * dot(scratch, x, q->dim);
}

/* --- observations ----------------------------------------------------------------------------------------------------------------- */

/* x [d] += weight * whitened coordinates of an image's embedding */
static void add_image(const struct quadratics *q, int32_t image, double weight, double *x)
{
    const struct whitening *w = &q->em->whitening;
    const float *e = q->em->data->image_table + (size_t)image * (size_t)w->dim;
    for (int j = 0; j < q->dim; j++) {
        double sum = 0;
        for (int i = 0; i < w->dim; i++)
            sum += (double)e[i] * w->basis[(size_t)j * w->dim + i];
        x[j] += weight * w->gain[j] * sum;
    }
}

static void observe_pair(struct quadratics *q, const struct obs_pair *p, size_t u, double *x)
{
    memset(x, 0, (size_t)q->dim * sizeof *x);
    add_image(q, p->image[0], 1, x);
    add_image(q, p->image[1], -1, x);
    const double first = em_cosine(q->em->data, p->image[0], p->text), second = em_cosine(q->em->data, p->image[1], p->text);
    double s = q->start->scale * (first - second) + dot(q->common, x, q->dim);
    double prob = 1 / (1 + exp(-s));
    for (int j = 0; j < q->dim; j++)
        q->gradient[u * q->dim + j] += (p->label - prob) * x[j];
    add_outer(q->fisher + u * q->dim * q->dim, x, q->dim, prob * (1 - prob));
}

/* Residual r = gain x.w + noise, both in units of the noise; sums for centring are taken off at the end. */
static void observe_rating(struct quadratics *q, const struct obs_rating *r, size_t u, double *x)
{
    const struct pasta_user_model *s = q->start;
    memset(x, 0, (size_t)q->dim * sizeof *x);
    add_image(q, r->image, s->rating_gain / s->rating_noise, x);
    const double cosine = em_cosine(q->em->data, r->image, r->text);
    double residual = (r->rating - s->rating_offset - s->rating_gain * s->scale * cosine) / s->rating_noise - dot(q->common, x, q->dim);
    for (int j = 0; j < q->dim; j++) {
        q->gradient[u * q->dim + j] += residual * x[j];
        q->sum_x[u * q->dim + j] += x[j];
    }
    add_outer(q->fisher + u * q->dim * q->dim, x, q->dim, 1);
    q->sum_r[u] += residual;
    q->count[u]++;
}

/* A choice among columns, each the mean of its images. */
static void observe_turn(struct quadratics *q, const struct obs_turn *t, size_t u, double *scratch)
{
    const struct pasta_user_data *data = q->em->data;
    double *x = pasta_calloc((size_t)t->count * q->dim + q->dim, sizeof *x), *mean = x + (size_t)t->count * q->dim, *p = scratch;
    double sum = 0, max = -INFINITY;
    for (int l = 0; l < t->count; l++) {
        const struct obs_column *c = &data->columns[t->first + l];
        p[l] = 0;
        for (int i = 0; i < c->count; i++) {
            add_image(q, data->slots[c->first + i], q->start->temperature / c->count, x + (size_t)l * q->dim);
            p[l] += q->start->temperature * q->start->scale * em_cosine(data, data->slots[c->first + i], t->text) / c->count;
        }
        p[l] += dot(q->common, x + (size_t)l * q->dim, q->dim);
        max = fmax(max, p[l]);
    }
    for (int l = 0; l < t->count; l++)
        sum += p[l] = exp(p[l] - max);
    for (int l = 0; l < t->count; l++)
        for (int j = 0; j < q->dim; j++)
            mean[j] += p[l] / sum * x[(size_t)l * q->dim + j];
    for (int l = 0; l < t->count; l++) {
        for (int j = 0; j < q->dim; j++)
            x[(size_t)l * q->dim + j] -= mean[j];
        add_outer(q->fisher + u * q->dim * q->dim, x + (size_t)l * q->dim, q->dim, p[l] / sum);
    }
    for (int j = 0; j < q->dim; j++)
        q->gradient[u * q->dim + j] += x[(size_t)t->choice * q->dim + j];
    free(x);
}

static void observe_all(struct quadratics *q)
{
    const struct pasta_user_data *data = q->em->data;
    size_t d = (size_t)q->dim;
    double *x = pasta_malloc((d + (size_t)data->max_columns) * sizeof *x);
    memset(q->gradient, 0, q->n * d * sizeof *q->gradient);
    memset(q->fisher, 0, q->n * d * d * sizeof *q->fisher);
    memset(q->sum_x, 0, q->n * d * sizeof *q->sum_x);
    memset(q->sum_r, 0, q->n * sizeof *q->sum_r);
    memset(q->count, 0, q->n * sizeof *q->count);
    for (size_t i = 0; i < data->n_pairs; i++)
        if (q->row[data->pairs[i].user] >= 0)
            observe_pair(q, &data->pairs[i], (size_t)q->row[data->pairs[i].user], x);
    for (size_t i = 0; i < data->n_ratings; i++)
        if (q->row[data->ratings[i].user] >= 0)
            observe_rating(q, &data->ratings[i], (size_t)q->row[data->ratings[i].user], x);
    for (size_t i = 0; i < data->n_turns; i++)
        if (q->row[data->turns[i].user] >= 0)
            observe_turn(q, &data->turns[i], (size_t)q->row[data->turns[i].user], x);
    for (size_t u = 0; u < q->n; u++) {
        if (q->count[u] == 0)
            continue;
        add_outer(q->fisher + u * d * d, q->sum_x + u * d, q->dim, -1 / q->count[u]);
        for (size_t j = 0; j < d; j++)
            q->gradient[u * d + j] -= q->sum_r[u] / q->count[u] * q->sum_x[u * d + j];
    }
    free(x);
}

/* The taste that fits everybody, by Newton steps. Its prior variance 1/ridge is fitted too: the mean of the posterior second moments of
 * its entries. */
static void fit_common(struct quadratics *q)
{
    size_t d = (size_t)q->dim;
    double *h = pasta_malloc(d * d * sizeof *h), *g = pasta_malloc(2 * d * sizeof *g), *step = g + d, ridge = 1;
    for (int iteration = 0; iteration < NEWTON_STEPS; iteration++) {
        observe_all(q);
        memset(h, 0, d * d * sizeof *h);
        for (size_t j = 0; j < d; j++)
            g[j] = -ridge * q->common[j];
        for (size_t u = 0; u < q->n; u++) {
            for (size_t j = 0; j < d * d; j++)
                h[j] += q->fisher[u * d * d + j];
            for (size_t j = 0; j < d; j++)
                g[j] += q->gradient[u * d + j];
        }
        double moments = ridge_solve(h, g, q->dim, ridge, step);
        for (size_t j = 0; j < d; j++) {
            q->common[j] += step[j];
            moments += q->common[j] * q->common[j];
        }
        ridge = (double)d / moments;
    }
    observe_all(q);
    free(h);
    free(g);
}

/* --- life ---------------------------------------------------------------------------------------------------------------------------- */

/* Users in training with enough observations, at most MAX_USERS, in order. */
static void choose_users(struct quadratics *q)
{
    const struct pasta_user_data *data = q->em->data;
    int64_t *observations = pasta_calloc(data->users.n, sizeof *observations);
    for (int kind = 0; kind < OBS_KINDS; kind++)
        for (size_t i = 0; i < user_data_count(data, (enum observation_kind)kind); i++)
            observations[user_data_owner(data, (enum observation_kind)kind, i)]++;
    q->row = pasta_malloc(data->users.n * sizeof *q->row);
    for (size_t u = 0; u < data->users.n; u++) {
        bool use = !data->held_out[u] && observations[u] >= MIN_OBSERVATIONS && q->n < MAX_USERS;
        q->row[u] = use ? (int32_t)q->n++ : -1;
    }
    free(observations);
}

void quadratics_init(struct quadratics *q, const struct pasta_em *em, const struct pasta_user_model *start)
{
    *q = (struct quadratics){.em = em, .start = start, .dim = em->whitening.rank};
    choose_users(q);
    size_t d = (size_t)q->dim;
    q->common = pasta_calloc(d, sizeof *q->common);
    q->gradient = pasta_malloc(q->n * d * sizeof *q->gradient);
    q->fisher = pasta_malloc(q->n * d * d * sizeof *q->fisher);
    q->sum_x = pasta_malloc(q->n * d * sizeof *q->sum_x);
    q->sum_r = pasta_malloc(q->n * sizeof *q->sum_r);
    q->count = pasta_malloc(q->n * sizeof *q->count);
    fit_common(q);
}

void quadratics_release(struct quadratics *q)
{
    free(q->row);
    free(q->common);
    free(q->gradient);
    free(q->fisher);
    free(q->sum_x);
    free(q->sum_r);
    free(q->count);
}

void quadratics_lift(const struct quadratics *q, const double *x, float *taste)
{
    const struct whitening *w = &q->em->whitening;
    for (int i = 0; i < w->dim; i++) {
        double sum = 0;
        for (int j = 0; j < q->dim; j++)
            sum += w->basis[(size_t)j * w->dim + i] * (q->common[j] + x[j]);
        taste[i] = (float)sum;
    }
}
