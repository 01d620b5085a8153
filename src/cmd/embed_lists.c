/* embed_lists.c: listed prompts and images into one file, window by window. A window is encoded, its rows are written where they belong,
 * and then they count: a run that is killed loses one window at most. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "embed_window.h"
#include "pasta/base/log.h"
#include "pasta/base/mem.h"
#include "pasta/base/version.h"
#include "pasta/io/safetensors.h"
#include "pasta/io/sha256.h"
#include "plan.h"

struct run {
    const struct pasta_context *context;
    const struct embed_inputs *in;
    struct embed_encoder *e;
    int64_t n_images, n_texts;      /* 0 where not given */
    struct pasta_st_partial *file;
    int64_t done;                   /* rows of all lists, images first; pairs count once */
};

/* --- what is written --- */

static pasta_status count(struct run *r, struct pasta_err *err)
{
    const struct embed_inputs *in = r->in;
    pasta_status status = PASTA_OK;
    if (in->prompts)
        status = embed_list_check(r->e, false, in->prompts, NULL, &r->n_texts, err);
    if (status == PASTA_OK && in->images)
        status = embed_list_check(r->e, true, in->images, in->image_root, &r->n_images, err);
    if (status == PASTA_OK && in->score && r->n_texts != r->n_images)
        status = pasta_fail(err, PASTA_ERR_INPUT, "'%s' has %lld prompts and '%s' %lld images: expected pairs, line i of both", in->prompts,
                            (long long)r->n_texts, in->images, (long long)r->n_images);
    return status;
}

static struct pasta_st_tensor tensor(const char *name, int64_t rows, int64_t width)
{
    return (struct pasta_st_tensor){.name = name, .dtype = PASTA_ST_F32, .rank = width ? 2 : 1, .shape = {rows, width}};
}

static int list_tensors(const struct run *r, struct pasta_st_tensor tensors[2])
{
    const int64_t dim = embed_dim(r->e);
    int n = 0;
    if (r->in->score) {
        tensors[n++] = tensor("scores", r->n_texts, 0);
    } else if (r->e->gemma) {
        tensors[n++] = tensor("last_token_hidden", r->n_texts, dim);
        tensors[n++] = tensor("sequence_log_prob", r->n_texts, 0);
    } else {
        if (r->n_images)
            tensors[n++] = tensor("image_embeds", r->n_images, dim);
        if (r->n_texts)
            tensors[n++] = tensor("text_embeds", r->n_texts, dim);
    }
    return n;
}

/* The file with metadata that tells all that decides its bytes, the images' own apart. */
static pasta_status open_file(struct run *r, const char *path, bool *complete, struct pasta_err *err)
{
    const struct pasta_config *config = &r->context->config;
    const struct embed_inputs *in = r->in;
    const char *root = in->image_root ? in->image_root : "";
    char prompts[65] = "", images[65] = "", image_root[65], batch[32], window[32], program[100];
    struct pasta_st_tensor tensors[2];
    pasta_status status = in->prompts ? pasta_sha256_file(in->prompts, prompts, err) : PASTA_OK;
    if (status == PASTA_OK && in->images)
        status = pasta_sha256_file(in->images, images, err);
    if (status != PASTA_OK)
        return status;
    pasta_sha256(root, strlen(root), image_root); /* a path is nobody's business */
    snprintf(batch, sizeof batch, "%lld", (long long)config->embed.batch);
    snprintf(program, sizeof program, "%s %s", r->context->command->name, pasta_version());
    snprintf(window, sizeof window, "%lld", (long long)config->embed.window);
    const char *const meta[][2] = {
        {"encoder", embed_hash(r->e)}, {"prompts", prompts}, {"images", images}, {"image_root", image_root},
        {"output", in->scorer ? in->scorer : r->e->raw ? "raw" : r->e->clip ? "normalised" : "hidden"}, {"batch", batch},
        {"window", window}, {"dtype", config->embed.dtype}, {"device", config->device}, {"program", program},
    };
    return pasta_st_partial_open(path, tensors, list_tensors(r, tensors), meta, sizeof meta / sizeof *meta, r->context->force,
                                 r->context->resume, complete, &r->file, &r->done, err);
}

/* --- windows --- */

static void cosines(const float *a, const float *b, size_t n, size_t dim, double scale, float *out)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = 0; j < dim; j++)
            sum += (double)a[i * dim + j] * b[i * dim + j];
        out[i] = (float)(scale * sum);
    }
}

/* Rows `first` and following of the tensors that come of these windows; one of them is NULL unless they are pairs. */
static pasta_status write_window(struct run *r, int64_t first, const struct embed_window *images, const struct embed_window *texts,
                                 struct pasta_err *err)
{
    const size_t dim = (size_t)embed_dim(r->e), n = images ? images->n : texts->n;
    float *image = pasta_malloc(n * dim * sizeof *image), *text = pasta_malloc(n * dim * sizeof *text);
    float *one = pasta_malloc(n * sizeof *one);
    pasta_status status = images ? embed_window_encode(r->e, images, image, NULL, err) : PASTA_OK;
    if (status == PASTA_OK && texts)
        status = embed_window_encode(r->e, texts, text, one, err);
    if (status != PASTA_OK)
        goto out;
    if (r->in->score) {
        cosines(text, image, n, dim, r->in->score == EMBED_SCALED_COSINE ? pasta_clip_logit_scale(r->e->clip) : 1, one);
        status = pasta_st_partial_put(r->file, "scores", first, (int64_t)n, one, err);
    } else if (images) {
        status = pasta_st_partial_put(r->file, "image_embeds", first, (int64_t)n, image, err);
    } else if (r->e->clip) {
        status = pasta_st_partial_put(r->file, "text_embeds", first, (int64_t)n, text, err);
    } else {
        status = pasta_st_partial_put(r->file, "last_token_hidden", first, (int64_t)n, text, err);
        if (status == PASTA_OK)
            status = pasta_st_partial_put(r->file, "sequence_log_prob", first, (int64_t)n, one, err);
    }
out:
    free(one);
    free(text);
    free(image);
    return status;
}

