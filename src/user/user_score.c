/* user_score.c: scores and column utilities in plain C.
 *
 * The text side of a prompt is adapted once for all of a turn's images. Everything is accumulated in double, in index order, so results do
 * not depend on how many threads call at once.
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

/* out [D] = e + out_weight^T silu(in_weight e), scaled to length 1; in_weight, out_weight [W,D]. */
static void adapt(const float *e, const float *in_weight, const float *out_weight, int width, int dim, double *out)
{
    double square = 0;
    for (int d = 0; d < dim; d++)
        out[d] = e[d];
    for (int w = 0; w < width; w++) {
        double h = silu(dot(in_weight + (size_t)w * dim, e, dim));
        const float *row = out_weight + (size_t)w * dim;
        for (int d = 0; d < dim; d++)
            out[d] += h * row[d];
    }
    for (int d = 0; d < dim; d++)
        square += out[d] * out[d];
    double inverse = 1 / sqrt(square);
    for (int d = 0; d < dim; d++)
        out[d] *= inverse;
}

void pasta_user_scores_of_type(const struct pasta_user_model *m, int type, const float *text, const float *const *images, int n,
                               double *out)
{
    int D = m->dim, W = m->width;
    size_t at = (size_t)type * W * D;
    double *b = pasta_malloc(2 * (size_t)D * sizeof *b), *a = b + D;
    adapt(text, m->text_in + at, m->text_out + at, W, D, b);
    for (int i = 0; i < n; i++) {
        adapt(images[i], m->image_in + at, m->image_out + at, W, D, a);
        double cosine = 0;
        for (int d = 0; d < D; d++)
            cosine += a[d] * b[d];
        out[i] = m->scale * cosine + dot(m->taste + (size_t)type * D, images[i], D);
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
