/* simulated_user.c: answers sampled from the user model (simulated_user.h).
 *
 * Every answer is a function of the session and its random address alone: the utility of the column chosen in the turn before is computed
 * again from its images rather than remembered.
 */
#include "pasta/user/simulated_user.h"

#include <math.h>
#include <stdlib.h>
#include "pasta/base/mem.h"
#include "pasta/base/rng.h"

struct pasta_simulated_user {
    const struct pasta_user_model *model;
    struct pasta_simulated_people people;
    struct pasta_user_embedder embedder;
};

struct pasta_simulated_people pasta_simulated_prior(const struct pasta_user_model *model)
{
    return (struct pasta_simulated_people){model->prior, 1};
}

struct pasta_simulated_user *pasta_simulated_user_new(const struct pasta_user_model *model, struct pasta_simulated_people people,
                                                      struct pasta_user_embedder embedder)
{
    struct pasta_simulated_user *u = pasta_calloc(1, sizeof *u);
    *u = (struct pasta_simulated_user){model, people, embedder};
    return u;
}

void pasta_simulated_user_free(struct pasta_simulated_user *u)
{
    free(u);
}

int pasta_simulated_user_type(const struct pasta_simulated_user *u, uint64_t seed, uint32_t session)
{
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_USER_TYPE, session, 0, 0);
    int64_t person = u->people.n > 1 ? pasta_rng_below(&rng, (uint32_t)u->people.n) : 0;
    return pasta_rng_categorical(&rng, u->people.weights + person * u->model->n_types, u->model->n_types);
}

/* Scores under one type of the images of n columns, for one text; columns' images one after another: out. */
static pasta_status score_columns(const struct pasta_simulated_user *u, int type, const char *text,
                                  const struct pasta_column *const *columns, int n, double *out,
                                  struct pasta_err *err)
{
    size_t D = (size_t)u->model->dim, total = 0, at = 0;
    for (int l = 0; l < n; l++)
        total += (size_t)columns[l]->n_images;
    const char **prompts = pasta_malloc(total * sizeof *prompts);
    struct pasta_image_ref *images = pasta_malloc(total * sizeof *images);
    float *vectors = pasta_malloc((total + 1) * D * sizeof *vectors), *prompt = vectors + total * D;
    const float **rows = pasta_malloc(total * sizeof *rows);
    for (int l = 0; l < n; l++) {
        for (int i = 0; i < columns[l]->n_images; i++, at++) {
            prompts[at] = columns[l]->prompt;
            images[at] = columns[l]->images[i];
            rows[at] = vectors + at * D;
        }
    }
    pasta_status status = u->embedder.texts(u->embedder.ctx, &text, 1, prompt, err);
    if (status == PASTA_OK)
        status = u->embedder.images(u->embedder.ctx, prompts, images, (int)total, vectors, err);
    if (status == PASTA_OK)
        pasta_user_scores_of_type(u->model, type, prompt, rows, (int)total, out);
    free(prompts);
    free(images);
    free(vectors);
    free(rows);
    return status;
}

/* Index drawn from softmax(temperature * utilities). */
static int draw_choice(const struct pasta_user_model *m, const double *utilities, int n, struct pasta_rng *rng)
{
    int best = 0;
    double highest = -INFINITY;
    for (int l = 0; l < n; l++) {
        double value = m->temperature * utilities[l] + pasta_rng_gumbel(rng);
        if (value > highest) {
            highest = value;
            best = l;
        }
    }
    return best;
}

/* Probabilities of worse, same, better at a difference of utilities. */
static void versus_shares(const struct pasta_user_model *m, double difference, double out[3])
{
    out[0] = 1 / (1 + exp(m->tie + difference));
    out[2] = 1 / (1 + exp(m->tie - difference));
    out[1] = 1 - out[0] - out[2];
}

static enum pasta_versus draw_versus(const struct pasta_user_model *m, double now, double before, struct pasta_rng *rng)
{
    double p[3], u = pasta_rng_uniform(rng);
    versus_shares(m, now - before, p);
    return u < p[0] ? PASTA_WORSE : u < 1 - p[2] ? PASTA_SAME : PASTA_BETTER;
}

/* A whole number 1..10, as raters give. */
static double draw_rating(const struct pasta_user_model *m, double utility, struct pasta_rng *rng)
{
    double y = m->rating_gain * utility + m->rating_offset + m->rating_noise * pasta_rng_normal(rng);
    return round(fmin(fmax(1 + 9 * y, 1), 10));
}

