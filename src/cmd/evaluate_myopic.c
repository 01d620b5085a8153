/* Agents that learn nothing: they show what the user model expects its user to like, given what this user did so far.
 *
 *   myopic     expected utility under the posterior over types
 *   sampling   utility under one type drawn from the posterior, anew each turn (Thompson, Biometrika 1933)
 *
 * A candidate's images are not known before it is shown. With agent.previews 0 the encoder's embedding of its prompt stands for theirs; else so
 * many images are drawn and looked at, with seeds that no shown image has. The posterior is that of a session's choices and comparisons, from
 * the images that were shown.
 */
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"
#include "pasta/agent/rollout.h"
#include "pasta/base/paths.h"
#include "pasta/base/rng.h"
#include "pasta/io/file.h"
#include "pasta/model/clip.h"

/* What a rater's answers say of the types, after so many turns: it is asked for turn by turn. */
struct evidence { int turns; double *loglik, *now; /* [K] each; now: utilities of the last choice */ };

struct evaluate_myopic {
    struct pasta_user_model *model;
    struct pasta_clip *clip;
    struct pasta_t2i t2i;
    bool sampling;
    int previews;
    uint32_t first_rater;
    int64_t n_raters;
    struct evidence *evidence; /* [raters] */
};

pasta_status evaluate_myopic_open(const struct pasta_context *context, struct pasta_sketch *sketch, const char *dir, bool sampling,
                                  struct evaluate_myopic **out, struct pasta_err *err)
{
    const struct pasta_config *config = &context->config;
    struct evaluate_myopic *m = pasta_calloc(1, sizeof *m);
    char *own = pasta_path_join(dir, "encoder");
    const char *encoder = pasta_file_exists(own) ? own : config->embed.model;
    *m = (struct evaluate_myopic){.t2i = pasta_sketch_t2i(sketch), .sampling = sampling, .previews = (int)config->agent.previews,
                                  .first_rater = (uint32_t)config->evaluate.first_rater, .n_raters = config->evaluate.raters};
    pasta_status status = pasta_user_model_load(dir, NULL, &m->model, err);
    if (status == PASTA_OK)
        status = pasta_clip_load(encoder, config->device, PT_F32, &m->clip, err);
    if (status == PASTA_OK)
        status = pasta_user_model_fits(m->model, pasta_clip_hash(m->clip), pasta_clip_dim(m->clip), dir, err);
    free(own);
    if (status != PASTA_OK) {
        evaluate_myopic_free(m);
        return status;
    }
    m->evidence = pasta_calloc((size_t)m->n_raters, sizeof *m->evidence);
    *out = m;
    return PASTA_OK;
}

void evaluate_myopic_free(struct evaluate_myopic *m)
{
    if (!m)
        return;
    for (int64_t i = 0; m->evidence && i < m->n_raters; i++)
        free(m->evidence[i].loglik);
    free(m->evidence);
    pasta_user_model_free(m->model);
    pasta_clip_free(m->clip);
    free(m);
}

/* --- what is seen --- */

/* Embeddings [n,D] of images drawn for prompts. */
static pasta_status see(const struct evaluate_myopic *m, const char *const *prompts, const uint64_t *seeds, int n, float *out,
                        struct pasta_err *err)
{
    struct pasta_image *images = pasta_calloc((size_t)n, sizeof *images);
    pasta_status status = PASTA_OK;
    for (int i = 0; i < n && status == PASTA_OK; i++)
        status = m->t2i.draw(m->t2i.ctx, prompts[i], seeds[i], &images[i], err);
    if (status == PASTA_OK)
        status = pasta_clip_images(m->clip, images, n, false, out, err);
    for (int i = 0; i < n; i++)
        pasta_image_release(&images[i]);
    free(images);
    return status;
}

/* Scores [K,n] of rows of embeddings for what the user asked for. */
static pasta_status score_rows(const struct evaluate_myopic *m, const char *asked, const float *rows, int n, double *out, struct pasta_err *err)
{
    const size_t D = (size_t)m->model->dim;
    float *text = pasta_malloc(D * sizeof *text);
    const float **pointers = pasta_malloc((size_t)n * sizeof *pointers);
    for (int i = 0; i < n; i++)
        pointers[i] = rows + (size_t)i * D;
    const pasta_status status = pasta_clip_texts(m->clip, &asked, 1, false, text, err);
    if (status == PASTA_OK)
        pasta_user_scores(m->model, text, pointers, n, out);
    free(pointers);
    free(text);
    return status;
}

/* Utilities [K,L] of a turn's columns. */
static pasta_status turn_utilities(const struct evaluate_myopic *m, const struct pasta_session *s, const struct pasta_turn *turn, double *out,
                                   struct pasta_err *err)
{
    const int K = m->model->n_types, L = turn->n_columns;
    int n = 0;
    for (int l = 0; l < L; l++)
        n += turn->columns[l].n_images;
    const char **prompts = pasta_malloc((size_t)n * sizeof *prompts);
    uint64_t *seeds = pasta_malloc((size_t)n * sizeof *seeds);
    float *rows = pasta_malloc((size_t)n * (size_t)m->model->dim * sizeof *rows);
    double *scores = pasta_malloc((size_t)(n * K) * sizeof *scores);
    for (int l = 0, at = 0; l < L; l++)
        for (int i = 0; i < turn->columns[l].n_images; i++, at++) {
            prompts[at] = turn->columns[l].prompt;
            seeds[at] = turn->columns[l].images[i].seed;
        }
    pasta_status status = see(m, prompts, seeds, n, rows, err);
    if (status == PASTA_OK)
        status = score_rows(m, s->initial_prompt, rows, n, scores, err);
    for (int k = 0; k < K && status == PASTA_OK; k++) {
        const double *at = scores + (size_t)k * n;
        for (int l = 0; l < L; at += turn->columns[l++].n_images)
            out[(size_t)k * L + l] = pasta_user_aggregate(m->model->aggregate, at, turn->columns[l].n_images);
    }
    free(prompts);
    free(seeds);
    free(rows);
    free(scores);
    return status;
}

