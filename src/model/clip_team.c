/* clip_team.c: a training step's gradients, chunk by chunk on several threads.
 *
 *   1. each chunk: embeddings of its pairs, their graphs kept         [b,P]
 *   2. whole batch: loss, and its gradients by the embeddings         [B,P]
 *   3. each chunk: those gradients taken back to its copy of the weights
 *   4. sum over the chunks in their order
 *
 * Chunks also keep a step's temporaries within the processor's caches.
 * Source of the split: Gao et al., "Scaling deep contrastive learning batch size under memory limited setup", RepL4NLP 2021.
 */
#include <stdlib.h>
#include <string.h>

#include "clip_impl.h"
#include "pasta/base/threads.h"
#include "pasta/model/clip_train.h"

struct chunk {
    struct pasta_clip clip;    /* a copy of the weights; nothing else is owned */
    int64_t first, n;          /* its pairs of the batch */
    pt images, texts;          /* [n,P] normalised, kept with their graphs between phases 1 and 3 */
};

struct pasta_clip_team {
    struct pasta_clip *clip;
    int batch, threads, n_chunks, n_ids;
    struct chunk *chunks;
    const float *pixels;
    const int64_t *ids;
    float *images, *texts;             /* [batch,P] */
    float *images_grad, *texts_grad;   /* [batch,P] */
};

static void copy_weights(struct pasta_clip *copy, const struct pasta_clip *clip)
{
    *copy = *clip;
    copy->params = (struct pasta_params){0};
    copy->text = copy->vision = NULL;
    pt_scope_open();
    for (int i = 0; i < clip->params.n; i++)
        pasta_params_add(&copy->params, clip->params.items[i].name, pt_keep(pt_clone(pt_detach(clip->params.items[i].tensor))));
    pasta_params_requires_grad(&copy->params, true);
    if (pt_scope_close(NULL) == PASTA_OK) /* else the first step's lerp fails, with a message */
        clip_bind(copy);
}

struct pasta_clip_team *pasta_clip_team_new(struct pasta_clip *clip, int batch, int threads)
{
    struct pasta_clip_team *team = pasta_calloc(1, sizeof *team);
    size_t values = (size_t)batch * (size_t)clip->shape.projection;
    *team = (struct pasta_clip_team){.clip = clip, .batch = batch, .threads = threads,
                                     .n_chunks = (batch + PASTA_CLIP_CHUNK - 1) / PASTA_CLIP_CHUNK};
    team->chunks = pasta_calloc((size_t)team->n_chunks, sizeof *team->chunks);
    for (int i = 0; i < team->n_chunks; i++) {
        struct chunk *c = &team->chunks[i];
        c->first = (int64_t)i * PASTA_CLIP_CHUNK;
        c->n = batch - c->first < PASTA_CLIP_CHUNK ? batch - c->first : PASTA_CLIP_CHUNK;
        copy_weights(&c->clip, clip);
    }
    team->images = pasta_malloc(values * sizeof(float));
    team->texts = pasta_malloc(values * sizeof(float));
    team->images_grad = pasta_malloc(values * sizeof(float));
    team->texts_grad = pasta_malloc(values * sizeof(float));
    return team;
}

static void forget(struct chunk *c)
{
    pt_free(c->images);
    pt_free(c->texts);
    c->images = c->texts = NULL;
}

/* Phase 1. */
static pasta_status encode_chunk(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    (void)worker;
    struct pasta_clip_team *team = ctx;
    struct chunk *c = &team->chunks[item];
    int64_t side = c->clip.shape.image_size, dim = c->clip.shape.projection;
    pt_threads(1);
    pt_scope_open();
    pasta_params_lerp(&c->clip.params, &team->clip->params, 1.0);
    pasta_params_zero_grad(&c->clip.params);
    pt pixels = pt_borrow(team->pixels + c->first * 3 * side * side, PT_F32, PT_SHAPE(c->n, 3, side, side));
    pt ids = pt_borrow(team->ids + c->first * team->n_ids, PT_I64, PT_SHAPE(c->n, team->n_ids));
    c->images = pt_keep(pt_normalize(pasta_clip_image_features(&c->clip, pt_to_device(pixels, c->clip.device)), 1));
    c->texts = pt_keep(pt_normalize(pasta_clip_text_features(&c->clip, pt_to_device(ids, c->clip.device)), 1));
    pt_copy_f32(c->images, team->images + c->first * dim);
    pt_copy_f32(c->texts, team->texts + c->first * dim);
    return pt_scope_close(err);
}

