/* embed_records.c: everything that session and single-turn records name, into a feature pack. Items are encoded in order of first
 * appearance. */
#include <stdio.h>
#include <stdlib.h>

#include "embed.h"
#include "names.h"
#include "pasta/base/json.h"
#include "pasta/base/log.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/features.h"
#include "pasta/io/file.h"
#include "pasta/io/image.h"
#include "pasta/io/manifest.h"
#include "plan.h"
#include "record_files.h"
#include "run_stamp.h"
#include "torch_command.h"

/* --- what is said of a pack --- */

static void print_json(const struct pasta_clip *clip, int64_t n_images, int64_t n_texts)
{
    printf("{\"images\":%lld,\"texts\":%lld,\"dim\":%d,\"encoder\":\"%s\"}\n", (long long)n_images, (long long)n_texts,
           pasta_clip_dim(clip), pasta_clip_hash(clip));
}

static void report(const struct pasta_context *context, const struct pasta_clip *clip, size_t n_images, size_t n_texts, double started)
{
    if (context->json)
        print_json(clip, (int64_t)n_images, (int64_t)n_texts);
    else
        pasta_info("%zu images and %zu texts as vectors of %d in %.1f s", n_images, n_texts, pasta_clip_dim(clip), pasta_now() - started);
}

/* Of a pack that an earlier run made. */
static pasta_status report_complete(const struct pasta_context *context, const struct pasta_clip *clip, struct pasta_err *err)
{
    char *path = pasta_path_join(context->out, "manifest.json");
    cJSON *manifest = NULL;
    const cJSON *counts;
    int64_t images, texts;
    pasta_status status;
    pasta_info("'%s' is complete: nothing to do", context->out);
    if ((status = pasta_json_read(path, &manifest, err)) == PASTA_OK &&
        (status = pasta_json_object(manifest, "counts", path, &counts, err)) == PASTA_OK &&
        (status = pasta_json_int(counts, "images", path, 0, INT64_MAX, &images, err)) == PASTA_OK &&
        (status = pasta_json_int(counts, "texts", path, 0, INT64_MAX, &texts, err)) == PASTA_OK && context->json)
        print_json(clip, images, texts);
    cJSON_Delete(manifest);
    free(path);
    return status;
}

/* What --dry-run says: every image is there, and so much will be written. */
static pasta_status plan(const struct pasta_context *context, const struct pasta_clip *clip, const char *const *paths, size_t n_images,
                         size_t n_texts, struct pasta_err *err)
{
    for (size_t i = 0; i < n_images; i++)
        if (!pasta_file_exists(paths[i]))
            return pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected an image, found no file", paths[i]);
    const double dim = pasta_clip_dim(clip), images = (double)n_images, texts = (double)n_texts;
    const struct pasta_plan_row rows[] = {{"images", "", images}, {"texts", "", texts}, {"dim", "", dim},
                                          {"features_disk", "bytes", 4 * dim * (images + texts)}};
    pasta_plan_print(rows, sizeof rows / sizeof *rows, context->json);
    return PASTA_OK;
}

/* --- records --- */

struct records {
    struct pasta_sessions sessions;
    struct pasta_preferences preferences;
    struct pasta_ratings ratings;
    struct pasta_rankings rankings;
};

static pasta_status read_records(const struct embed_inputs *in, struct records *r, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    for (int i = 0; i < in->sessions.count && status == PASTA_OK; i++)
        status = records_sessions(in->sessions.items[i], &r->sessions, err);
    for (int i = 0; i < in->preferences.count && status == PASTA_OK; i++)
        status = records_preferences(in->preferences.items[i], &r->preferences, err);
    for (int i = 0; i < in->ratings.count && status == PASTA_OK; i++)
        status = records_ratings(in->ratings.items[i], &r->ratings, err);
    for (int i = 0; i < in->rankings.count && status == PASTA_OK; i++)
        status = records_rankings(in->rankings.items[i], &r->rankings, err);
    return status;
}

