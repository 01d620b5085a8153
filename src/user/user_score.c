/* user_score.c: scores and column utilities in plain C.
 *
 * The text side of a prompt is adapted once for all of a turn's images. The adapters' sums are floats, as in training, all others doubles;
 * each in an order of its own, so results depend neither on threads nor on what is scored together.
 */
#include <math.h>
#include <stdlib.h>
#include "pasta/base/mem.h"
#include "pasta/user/user_model.h"

/* Four sums side by side, in a fixed order: one would wait for its own last addition. */
static double dot(const float *a, const float *b, int n)
{
    double sum[4] = {0};
    int i = 0;
    for (; i + 4 <= n; i += 4)
        for (int j = 0; j < 4; j++)
            sum[j] += (double)a[i + j] * b[i + j];
    for (; i < n; i++)
        sum[0] += (double)a[i] * b[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static double silu(double x)
{
    return x / (1 + exp(-x));
}

/* --- adapters: out [n,D] = e + U^T silu(V e) for rows e; V and U^T are `in` and `out_weight`, [W,D] ------------------------------------- */

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

/* Rows that share a pass over the weights, and numbers in a vector, which is GCC's: a row's sums are in the same order whatever the
 * processor, and whichever rows go with it. */
enum { TOGETHER = 4, LANES = 16 };
typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define VEC(pointer) (*(const vec *)(pointer))

struct adapter {
    const float *in, *out;
    int width, dim;
    float *hidden; /* [W,TOGETHER] scratch */
};

static inline __attribute__((always_inline)) void hide(const struct adapter *m, const int n, const float *const *e)
{
    const int D = m->dim;
    for (int w = 0; w < m->width; w++) {
        const float *row = m->in + (size_t)w * D;
        vec lanes[TOGETHER] = {{0}};
        int i = 0;
        for (; i + LANES <= D; i += LANES)
#pragma GCC unroll 4
            for (int r = 0; r < n; r++)
                lanes[r] += VEC(row + i) * VEC(e[r] + i);
        for (int r = 0; r < n; r++) {
            double sum = 0;
            for (int j = 0; j < LANES; j++)
                sum += lanes[r][j];
            for (int d = i; d < D; d++)
                sum += (double)row[d] * e[r][d];
            m->hidden[w * TOGETHER + r] = (float)silu(sum);
        }
    }
}

static inline __attribute__((always_inline)) void show(const struct adapter *m, const int n, const float *const *e, float *out)
{
    const size_t D = (size_t)m->dim;
    size_t at = 0;
    for (; at + LANES <= D; at += LANES) {
        vec sum[TOGETHER];
#pragma GCC unroll 4
        for (int r = 0; r < n; r++)
            sum[r] = VEC(e[r] + at);
        for (int w = 0; w < m->width; w++) {
            const vec row = VEC(m->out + w * D + at);
#pragma GCC unroll 4
            for (int r = 0; r < n; r++)
                sum[r] += m->hidden[w * TOGETHER + r] * row;
        }
#pragma GCC unroll 4
        for (int r = 0; r < n; r++)
            *(vec *)(out + r * D + at) = sum[r];
    }
    for (; at < D; at++)
        for (int r = 0; r < n; r++) {
            float sum = e[r][at];
            for (int w = 0; w < m->width; w++)
                sum += m->hidden[w * TOGETHER + r] * m->out[w * D + at];
            out[r * D + at] = sum;
        }
}

FOR_EACH_PROCESSOR static void adapt_together(const struct adapter *m, const float *const *e, float *out)
{
    hide(m, TOGETHER, e);
    show(m, TOGETHER, e, out);
}

FOR_EACH_PROCESSOR static void adapt_one(const struct adapter *m, const float *const *e, float *out)
{
    hide(m, 1, e);
    show(m, 1, e, out);
}

void pasta_user_scores_of_type(const struct pasta_user_model *m, int type, const float *text, const float *const *images, int n,
                               double *out)
{
    const int D = m->dim, W = m->width;
    const size_t at = (size_t)type * W * D;
    float *b = pasta_malloc(((1 + TOGETHER) * (size_t)D + TOGETHER * (size_t)W) * sizeof *b), *a = b + D, *hidden = a + TOGETHER * (size_t)D;
    const struct adapter of_text = {m->text_in + at, m->text_out + at, W, D, hidden};
    const struct adapter of_image = {m->image_in + at, m->image_out + at, W, D, hidden};
    adapt_one(&of_text, &text, b);
    const double bb = dot(b, b, D);
    for (int i = 0, together; i < n; i += together) {
        together = n - i >= TOGETHER ? TOGETHER : 1;
        (together > 1 ? adapt_together : adapt_one)(&of_image, images + i, a);
        for (int r = 0; r < together; r++) {
            const float *row = a + (size_t)r * D;
            out[i + r] = m->scale * dot(row, b, D) / sqrt(dot(row, row, D) * bb) + dot(m->taste + (size_t)type * D, images[i + r], D);
        }
    }
    free(b);
}

void pasta_user_scores(const struct pasta_user_model *m, const float *text, const float *const *images, int n, double *out)
{
    for (int k = 0; k < m->n_types; k++)
        pasta_user_scores_of_type(m, k, text, images, n, out + (size_t)k * n);
}

double pasta_user_aggregate(enum pasta_aggregate aggregate, const double *scores, int n)
{
    double max = scores[0], sum = 0;
    for (int i = 1; i < n; i++)
        max = scores[i] > max ? scores[i] : max;
    if (aggregate == PASTA_AGG_MAX)
        return max;
    for (int i = 0; i < n; i++)
        sum += aggregate == PASTA_AGG_MEAN ? scores[i] : exp(scores[i] - max);
    return aggregate == PASTA_AGG_MEAN ? sum / n : max + log(sum / n);
}

pasta_status pasta_user_turn_utilities(const struct pasta_user_model *m, const struct pasta_features *features,
                                       const struct pasta_session *session, int turn, double *out, struct pasta_err *err)
{
    const struct pasta_turn *t = &session->turns[turn];
    const float *text = pasta_features_text(features, session->initial_prompt);
    if (text == NULL)
        return pasta_fail(err, PASTA_ERR_INPUT, "session %s: initial_prompt: expected a prompt of the feature pack, found '%.200s'",
                          session->session_id, session->initial_prompt);
    pasta_status status = PASTA_OK;
    const float **images = NULL;
    double *scores = NULL;
    size_t image_capacity = 0, score_capacity = 0;
    for (int l = 0; l < t->n_columns && status == PASTA_OK; l++) {
        const struct pasta_column *column = &t->columns[l];
        size_t n = (size_t)column->n_images;
        PASTA_GROW(images, n, image_capacity);
        PASTA_GROW(scores, n * (size_t)m->n_types, score_capacity);
        for (size_t i = 0; i < n && status == PASTA_OK; i++) {
            images[i] = pasta_features_image(features, column->images[i].id);
            if (images[i] == NULL)
                status = pasta_fail(err, PASTA_ERR_INPUT, "session %s: turn %d: expected an image of the feature pack, found '%s'",
                                    session->session_id, turn + 1, column->images[i].id);
        }
        if (status != PASTA_OK)
            break;
        pasta_user_scores(m, text, images, (int)n, scores);
        for (int k = 0; k < m->n_types; k++)
            out[(size_t)k * t->n_columns + l] = pasta_user_aggregate(m->aggregate, scores + (size_t)k * n, (int)n);
    }
    free(images);
    free(scores);
    return status;
}

pasta_status pasta_user_image_scores(const struct pasta_user_model *m, const struct pasta_features *features, const char *prompt,
                                     const char *image, const char *where, double *out, struct pasta_err *err)
{
    const float *text = pasta_features_text(features, prompt), *pixels = pasta_features_image(features, image);
    if (text == NULL)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: prompt: expected a prompt of the feature pack, found '%.200s'", where, prompt);
    if (pixels == NULL)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: image: expected an image of the feature pack, found '%s'", where, image);
    pasta_user_scores(m, text, &pixels, 1, out);
    return PASTA_OK;
}
