/* embed_scores.c: scores of pairs as a safetensors file, or as lines to read. The lines are written last, of a safetensors file that stays
 * beside them: it is resumable as any other, and the lines do not say by which model they were made. */
#include <math.h>
#include <stdlib.h>

#include "embed.h"
#include "embed_window.h"
#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/io/file.h"
#include "pasta/io/safetensors.h"

/* The pairs once more, one at a time, as lines without their score: `{"text":...,"image":...,"score":`. */
struct pairs { struct embed_list texts, images; struct pasta_str line; };

static pasta_status pairs_open(struct pairs *p, const struct embed_inputs *in, struct pasta_err *err)
{
    const pasta_status status = embed_list_open(&p->texts, false, in->prompts, NULL, err);
    return status == PASTA_OK ? embed_list_open(&p->images, true, in->images, NULL, err) : status;
}

/* *more is false at the end of either list. */
static pasta_status pairs_next(struct pairs *p, bool *more, struct pasta_err *err)
{
    const char *text, *image = NULL;
    pasta_status status = embed_list_next(&p->texts, &text, err);
    if (status == PASTA_OK)
        status = embed_list_next(&p->images, &image, err);
    *more = status == PASTA_OK && text && image;
    if (!*more)
        return status;
    pasta_str_clear(&p->line);
    pasta_str_add(&p->line, "{\"text\":");
    pasta_json_put_str(&p->line, text);
    pasta_str_add(&p->line, ",\"image\":");
    pasta_json_put_str(&p->line, image);
    pasta_str_add(&p->line, ",\"score\":");
    return PASTA_OK;
}

static void pairs_close(struct pairs *p)
{
    embed_list_close(&p->texts);
    embed_list_close(&p->images);
    pasta_str_release(&p->line);
}

static pasta_status write_lines(const struct embed_inputs *in, const float *scores, int64_t n, const char *path, struct pasta_err *err)
{
    struct pairs pairs = {0};
    struct pasta_out out = {0};
    bool more = true;
    int64_t i = 0;
    pasta_status status = pairs_open(&pairs, in, err);
    if (status == PASTA_OK)
        status = pasta_out_open(&out, path, err);
    while (status == PASTA_OK && (status = pairs_next(&pairs, &more, err)) == PASTA_OK && more && i < n) {
        if (isfinite(scores[i]))
            pasta_str_printf(&pairs.line, "%.9g}\n", scores[i]);
        else
            pasta_str_add(&pairs.line, "null}\n");
        status = pasta_out_write(&out, pairs.line.data, pairs.line.length, err);
        i++;
    }
    if (status == PASTA_OK && (i < n || more))
        status = pasta_fail(err, PASTA_ERR_INPUT, "'%s', '%s': expected the %lld pairs that were scored, found others", in->prompts,
                            in->images, (long long)n);
    if (status == PASTA_OK)
        status = pasta_out_commit(&out, err);
    pasta_out_abort(&out);
    pairs_close(&pairs);
    return status;
}

static pasta_status lines_of_file(const struct embed_inputs *in, const char *values, const char *path, struct pasta_err *err)
{
    struct pasta_safetensors *file;
    const struct pasta_st_tensor *scores;
    pasta_status status = pasta_safetensors_open(values, &file, err);
    if (status != PASTA_OK)
        return status;
    status = pasta_safetensors_want(file, "scores", PASTA_ST_F32, 1, (int64_t[]){-1}, &scores, err);
    if (status == PASTA_OK)
        status = write_lines(in, scores->data, scores->shape[0], path, err);
    pasta_safetensors_close(file);
    return status;
}

pasta_status embed_scores(const struct pasta_context *context, const struct embed_inputs *in, struct embed_encoder *e,
                          struct pasta_err *err)
{
    const char *path = context->out;
    if (context->dry_run || (!pasta_ends_with(path, ".jsonl") && !pasta_ends_with(path, ".jsonl.gz")))
        return embed_lists(context, in, e, path, err);
    char *values = pasta_asprintf("%s.safetensors", path);
    pasta_status status = PASTA_OK;
    if (pasta_file_exists(path) && !pasta_file_exists(values) && !context->force)
        status = pasta_fail(err, PASTA_ERR_USAGE, "'%s' is already there, without the '%s' that says of which run; --force replaces it", path,
                            values);
    if (status == PASTA_OK)
        status = embed_lists(context, in, e, values, err);
    if (status == PASTA_OK)
        status = lines_of_file(in, values, path, err);
    free(values);
    return status;
}
