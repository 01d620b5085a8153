#include "embed_encoder.h"

#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/base/threads.h"
#include "pasta/io/file.h"
#include "pasta/io/image.h"

enum { MAX_TOKENS = 8192 }; /* of a batch of Gemma's, padding included, unless one text alone has more */

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
    /* Gemma's */
    int64_t **ids;            /* [n] */
    int *lengths;             /* [n] */
    size_t *first;            /* where batch i begins, and where the last one ends */
    float *log_prob;          /* [n] */
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

static pasta_status encode_texts(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    (void)worker;
    const struct job *job = ctx;
    const struct pasta_clip *clip = job->e->clip;
    size_t n;
    const size_t first = batch_of(job, item, &n);
    pasta_status status = begin_batch(job, err);
    if (status == PASTA_OK)
        status = pasta_clip_texts(clip, job->items + first, (int)n, job->e->raw, job->out + first * (size_t)pasta_clip_dim(clip), err);
    pasta_progress_add(&job->e->progress, (int64_t)n);
    return status;
}

static pasta_status encode_with_gemma(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    (void)worker;
    const struct job *job = ctx;
    const struct pasta_gemma_text *gemma = job->e->gemma;
    const size_t first = job->first[item], n = job->first[item + 1] - first;
    pasta_status status = begin_batch(job, err);
    if (status != PASTA_OK)
        return status;
    double *log_prob = pasta_malloc(n * sizeof *log_prob);
    status = pasta_gemma_text_read(gemma, (int)n, (const int64_t *const *)job->ids + first, job->lengths + first,
                                   job->out + first * (size_t)pasta_gemma_text_dim(gemma), log_prob, err);
    for (size_t i = 0; i < n && status == PASTA_OK; i++)
        job->log_prob[first + i] = (float)log_prob[i];
    free(log_prob);
    pasta_progress_add(&job->e->progress, (int64_t)n);
    return status;
}

static int64_t fixed_batches(const struct embed_encoder *e, size_t n)
{
    const size_t batch = (size_t)e->context->config.embed.batch;
    return (int64_t)((n + batch - 1) / batch);
}

/* At most embed.batch rows and MAX_TOKENS tokens each; returns their number. */
static int64_t cut_batches(struct job *job)
{
    const int64_t batch = job->e->context->config.embed.batch;
    int64_t batches = 0, rows = 0, longest = 0;
    for (size_t i = 0; i < job->n; i++) {
        const int64_t longer = job->lengths[i] > longest ? job->lengths[i] : longest;
        if (rows == 0 || rows == batch || (rows + 1) * longer > MAX_TOKENS) {
            job->first[batches++] = i;
            rows = 0;
            longest = 0;
        }
        rows++;
        longest = job->lengths[i] > longest ? job->lengths[i] : longest;
    }
    job->first[batches] = job->n;
    return batches;
}

static pasta_status texts_with_gemma(struct job *job, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    job->ids = pasta_calloc(job->n, sizeof *job->ids);
    job->lengths = pasta_calloc(job->n, sizeof *job->lengths);
    job->first = pasta_calloc(job->n + 1, sizeof *job->first);
    for (size_t i = 0; i < job->n && status == PASTA_OK; i++)
        status = pasta_gemma_text_ids(job->e->gemma, job->items[i], &job->ids[i], &job->lengths[i], err);
    if (status == PASTA_OK)
        status = pasta_parallel_for(cut_batches(job), job->e->context->threads, encode_with_gemma, job, err);
    for (size_t i = 0; i < job->n; i++)
        free(job->ids[i]);
    free(job->ids);
    free(job->lengths);
    free(job->first);
    return status;
}

pasta_status embed_images(struct embed_encoder *e, const char *const *paths, size_t n, float *out, struct pasta_err *err)
{
    struct job job = {.e = e, .items = paths, .n = n, .out = out};
    return pasta_parallel_for(fixed_batches(e, n), e->context->threads, encode_images, &job, err);
}

pasta_status embed_texts(struct embed_encoder *e, const char *const *texts, size_t n, float *out, float *log_prob, struct pasta_err *err)
{
    struct job job = {.e = e, .items = texts, .n = n, .out = out, .log_prob = log_prob};
    return e->gemma ? texts_with_gemma(&job, err)
                    : pasta_parallel_for(fixed_batches(e, n), e->context->threads, encode_texts, &job, err);
}
