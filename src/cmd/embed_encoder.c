#include "embed_encoder.h"

#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/base/threads.h"
#include "pasta/io/file.h"
#include "pasta/io/image.h"

/* --- the model --- */

pasta_status embed_is_gemma(const struct pasta_context *context, bool *gemma, struct pasta_err *err)
{
    const char *dir = context->config.embed.model, *type = "clip";
    cJSON *config = NULL;
    *gemma = false;
    char *path = pasta_path_join(dir, "config.json");
    pasta_status status = PASTA_OK;
    if (*dir && pasta_file_exists(path) && (status = pasta_json_read(path, &config, err)) == PASTA_OK)
        status = pasta_json_str(config, "model_type", path, &type, err);
    if (status == PASTA_OK) {
        *gemma = strcmp(type, "gemma") == 0;
        if (!*gemma && strcmp(type, "clip") != 0)
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s: model_type: expected \"clip\" or \"gemma\", found \"%s\"", path, type);
    }
    cJSON_Delete(config);
    free(path);
    return status;
}

pasta_status embed_encoder_load(const struct pasta_context *context, bool gemma, struct embed_encoder *out, struct pasta_err *err)
{
    const char *dir = context->config.embed.model, *device = context->config.device;
    const pt_dtype dtype = strcmp(context->config.embed.dtype, "bf16") == 0 ? PT_BF16 : PT_F32;
    *out = (struct embed_encoder){.context = context, .stopped = "stopped; --resume goes on from here"};
    return gemma ? pasta_gemma_text_load(dir, device, dtype, &out->gemma, err) : pasta_clip_load(dir, device, dtype, &out->clip, err);
}

void embed_encoder_release(struct embed_encoder *e)
{
    pasta_clip_free(e->clip);
    pasta_gemma_text_free(e->gemma);
}

int embed_dim(const struct embed_encoder *e)
{
    return e->clip ? pasta_clip_dim(e->clip) : pasta_gemma_text_dim(e->gemma);
}

const char *embed_hash(const struct embed_encoder *e)
{
    return e->clip ? pasta_clip_hash(e->clip) : pasta_gemma_text_hash(e->gemma);
}

/* --- batches --- */

struct job {
    struct embed_encoder *e;
    const char *const *items; /* texts, or paths of images */
    size_t n;
    float *out;               /* [n,D] */
    float *log_prob;          /* [n], Gemma's */
};

/* Rows first to first + *n - 1 are batch `item`. */
static size_t batch_of(const struct job *job, int64_t item, size_t *n)
{
    const size_t batch = (size_t)job->e->context->config.embed.batch, first = (size_t)item * batch;
    *n = job->n - first < batch ? job->n - first : batch;
    return first;
}

static pasta_status begin_batch(const struct job *job, struct pasta_err *err)
{
    pt_threads(1);
    return pasta_stop_asked() ? pasta_fail(err, PASTA_ERR_STOPPED, "%s", job->e->stopped) : PASTA_OK;
}

static pasta_status read_pixels(const struct pasta_clip *clip, const char *path, float *pixels, struct pasta_err *err)
{
    struct pasta_image image = {0};
    pasta_status status = pasta_image_read(path, &image, err);
    if (status == PASTA_OK)
        status = pasta_clip_preprocess(clip, &image, pixels, err);
    pasta_image_release(&image);
    return status;
}

static pasta_status encode_images(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    (void)worker;
    const struct job *job = ctx;
    const struct pasta_clip *clip = job->e->clip;
    const size_t side = (size_t)pasta_clip_shape_of(clip)->image_size, values = 3 * side * side;
    size_t n;
    const size_t first = batch_of(job, item, &n);
    pasta_status status = begin_batch(job, err);
    if (status != PASTA_OK)
        return status;
    float *pixels = pasta_malloc(n * values * sizeof *pixels);
    for (size_t i = 0; i < n && status == PASTA_OK; i++)
        status = read_pixels(clip, job->items[first + i], pixels + i * values, err);
    if (status == PASTA_OK)
        status = pasta_clip_pixels(clip, pixels, (int)n, job->e->raw, job->out + first * (size_t)pasta_clip_dim(clip), err);
    free(pixels);
    pasta_progress_add(&job->e->progress, (int64_t)n);
    return status;
}

static pasta_status read_with_gemma(const struct pasta_gemma_text *gemma, const char *const *texts, size_t n, float *hidden,
                                    float *log_prob, struct pasta_err *err)
{
    int64_t **ids = pasta_calloc(n, sizeof *ids);
    int *lengths = pasta_calloc(n, sizeof *lengths);
    double *sums = pasta_malloc(n * sizeof *sums);
    pasta_status status = PASTA_OK;
    for (size_t i = 0; i < n && status == PASTA_OK; i++)
        status = pasta_gemma_text_ids(gemma, texts[i], &ids[i], &lengths[i], err);
    if (status == PASTA_OK)
        status = pasta_gemma_text_read(gemma, (int)n, (const int64_t *const *)ids, lengths, hidden, sums, err);
    for (size_t i = 0; i < n; i++) {
        log_prob[i] = status == PASTA_OK ? (float)sums[i] : 0;
        free(ids[i]);
    }
    free(sums);
    free(lengths);
    free(ids);
    return status;
}

static pasta_status encode_texts(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    (void)worker;
    const struct job *job = ctx;
    const struct embed_encoder *e = job->e;
    size_t n;
    const size_t first = batch_of(job, item, &n);
    const char *const *texts = job->items + first;
    float *out = job->out + first * (size_t)embed_dim(e);
    pasta_status status = begin_batch(job, err);
    if (status == PASTA_OK)
        status = e->clip ? pasta_clip_texts(e->clip, texts, (int)n, e->raw, out, err)
                         : read_with_gemma(e->gemma, texts, n, out, job->log_prob + first, err);
    pasta_progress_add(&job->e->progress, (int64_t)n);
    return status;
}

static int64_t batches(const struct embed_encoder *e, size_t n)
{
    const size_t batch = (size_t)e->context->config.embed.batch;
    return (int64_t)((n + batch - 1) / batch);
}

pasta_status embed_images(struct embed_encoder *e, const char *const *paths, size_t n, float *out, struct pasta_err *err)
{
    struct job job = {.e = e, .items = paths, .n = n, .out = out};
    return pasta_parallel_for(batches(e, n), e->context->threads, encode_images, &job, err);
}

pasta_status embed_texts(struct embed_encoder *e, const char *const *texts, size_t n, float *out, float *log_prob, struct pasta_err *err)
{
    struct job job = {.e = e, .items = texts, .n = n, .out = out, .log_prob = log_prob};
    return pasta_parallel_for(batches(e, n), e->context->threads, encode_texts, &job, err);
}
