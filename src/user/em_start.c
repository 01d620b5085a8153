/* em_start.c: where training starts.
 *
 * The score starts as scale * cos(e_I, e_p), the encoder's own. Its scale is the maximum-likelihood one on the training pairs (a logistic
 * regression on one variable: concave, solved by Newton's method), the rating head is the least-squares line. So the first steps are spent
 * on tastes and not on units, whatever logit scale the encoder was trained with. Tastes come from clusters of the users, or at random.
 */
#include <math.h>
#include <string.h>
#include "em_start.h"
#include "pasta/base/rng.h"

#define SCALE_MIN 1.0   /* an encoder that disagrees with the raters still starts with its own sign */
#define SCALE_MAX 100.0 /* CLIP's own largest logit scale */
#define TASTE_DEVIATION 0.1 /* of the entries of random tastes */

double em_cosine(const struct pasta_user_data *data, int32_t image, int32_t text)
{
    const float *a = data->image_table + (size_t)image * (size_t)data->dim, *b = data->text_table + (size_t)text * (size_t)data->dim;
    double ab = 0, aa = 0, bb = 0;
    for (int d = 0; d < data->dim; d++) {
        ab += (double)a[d] * b[d];
        aa += (double)a[d] * a[d];
        bb += (double)b[d] * b[d];
    }
    return ab / sqrt(aa * bb);
}

/* argmax over c of sum y log sigmoid(c d) + (1-y) log sigmoid(-c d), d the difference of the cosines. */
static double pair_scale(const struct pasta_em *em)
{
    const struct pasta_user_data *data = em->data;
    double scale = SCALE_MIN;
    for (int iteration = 0; iteration < 30; iteration++) {
        double slope = 0, curvature = 1e-9;
        for (size_t i = 0; i < em->order[OBS_PAIR].n; i++) {
            const struct obs_pair *p = &data->pairs[em->order[OBS_PAIR].train[i]];
            double d = em_cosine(data, p->image[0], p->text) - em_cosine(data, p->image[1], p->text), prob = 1 / (1 + exp(-scale * d));
            slope += (p->label - prob) * d;
            curvature += prob * (1 - prob) * d * d;
        }
        double next = fmin(fmax(scale + slope / curvature, SCALE_MIN), SCALE_MAX);
        if (fabs(next - scale) < 1e-6 * scale)
            break;
        scale = next;
    }
    return scale;
}

/* The least-squares line of the ratings on the score, and its residual deviation. */
static void rating_line(const struct pasta_em *em, struct pasta_user_model *start)
{
    const struct pasta_user_data *data = em->data;
    double n = (double)em->order[OBS_RATING].n, sx = 0, sy = 0, sxx = 0, sxy = 0, syy = 0;
    if (n < 3)
        return;
    for (size_t i = 0; i < em->order[OBS_RATING].n; i++) {
        const struct obs_rating *r = &data->ratings[em->order[OBS_RATING].train[i]];
        double x = start->scale * em_cosine(data, r->image, r->text), y = r->rating;
        sx += x, sy += y, sxx += x * x, sxy += x * y, syy += y * y;
    }
    double vx = sxx / n - sx / n * (sx / n), vy = syy / n - sy / n * (sy / n), cov = sxy / n - sx / n * (sy / n);
    start->rating_gain = fmin(fmax(vx > 0 ? cov / vx : 0, 0.02), 1);
    start->rating_offset = sy / n - start->rating_gain * sx / n;
    start->rating_noise = sqrt(fmax(vy - 2 * start->rating_gain * cov + start->rating_gain * start->rating_gain * vx, 1e-3));
}

static void random_tastes(const struct pasta_em *em, struct pasta_user_model *start)
{
    struct pasta_rng rng = pasta_rng_at(em->seed, PASTA_RNG_INIT, 0, 0, 0);
    for (size_t i = 0; i < (size_t)start->n_types * (size_t)start->dim; i++)
        start->taste[i] = (float)(TASTE_DEVIATION * pasta_rng_normal(&rng));
}

pasta_status pasta_em_start(struct pasta_em *em, int threads, struct pasta_err *err)
{
    const struct user_net *net = &em->online;
    struct pasta_user_model *start = pasta_user_model_new(net->n_types, net->dim, net->width, net->aggregate, net->temperature_max, "");
    pasta_status status = PASTA_OK;
    if (em->order[OBS_PAIR].n > 0)
        start->scale = pair_scale(em);
    rating_line(em, start);
    em->clustered = false;
    if (strcmp(em->settings->start, "clusters") == 0)
        status = em_clusters(em, threads, start, &em->clustered, err);
    if (!em->clustered)
        random_tastes(em, start);
    if (status == PASTA_OK)
        status = em_begin(em, start, err);
    pasta_user_model_free(start);
    return status;
}