static void name_session(const struct pasta_session *s, struct names *images, struct names *texts)
{
    names_add(texts, s->initial_prompt);
    for (int t = 0; t < s->n_turns; t++)
        for (int c = 0; c < s->turns[t].n_columns; c++) {
            const struct pasta_column *column = &s->turns[t].columns[c];
            names_add(texts, column->prompt);
            for (int i = 0; i < column->n_images; i++)
                names_add(images, column->images[i].id);
        }
}

static void name_all(const struct records *r, struct names *images, struct names *texts)
{
    for (size_t i = 0; i < r->sessions.n; i++)
        name_session(&r->sessions.items[i], images, texts);
    for (size_t i = 0; i < r->preferences.n; i++) {
        names_add(texts, r->preferences.items[i].prompt);
        names_add(images, r->preferences.items[i].image[0]);
        names_add(images, r->preferences.items[i].image[1]);
    }
    for (size_t i = 0; i < r->ratings.n; i++) {
        names_add(texts, r->ratings.items[i].prompt);
        names_add(images, r->ratings.items[i].image);
    }
    for (size_t i = 0; i < r->rankings.n; i++) {
        names_add(texts, r->rankings.items[i].prompt);
        for (int j = 0; j < r->rankings.items[i].n; j++)
            names_add(images, r->rankings.items[i].images[j]);
    }
}

/* settings.json: the records and the encoder decide the pack. Written with it, for a broken image is found late and leaves nothing
 * behind. */
static pasta_status stamp(const struct pasta_context *context, const struct embed_inputs *in, const struct pasta_clip *clip,
                          struct pasta_err *err)
{
    static const char *const kinds[] = {"sessions", "preferences", "ratings", "rankings"};
    const struct pasta_strings *lists[] = {&in->sessions, &in->preferences, &in->ratings, &in->rankings};
    struct pasta_arena arena = {0};
    int n = 0, most = 1;
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
        most += lists[k]->count;
    struct pasta_stamp_input *inputs = pasta_arena_alloc(&arena, (size_t)most * sizeof *inputs);
    inputs[n++] = (struct pasta_stamp_input){"encoder", pasta_arena_printf(&arena, PASTA_STAMP_HASH "%s", pasta_clip_hash(clip))};
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
        for (int i = 0; i < lists[k]->count; i++)
            inputs[n++] = (struct pasta_stamp_input){pasta_arena_printf(&arena, "%s/%d", kinds[k], i), lists[k]->items[i]};
    const pasta_status status = pasta_run_stamp(context, inputs, n, err);
    pasta_arena_release(&arena);
    return status;
}

static pasta_status write_manifest(const struct pasta_context *context, const struct embed_inputs *in, const struct pasta_clip *clip,
                                   size_t n_images, size_t n_texts, struct pasta_err *err)
{
    static const char *const outputs[] = {"image.safetensors", "text.safetensors", "index.jsonl", "settings.json"};
    const struct pasta_strings *inputs[] = {&in->sessions, &in->preferences, &in->ratings, &in->rankings};
    struct pasta_manifest *m = pasta_manifest_new(context->command->name, context->argc, context->argv, &context->config);
    pasta_status status = PASTA_OK;
    pasta_manifest_library(m, "encoder", pasta_clip_hash(clip));
    torch_manifest(m);
    for (size_t k = 0; k < sizeof inputs / sizeof *inputs; k++)
        for (int i = 0; i < inputs[k]->count && status == PASTA_OK; i++)
            status = pasta_manifest_input(m, inputs[k]->items[i], err);
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs && status == PASTA_OK; i++)
        status = pasta_manifest_output(m, context->out, outputs[i], err);
    pasta_manifest_count(m, "images", (int64_t)n_images);
    pasta_manifest_count(m, "texts", (int64_t)n_texts);
    if (status == PASTA_OK)
        status = pasta_manifest_write(m, context->out, err);
    pasta_manifest_free(m);
    return status;
}

