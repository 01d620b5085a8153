/* user_score.c: scores and column utilities in plain C.
 *
 * The text side of a prompt is adapted once for all of a turn's images. The adapters' sums are floats, as in training, all others doubles;
 * each in an order of its own, so results depend neither on threads nor on what is scored together.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
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
    float *hidden, *spare; /* [W,TOGETHER], [TOGETHER,D] scratch */
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

/* Adapted rows of e [n pointers] into out [n,D]. What is left over goes together as well, with a row twice. */
static void adapt(const struct adapter *m, const float *const *e, int n, float *out)
{
    for (int i = 0; i < n; i += TOGETHER) {
        const int left = n - i < TOGETHER ? n - i : TOGETHER;
        float *to = out + (size_t)i * m->dim;
        if (left == 1) {
            adapt_one(m, e + i, to);
        } else if (left == TOGETHER) {
            adapt_together(m, e + i, to);
        } else {
            const float *rows[TOGETHER];
            for (int r = 0; r < TOGETHER; r++)
                rows[r] = e[i + (r < left ? r : 0)];
            adapt_together(m, rows, m->spare);
            memcpy(to, m->spare, (size_t)left * m->dim * sizeof *to);
        }
    }
}

enum { BLOCK = 64 }; /* images that are scored between two readings of all weights */

/* At most BLOCK images, each for a text of its own, of one type: out[i * stride]. A text that is its neighbour's is adapted once. */
static void score_block(const struct pasta_user_model *m, int type, const float *const *texts, const float *const *images, int n, double *out,
                        size_t stride)
{
    const int D = m->dim, W = m->width;
    const size_t at = (size_t)type * W * D;
    const float *distinct[BLOCK];
    int n_distinct = 0, own[BLOCK];
    for (int i = 0; i < n; i++) {
        if (i == 0 || texts[i] != texts[i - 1])
            distinct[n_distinct++] = texts[i];
        own[i] = n_distinct - 1;
    }
    float *a = pasta_malloc(((size_t)(n + n_distinct + TOGETHER) * D + TOGETHER * (size_t)W) * sizeof *a), *b = a + (size_t)n * D;
    float *spare = b + (size_t)n_distinct * D, *hidden = spare + TOGETHER * (size_t)D;
    const struct adapter of_text = {m->text_in + at, m->text_out + at, W, D, hidden, spare};
    const struct adapter of_image = {m->image_in + at, m->image_out + at, W, D, hidden, spare};
    adapt(&of_text, distinct, n_distinct, b);
    adapt(&of_image, images, n, a);
    double bb = 0;
    for (int i = 0; i < n; i++) {
        const float *row = a + (size_t)i * D, *text = b + (size_t)own[i] * D;
        if (i == 0 || own[i] != own[i - 1])
            bb = dot(text, text, D);
        out[i * stride] = m->scale * dot(row, text, D) / sqrt(dot(row, row, D) * bb) + dot(m->taste + (size_t)type * D, images[i], D);
    }
    free(a);
}

void pasta_user_scores_each(const struct pasta_user_model *m, const float *const *texts, const float *const *images, int n, double *out)
{
    for (int first = 0; first < n; first += BLOCK)
        for (int k = 0; k < m->n_types; k++)
            score_block(m, k, texts + first, images + first, n - first < BLOCK ? n - first : BLOCK, out + (size_t)first * m->n_types + k,
                        (size_t)m->n_types);
}

void pasta_user_scores_of_type(const struct pasta_user_model *m, int type, const float *text, const float *const *images, int n,
                               double *out)
{
    const float *texts[BLOCK];
    for (int i = 0; i < BLOCK; i++)
        texts[i] = text;
    for (int first = 0; first < n; first += BLOCK)
        score_block(m, type, texts, images + first, n - first < BLOCK ? n - first : BLOCK, out + first, 1);
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
    size_t n = 0;
    for (int l = 0; l < t->n_columns; l++)
        n += (size_t)t->columns[l].n_images;
    const float **images = pasta_malloc((n + 1) * sizeof *images);
    double *scores = pasta_malloc((n + 1) * (size_t)m->n_types * sizeof *scores);
    pasta_status status = PASTA_OK;
    n = 0;
    for (int l = 0; l < t->n_columns; l++)
        for (int i = 0; i < t->columns[l].n_images && status == PASTA_OK; i++) {
            images[n] = pasta_features_image(features, t->columns[l].images[i].id);
            if (images[n++] == NULL)
                status = pasta_fail(err, PASTA_ERR_INPUT, "session %s: turn %d: expected an image of the feature pack, found '%s'",
                                    session->session_id, turn + 1, t->columns[l].images[i].id);
        }
    if (status == PASTA_OK)
        pasta_user_scores(m, text, images, (int)n, scores);
    for (int k = 0; k < m->n_types && status == PASTA_OK; k++) {
        const double *at = scores + (size_t)k * n;
        for (int l = 0; l < t->n_columns; at += t->columns[l++].n_images)
            out[(size_t)k * t->n_columns + l] = pasta_user_aggregate(m->aggregate, at, t->columns[l].n_images);
    }
    free(images);
    free(scores);
    return status;
}

pasta_status pasta_user_look_up(const struct pasta_features *features, const char *prompt, const char *image, const char *where,
                                const float **text, const float **pixels, struct pasta_err *err)
{
    const float *of_prompt = pasta_features_text(features, prompt), *of_image = pasta_features_image(features, image);
    if (of_prompt == NULL)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: prompt: expected a prompt of the feature pack, found '%.200s'", where, prompt);
    if (of_image == NULL)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: image: expected an image of the feature pack, found '%s'", where, image);
    *text = of_prompt;
    *pixels = of_image;
    return PASTA_OK;
}

pasta_status pasta_user_image_scores(const struct pasta_user_model *m, const struct pasta_features *features, const char *prompt,
                                     const char *image, const char *where, double *out, struct pasta_err *err)
{
    const float *text, *pixels;
    const pasta_status status = pasta_user_look_up(features, prompt, image, where, &text, &pixels, err);
    if (status == PASTA_OK)
        pasta_user_scores(m, text, &pixels, 1, out);
    return status;
}