/* --- what is believed --- */

/* Adds the turns of the session that the evidence has not seen. */
static pasta_status learn(const struct evaluate_myopic *m, const struct pasta_session *s, struct evidence *e, struct pasta_err *err)
{
    const int K = m->model->n_types;
    double *utilities = pasta_malloc((size_t)K * PASTA_MAX_SLATE * sizeof *utilities), *before = pasta_malloc((size_t)K * sizeof *before);
    pasta_status status = PASTA_OK;
    if (!e->loglik) {
        e->loglik = pasta_calloc(2 * (size_t)K, sizeof *e->loglik);
        e->now = e->loglik + K;
    }
    for (; e->turns < s->n_turns && status == PASTA_OK; e->turns++) {
        const struct pasta_turn *turn = &s->turns[e->turns];
        if (turn->choice < 0)
            continue;
        status = turn_utilities(m, s, turn, utilities, err);
        if (status != PASTA_OK)
            break;
        memcpy(before, e->now, (size_t)K * sizeof *before);
        for (int k = 0; k < K; k++)
            e->now[k] = utilities[(size_t)k * turn->n_columns + turn->choice];
        pasta_user_choice_loglik(m->model, utilities, turn->n_columns, turn->choice, e->loglik);
        if (turn->versus != PASTA_VERSUS_NONE && e->turns > 0 && s->turns[e->turns - 1].choice >= 0)
            pasta_user_versus_loglik(m->model, e->now, before, turn->versus, e->loglik);
    }
    free(utilities);
    free(before);
    return status;
}

/* Scores [K,n] of candidates, before they are shown. */
static pasta_status expect(const struct evaluate_myopic *m, const struct pasta_session *s, uint64_t seed, uint32_t index,
                           const struct pasta_candidate *candidates, int n, double *out, struct pasta_err *err)
{
    const int K = m->model->n_types, each = m->previews > 0 ? m->previews : 1, rows = n * each;
    const size_t D = (size_t)m->model->dim;
    const char **prompts = pasta_malloc((size_t)rows * sizeof *prompts);
    uint64_t *seeds = pasta_malloc((size_t)rows * sizeof *seeds);
    float *embeddings = pasta_malloc((size_t)rows * D * sizeof *embeddings);
    double *scores = pasta_malloc((size_t)(rows * K) * sizeof *scores);
    for (int i = 0; i < rows; i++) {
        prompts[i] = candidates[i / each].prompt;
        seeds[i] = pasta_rollout_image_seed(seed, index, (uint32_t)s->n_turns + 1, PASTA_IMAGE_PREVIEW + (uint32_t)i);
    }
    pasta_status status = m->previews > 0 ? see(m, prompts, seeds, rows, embeddings, err)
                                          : pasta_clip_texts(m->clip, prompts, n, false, embeddings, err);
    if (status == PASTA_OK)
        status = score_rows(m, s->initial_prompt, embeddings, rows, scores, err);
    for (int k = 0; k < K && status == PASTA_OK; k++)
        for (int i = 0; i < n; i++)
            out[(size_t)k * n + i] = pasta_user_aggregate(m->model->aggregate, scores + (size_t)k * rows + (size_t)i * each, each);
    free(prompts);
    free(seeds);
    free(embeddings);
    free(scores);
    return status;
}

pasta_status evaluate_myopic_score(void *ctx, const struct pasta_session *session, uint32_t person, uint64_t seed, uint32_t index,
                                   const struct pasta_candidate *candidates, int n, double *scores, struct pasta_err *err)
{
    const struct evaluate_myopic *m = ctx;
    const int K = m->model->n_types;
    struct evidence *e = &m->evidence[person - m->first_rater]; /* one rater's session is played by one thread */
    double *utilities = pasta_malloc((size_t)(K * (n + 1)) * sizeof *utilities), *weights = utilities + (size_t)K * n;
    if (session->n_turns < e->turns) { /* played anew */
        memset(e->loglik, 0, 2 * (size_t)K * sizeof *e->loglik);
        e->turns = 0;
    }
    pasta_status status = learn(m, session, e, err);
    if (status == PASTA_OK)
        status = expect(m, session, seed, index, candidates, n, utilities, err);
    if (status == PASTA_OK) {
        pasta_user_posterior(m->model, e->loglik, weights);
        if (m->sampling) {
            struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_SLATE, index, (uint32_t)session->n_turns + 1, PASTA_SLATE_SAMPLED_TYPE);
            const int drawn = (int)pasta_rng_categorical(&rng, weights, K);
            for (int k = 0; k < K; k++)
                weights[k] = k == drawn;
        }
        for (int i = 0; i < n; i++) {
            scores[i] = 0;
            for (int k = 0; k < K; k++)
                scores[i] += weights[k] * utilities[(size_t)k * n + i];
        }
    }
    free(utilities);
    return status;
}