/* Vectors [n,D] of all images and texts; the caller frees both. */
static pasta_status encode(struct embed_encoder *e, const char *const *paths, size_t n_images, const struct names *texts,
                           float **image_embeds, float **text_embeds, struct pasta_err *err)
{
    const size_t dim = (size_t)embed_dim(e);
    *image_embeds = pasta_malloc(n_images * dim * sizeof(float));
    *text_embeds = pasta_malloc(texts->n * dim * sizeof(float));
    e->stopped = "stopped before the features were complete; nothing was written";
    pasta_progress_init(&e->progress, "embed", "items", (int64_t)(n_images + texts->n));
    pasta_status status = embed_images(e, paths, n_images, *image_embeds, err);
    if (status == PASTA_OK)
        status = embed_texts(e, texts->items, texts->n, *text_embeds, NULL, err);
    pasta_progress_done(&e->progress);
    return status;
}

static pasta_status make_pack(const struct pasta_context *context, const struct embed_inputs *in, struct embed_encoder *e,
                              struct pasta_err *err)
{
    const struct pasta_clip *clip = e->clip;
    struct records records = {0};
    struct names images = {0}, texts = {0};
    struct pasta_arena arena = {0};
    float *image_embeds = NULL, *text_embeds = NULL;
    const char **paths = NULL;
    double started = pasta_now();
    pasta_status status = read_records(in, &records, err);
    if (status == PASTA_OK) {
        name_all(&records, &images, &texts);
        paths = pasta_calloc(images.n, sizeof *paths);
        for (size_t i = 0; i < images.n; i++)
            paths[i] = record_image_path(&arena, in->image_root ? in->image_root : ".", images.items[i]);
    }
    if (status == PASTA_OK && context->dry_run) {
        status = plan(context, clip, paths, images.n, texts.n, err);
        goto out;
    }
    if (status == PASTA_OK)
        status = encode(e, paths, images.n, &texts, &image_embeds, &text_embeds, err);
    if (status == PASTA_OK)
        status = pasta_features_write(context->out, pasta_clip_hash(clip), pasta_clip_dim(clip), images.items, image_embeds, images.n,
                                      texts.items, text_embeds, texts.n, err);
    if (status == PASTA_OK)
        status = stamp(context, in, clip, err);
    if (status == PASTA_OK)
        status = write_manifest(context, in, clip, images.n, texts.n, err);
    if (status == PASTA_OK)
        report(context, clip, images.n, texts.n, started);
out:
    free(image_embeds);
    free(text_embeds);
    free(paths);
    pasta_arena_release(&arena);
    names_release(&images);
    names_release(&texts);
    pasta_sessions_release(&records.sessions);
    pasta_preferences_release(&records.preferences);
    pasta_ratings_release(&records.ratings);
    pasta_rankings_release(&records.rankings);
    return status;
}

static pasta_status prepare_out(const struct pasta_context *context, const struct embed_inputs *in, const struct pasta_clip *clip,
                                bool *complete, struct pasta_err *err)
{
    static const char *const owned[] = {"image.safetensors", "text.safetensors", "index.jsonl", "settings.json", "manifest.json", NULL};
    const pasta_status status = pasta_run_dir(context->out, context->force, context->resume, owned, complete, err);
    char *settings = pasta_path_join(context->out, "settings.json");
    const bool stamped = pasta_file_exists(settings);
    free(settings);
    return status == PASTA_OK && stamped ? stamp(context, in, clip, err) : status;
}

pasta_status embed_records(const struct pasta_context *context, const struct embed_inputs *in, struct embed_encoder *e,
                           struct pasta_err *err)
{
    bool complete = false;
    const pasta_status status = context->dry_run ? PASTA_OK : prepare_out(context, in, e->clip, &complete, err);
    if (status != PASTA_OK)
        return status;
    return complete ? report_complete(context, e->clip, err) : make_pack(context, in, e, err);
}