/* The mean of draw_rating: 1 + the sum over r = 2..10 of P(rating >= r), where the normal 1 + 9 y is above r - 1/2. */
static double mean_rating(const struct pasta_user_model *m, double utility)
{
    double centre = 1 + 9 * (m->rating_gain * utility + m->rating_offset), spread = 9 * m->rating_noise, mean = 1;
    for (int r = 2; r <= 10; r++)
        mean += 0.5 * erfc((r - 0.5 - centre) / (spread * M_SQRT2));
    return mean;
}

/* softmax(temperature * utilities) */
static void choice_shares(const struct pasta_user_model *m, const double *utilities, int n, double *out)
{
    double most = -INFINITY, sum = 0;
    for (int l = 0; l < n; l++)
        most = fmax(most, utilities[l]);
    for (int l = 0; l < n; l++)
        sum += out[l] = exp(m->temperature * (utilities[l] - most));
    for (int l = 0; l < n; l++)
        out[l] /= sum;
}

void pasta_simulated_user_expect(const struct pasta_user_model *m, const double *weights, const double *utilities, int n_columns,
                                 const double *before, struct pasta_expected_answer *out)
{
    *out = (struct pasta_expected_answer){.rating = 0};
    for (int k = 0; k < m->n_types; k++) {
        const double *u = utilities + (size_t)k * n_columns;
        double chosen[PASTA_MAX_SLATE], versus[3];
        choice_shares(m, u, n_columns, chosen);
        for (int l = 0; l < n_columns; l++) {
            double p = weights[k] * chosen[l];
            out->choice[l] += p;
            out->rating += p * mean_rating(m, u[l]);
            versus_shares(m, before ? u[l] - before[k] : NAN, versus);
            for (int v = 0; v < 3; v++)
                out->versus[v] += p * versus[v];
        }
    }
}

static pasta_status answer(void *ctx, const struct pasta_session *session, uint32_t person, uint64_t seed, uint32_t index,
                           struct pasta_answer *out, struct pasta_err *err)
{
    const struct pasta_simulated_user *u = ctx;
    const struct pasta_user_model *m = u->model;
    (void)person; /* the session is the person */
    int last = session->n_turns - 1;
    const struct pasta_turn *turn = &session->turns[last], *previous = last > 0 ? turn - 1 : NULL;
    const struct pasta_column *columns[PASTA_MAX_SLATE + 1];
    int n = turn->n_columns, total = 0;
    if (n < 1 || n > PASTA_MAX_SLATE)
        return pasta_fail(err, PASTA_ERR_INPUT, "session %s: turn %d: expected 1 to %d columns, found %d", session->session_id, last + 1,
                          (int)PASTA_MAX_SLATE, n);
    for (int l = 0; l < n; l++)
        columns[l] = &turn->columns[l];
    bool compare = previous != NULL && previous->choice >= 0;
    if (compare)
        columns[n] = &previous->columns[previous->choice];
    for (int l = 0; l < n + compare; l++) {
        if (columns[l]->n_images < 1)
            return pasta_fail(err, PASTA_ERR_INPUT, "session %s: turn %d: expected at least one image in a column, found none",
                              session->session_id, last + 1);
        total += columns[l]->n_images;
    }
    double *scores = pasta_malloc((size_t)total * sizeof *scores), utilities[PASTA_MAX_SLATE + 1];
    pasta_status status = score_columns(u, pasta_simulated_user_type(u, seed, index), session->initial_prompt, columns, n + compare, scores,
                                        err);
    if (status == PASTA_OK) {
        for (int l = 0, at = 0; l < n + compare; at += columns[l++]->n_images)
            utilities[l] = pasta_user_aggregate(m->aggregate, scores + at, columns[l]->n_images);
        struct pasta_rng choice_rng = pasta_rng_at(seed, PASTA_RNG_CHOICE, index, (uint32_t)last, 0);
        struct pasta_rng rating_rng = pasta_rng_at(seed, PASTA_RNG_RATING, index, (uint32_t)last, 0);
        struct pasta_rng versus_rng = pasta_rng_at(seed, PASTA_RNG_RATING, index, (uint32_t)last, 1);
        int choice = draw_choice(m, utilities, n, &choice_rng);
        *out = (struct pasta_answer){.choice = choice, .rating = draw_rating(m, utilities[choice], &rating_rng),
                                     .utility = utilities[choice],
                                     .versus = compare ? draw_versus(m, utilities[choice], utilities[n], &versus_rng) : PASTA_VERSUS_NONE};
    }
    free(scores);
    return status;
}

struct pasta_rater pasta_simulated_user_rater(struct pasta_simulated_user *u)
{
    return (struct pasta_rater){.ctx = u, .source = PASTA_SOURCE_SIMULATED, .answer = answer};
}