/* Phase 3: the scalar whose gradient by the embeddings is the one that phase 2 found. */
static pasta_status differentiate_chunk(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    (void)worker;
    const struct pasta_clip_team *team = ctx;
    struct chunk *c = &team->chunks[item];
    int64_t dim = c->clip.shape.projection;
    const char *device = c->clip.device;
    pt_threads(1);
    pt_scope_open();
    pt by_images = pt_to_device(pt_borrow(team->images_grad + c->first * dim, PT_F32, PT_SHAPE(c->n, dim)), device);
    pt by_texts = pt_to_device(pt_borrow(team->texts_grad + c->first * dim, PT_F32, PT_SHAPE(c->n, dim)), device);
    pt_backward(pt_add(pt_sum(pt_mul(c->images, by_images)), pt_sum(pt_mul(c->texts, by_texts))));
    forget(c);
    return pt_scope_close(err);
}

/* Phase 2, which also sets the scale's gradient. */
static pasta_status differentiate_loss(struct pasta_clip_team *team, double *loss, struct pasta_err *err)
{
    int64_t dim = team->clip->shape.projection;
    pt_scope_open();
    pt images = pt_from_f32(team->images, PT_SHAPE(team->batch, dim)), texts = pt_from_f32(team->texts, PT_SHAPE(team->batch, dim));
    pt_requires_grad(images, true);
    pt_requires_grad(texts, true);
    pasta_params_zero_grad(&team->clip->params);
    pt value = pasta_clip_loss(images, texts, pt_to_device(pasta_clip_scale(team->clip), "cpu"));
    pt_backward(value);
    pt_copy_f32(pt_grad(images), team->images_grad);
    pt_copy_f32(pt_grad(texts), team->texts_grad);
    *loss = pt_item(value);
    return pt_scope_close(err);
}

/* Phase 4. */
static pasta_status add_gradients(struct pasta_clip_team *team, struct pasta_err *err)
{
    struct pasta_params *params = &team->clip->params;
    bool grad = pt_grad_enable(false);
    pt_scope_open();
    for (int i = 0; i < params->n; i++) {
        if (params->items[i].tensor == team->clip->logit_scale)
            continue;
        pt sum = pt_clone(pt_grad(team->chunks[0].clip.params.items[i].tensor));
        for (int c = 1; c < team->n_chunks; c++)
            pt_add_(sum, pt_grad(team->chunks[c].clip.params.items[i].tensor), 1.0);
        pt_grad_set(params->items[i].tensor, sum);
    }
    pt_grad_enable(grad);
    return pt_scope_close(err);
}

pasta_status pasta_clip_team_gradients(struct pasta_clip_team *team, const float *pixels, const int64_t *ids, int n_ids, double *loss,
                                       struct pasta_err *err)
{
    double value = 0;
    team->pixels = pixels;
    team->ids = ids;
    team->n_ids = n_ids;
    pasta_status status = pasta_parallel_for(team->n_chunks, team->threads, encode_chunk, team, err);
    if (status == PASTA_OK)
        status = differentiate_loss(team, &value, err);
    if (status == PASTA_OK)
        status = pasta_parallel_for(team->n_chunks, team->threads, differentiate_chunk, team, err);
    if (status == PASTA_OK)
        status = add_gradients(team, err);
    for (int i = 0; i < team->n_chunks; i++)
        forget(&team->chunks[i]);
    if (status == PASTA_OK)
        *loss = value;
    return status;
}

void pasta_clip_team_free(struct pasta_clip_team *team)
{
    if (!team)
        return;
    for (int i = 0; i < team->n_chunks; i++) {
        forget(&team->chunks[i]);
        pasta_params_release(&team->chunks[i].clip.params);
        free(team->chunks[i].clip.text);
        free(team->chunks[i].clip.vision);
    }
    free(team->chunks);
    free(team->images);
    free(team->texts);
    free(team->images_grad);
    free(team->texts_grad);
    free(team);
}