static pasta_status read_window(struct embed_list *list, size_t n, struct embed_window *window, struct pasta_err *err)
{
    pasta_status status = embed_window_read(list, n, window, err);
    if (status == PASTA_OK && window->n < n)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected the list that was there at first, found fewer lines",
                            list->prompts.lines.path);
    return status;
}

/* One window of n rows: reads, encodes, writes, marks. images or texts is NULL unless they are pairs. */
static pasta_status one_window(struct run *r, int64_t before, int64_t first, size_t n, struct embed_list *images, struct embed_list *texts,
                               struct pasta_err *err)
{
    struct embed_window image_rows = {0}, text_rows = {0};
    pasta_status status = images ? read_window(images, n, &image_rows, err) : PASTA_OK;
    if (status == PASTA_OK && texts)
        status = read_window(texts, n, &text_rows, err);
    if (status == PASTA_OK)
        status = write_window(r, first, images ? &image_rows : NULL, texts ? &text_rows : NULL, err);
    if (status == PASTA_OK)
        status = pasta_st_partial_mark(r->file, before + first + (int64_t)n, err);
    embed_window_release(&image_rows);
    embed_window_release(&text_rows);
    return status;
}

static pasta_status open_at(struct embed_list *list, bool images, const struct embed_inputs *in, int64_t row, struct pasta_err *err)
{
    const char *item = "";
    pasta_status status = embed_list_open(list, images, images ? in->images : in->prompts, images ? in->image_root : NULL, err);
    for (int64_t i = 0; i < row && item && status == PASTA_OK; i++)
        status = embed_list_next(list, &item, err);
    return status;
}

/* The n rows of one list, or of both where they are pairs; `before` rows of another list count before them. */
static pasta_status one_list(struct run *r, bool images, bool texts, int64_t before, int64_t n, struct pasta_err *err)
{
    const int64_t window = r->context->config.embed.window;
    struct embed_list image_list = {0}, text_list = {0};
    int64_t first = r->done > before ? r->done - before : 0;
    if (first >= n)
        return PASTA_OK;
    pasta_status status = images ? open_at(&image_list, true, r->in, first, err) : PASTA_OK;
    if (status == PASTA_OK && texts)
        status = open_at(&text_list, false, r->in, first, err);
    for (; first < n && status == PASTA_OK; first += window)
        status = one_window(r, before, first, (size_t)(n - first < window ? n - first : window), images ? &image_list : NULL,
                            texts ? &text_list : NULL, err);
    embed_list_close(&image_list);
    embed_list_close(&text_list);
    return status;
}

static pasta_status all_lists(struct run *r, struct pasta_err *err)
{
    const bool pairs = r->in->score != EMBED_NO_SCORE;
    pasta_progress_init(&r->e->progress, "embed", "items", r->n_images + r->n_texts);
    r->e->progress.first = r->e->progress.done = pairs ? 2 * r->done : r->done;
    pasta_status status = pairs ? one_list(r, true, true, 0, r->n_texts, err) : one_list(r, true, false, 0, r->n_images, err);
    if (status == PASTA_OK && !pairs)
        status = one_list(r, false, true, r->n_images, r->n_texts, err);
    pasta_progress_done(&r->e->progress);
    return status;
}

/* --- the run --- */

static void plan(const struct run *r)
{
    struct pasta_st_tensor tensors[2];
    const int n = list_tensors(r, tensors);
    double values = 0;
    for (int i = 0; i < n; i++)
        values += (double)pasta_st_numel(&tensors[i]);
    const struct pasta_plan_row rows[] = {{"images", "", (double)r->n_images}, {"texts", "", (double)r->n_texts},
                                          {"dim", "", embed_dim(r->e)}, {"features_disk", "bytes", 4 * values}};
    pasta_plan_print(rows, sizeof rows / sizeof *rows, r->context->json);
}

static void report(const struct run *r, double started)
{
    if (r->context->json)
        printf("{\"images\":%lld,\"texts\":%lld,\"dim\":%d,\"encoder\":\"%s\"}\n", (long long)r->n_images, (long long)r->n_texts,
               embed_dim(r->e), embed_hash(r->e));
    else if (r->in->score)
        pasta_info("%lld pairs scored in %.1f s", (long long)r->n_texts, pasta_now() - started);
    else
        pasta_info("%lld images and %lld texts as vectors of %d in %.1f s", (long long)r->n_images, (long long)r->n_texts, embed_dim(r->e),
                   pasta_now() - started);
}

pasta_status embed_lists(const struct pasta_context *context, const struct embed_inputs *in, struct embed_encoder *e, const char *path,
                         struct pasta_err *err)
{
    struct run r = {.context = context, .in = in, .e = e};
    const double started = pasta_now();
    bool complete = false;
    pasta_status status = count(&r, err);
    if (status == PASTA_OK && context->dry_run) {
        plan(&r);
        return PASTA_OK;
    }
    if (status == PASTA_OK)
        status = open_file(&r, path, &complete, err);
    if (status == PASTA_OK && complete)
        pasta_info("'%s' is complete: nothing to do", path);
    if (status == PASTA_OK && !complete && (status = all_lists(&r, err)) == PASTA_OK)
        status = pasta_st_partial_commit(r.file, err);
    if (status == PASTA_OK && (!complete || context->json))
        report(&r, started);
    pasta_st_partial_close(r.file);
    return status;
}
