/* pasta-embed: CLIP features of images and prompts.
 *
 * Two forms: listed files into one safetensors file, or everything that session and single-turn records name into a feature pack. Items are
 * encoded in fixed batches in order of first appearance, each by one thread, so that the bytes do not depend on the number of threads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "pasta/base/json.h"
#include "pasta/base/log.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/base/progress.h"
#include "pasta/base/rng.h"
#include "pasta/base/threads.h"
#include "pasta/io/features.h"
#include "pasta/io/file.h"
#include "pasta/io/manifest.h"
#include "pasta/io/record.h"
#include "pasta/io/safetensors.h"
#include "pasta/model/clip.h"
#include "plan.h"
#include "record_files.h"
#include "run_stamp.h"
#include "torch_command.h"

static const char *model_path, *prompts_path, *images_path, *image_root;
static struct pasta_strings session_paths, preference_paths, rating_paths, ranking_paths;
static bool raw;

static const struct pasta_option options[] = {
    {"model", PASTA_OPT_STRING, &model_path, "DIR", "CLIP folder in the Hugging Face layout; default: embed.model, the embedded encoder",
     NULL},
    {"sessions", PASTA_OPT_STRINGS, &session_paths, "FILE", "session records", NULL},
    {"preferences", PASTA_OPT_STRINGS, &preference_paths, "FILE", "preference records", NULL},
    {"ratings", PASTA_OPT_STRINGS, &rating_paths, "FILE", "rating records", NULL},
    {"rankings", PASTA_OPT_STRINGS, &ranking_paths, "FILE", "ranking records", NULL},
    {"image-root", PASTA_OPT_STRING, &image_root, "DIR", "records: the folder above images/; a list: what its paths start from", NULL},
    {"prompts", PASTA_OPT_STRING, &prompts_path, "FILE", "prompts: .txt (every line one), .tsv or .jsonl", NULL},
    {"images", PASTA_OPT_STRING, &images_path, "LIST", "PNG, JPEG or WebP files, a path a line", NULL},
    {"raw", PASTA_OPT_FLAG, &raw, NULL, "with --prompts and --images: vectors as they are, not L2-normalised", NULL},
    RECORDS_SKIP_BAD,
    {0}};

static const struct pasta_command command = {
    .name = "pasta-embed",
    .summary = "CLIP features of images and prompts",
    .examples = "  pasta-embed --sessions runs/c/sessions.jsonl --preferences runs/c/preferences.jsonl --ratings runs/c/ratings.jsonl "
                "--image-root runs/c --out runs/features\n"
                "  pasta-embed --model DIR --prompts prompts.txt --images images.txt --image-root DIR --out features.safetensors\n"
                "  pasta-embed --sessions runs/c/sessions.jsonl --image-root runs/c --dry-run\n",
    .options = options,
    TORCH_COMMAND,
};

/* --- distinct strings in order of first appearance --- */

struct names { const char **items; size_t n, capacity; uint32_t *slots; size_t n_slots; };

static void names_grow(struct names *s)
{
    free(s->slots);
    s->n_slots = s->n_slots ? 2 * s->n_slots : 1024;
    s->slots = pasta_calloc(s->n_slots, sizeof *s->slots);
    for (size_t i = 0; i < s->n; i++) {
        size_t slot = pasta_hash64(s->items[i]) & (s->n_slots - 1);
        while (s->slots[slot])
            slot = (slot + 1) & (s->n_slots - 1);
        s->slots[slot] = (uint32_t)i + 1;
    }
}

/* `name` is borrowed. */
static void names_add(struct names *s, const char *name)
{
    if (2 * s->n >= s->n_slots)
        names_grow(s);
    size_t slot = pasta_hash64(name) & (s->n_slots - 1);
    for (; s->slots[slot]; slot = (slot + 1) & (s->n_slots - 1))
        if (strcmp(s->items[s->slots[slot] - 1], name) == 0)
            return;
    PASTA_GROW(s->items, s->n + 1, s->capacity);
    s->items[s->n++] = name;
    s->slots[slot] = (uint32_t)s->n;
}

static void names_release(struct names *s)
{
    free(s->items);
    free(s->slots);
}

/* --- encoding in parallel --- */

struct job {
    const struct pasta_clip *clip;
    const char *const *items;   /* texts, or paths of images */
    size_t n, batch;
    float *out;                 /* [n,D] */
    struct pasta_progress *progress;
};

static pasta_status encode_batch(void *ctx, int64_t item, int worker, struct pasta_err *err, bool images)
{
    (void)worker;
    const struct job *job = ctx;
    size_t first = (size_t)item * job->batch, n = job->n - first < job->batch ? job->n - first : job->batch;
    float *out = job->out + first * (size_t)pasta_clip_dim(job->clip);
    pt_threads(1);
    if (pasta_stop_asked())
        return pasta_fail(err, PASTA_ERR_STOPPED, "stopped before the features were complete; nothing was written");
    pasta_status status = PASTA_OK;
    if (images) {
        struct pasta_image *decoded = pasta_calloc(n, sizeof *decoded);
        for (size_t i = 0; i < n && status == PASTA_OK; i++)
            status = pasta_image_read(job->items[first + i], &decoded[i], err);
        if (status == PASTA_OK)
            status = pasta_clip_images(job->clip, decoded, (int)n, raw, out, err);
        for (size_t i = 0; i < n; i++)
            pasta_image_release(&decoded[i]);
        free(decoded);
    } else {
        status = pasta_clip_texts(job->clip, job->items + first, (int)n, raw, out, err);
    }
    pasta_progress_add(job->progress, (int64_t)n);
    return status;
}

static pasta_status encode_images(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    return encode_batch(ctx, item, worker, err, true);
}

static pasta_status encode_texts(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    return encode_batch(ctx, item, worker, err, false);
}

/* Vectors [n,D] of all images and texts; the caller frees both. */
static pasta_status encode(const struct pasta_context *context, const struct pasta_clip *clip, const char *const *paths, size_t n_images,
                           const char *const *texts, size_t n_texts, float **image_embeds, float **text_embeds, struct pasta_err *err)
{
    struct pasta_progress progress;
    size_t dim = (size_t)pasta_clip_dim(clip), batch = (size_t)context->config.embed.batch;
    *image_embeds = pasta_malloc(n_images * dim * sizeof(float));
    *text_embeds = pasta_malloc(n_texts * dim * sizeof(float));
    pasta_progress_init(&progress, "embed", "items", (int64_t)(n_images + n_texts));
    struct job images = {clip, paths, n_images, batch, *image_embeds, &progress};
    struct job prompts = {clip, texts, n_texts, batch, *text_embeds, &progress};
    pasta_status status = pasta_parallel_for((int64_t)((n_images + batch - 1) / batch), context->threads, encode_images, &images, err);
    if (status == PASTA_OK)
        status = pasta_parallel_for((int64_t)((n_texts + batch - 1) / batch), context->threads, encode_texts, &prompts, err);
    pasta_progress_done(&progress);
    return status;
}

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

/* --- listed files --- */

/* Lines of a file as they are; an empty line is an empty string. */
static pasta_status read_lines(const char *path, struct pasta_prompts *out, struct pasta_err *err)
{
    struct pasta_lines lines = {0};
    bool more = true;
    pasta_status status = pasta_lines_open(&lines, path, err);
    while (status == PASTA_OK && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more) {
        PASTA_GROW(out->items, out->n + 1, out->capacity);
        out->items[out->n++] = pasta_arena_strdup(&out->arena, lines.line.data ? lines.line.data : "");
    }
    pasta_lines_close(&lines);
    if (status == PASTA_OK && out->n == 0)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected a line for each item, found an empty file", path);
    return status;
}

static bool is_plain_text(const char *path)
{
    return !pasta_ends_with(path, ".tsv") && !pasta_ends_with(path, ".tsv.gz") && !pasta_ends_with(path, ".jsonl") &&
           !pasta_ends_with(path, ".jsonl.gz");
}

static pasta_status write_file(const struct pasta_context *context, const struct pasta_clip *clip, const float *image_embeds,
                               size_t n_images, const float *text_embeds, size_t n_texts, struct pasta_err *err)
{
    size_t row = (size_t)pasta_clip_dim(clip) * sizeof(float);
    struct pasta_st_tensor tensors[2];
    int n = 0;
    if (images_path)
        tensors[n++] = (struct pasta_st_tensor){"image_embeds", PASTA_ST_F32, 2, {(int64_t)n_images, pasta_clip_dim(clip)}, image_embeds,
                                                n_images * row};
    if (prompts_path)
        tensors[n++] = (struct pasta_st_tensor){"text_embeds", PASTA_ST_F32, 2, {(int64_t)n_texts, pasta_clip_dim(clip)}, text_embeds,
                                                n_texts * row};
    const char *const meta[][2] = {{"encoder", pasta_clip_hash(clip)}};
    return pasta_safetensors_write(context->out, tensors, n, meta, 1, err);
}

static pasta_status embed_lists(const struct pasta_context *context, const struct pasta_clip *clip, struct pasta_err *err)
{
    struct pasta_prompts texts = {0}, list = {0};
    float *image_embeds = NULL, *text_embeds = NULL;
    double started = pasta_now();
    pasta_status status = PASTA_OK;
    if (prompts_path)
        status = is_plain_text(prompts_path) ? read_lines(prompts_path, &texts, err) : pasta_prompts_read(prompts_path, &texts, err);
    if (status == PASTA_OK && images_path)
        status = read_lines(images_path, &list, err);
    for (size_t i = 0; i < list.n && image_root; i++)
        list.items[i] = pasta_arena_printf(&list.arena, "%s/%s", image_root, list.items[i]);
    if (status == PASTA_OK && context->dry_run) {
        status = plan(context, clip, list.items, list.n, texts.n, err);
        goto out;
    }
    if (status == PASTA_OK)
        status = encode(context, clip, list.items, list.n, texts.items, texts.n, &image_embeds, &text_embeds, err);
    if (status == PASTA_OK)
        status = write_file(context, clip, image_embeds, list.n, text_embeds, texts.n, err);
    if (status == PASTA_OK)
        report(context, clip, list.n, texts.n, started);
out:
    free(image_embeds);
    free(text_embeds);
    pasta_prompts_release(&texts);
    pasta_prompts_release(&list);
    return status;
}

/* --- records --- */

struct records {
    struct pasta_sessions sessions;
    struct pasta_preferences preferences;
    struct pasta_ratings ratings;
    struct pasta_rankings rankings;
};

static pasta_status read_records(struct records *r, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    for (int i = 0; i < session_paths.count && status == PASTA_OK; i++)
        status = records_sessions(session_paths.items[i], &r->sessions, err);
    for (int i = 0; i < preference_paths.count && status == PASTA_OK; i++)
        status = records_preferences(preference_paths.items[i], &r->preferences, err);
    for (int i = 0; i < rating_paths.count && status == PASTA_OK; i++)
        status = records_ratings(rating_paths.items[i], &r->ratings, err);
    for (int i = 0; i < ranking_paths.count && status == PASTA_OK; i++)
        status = records_rankings(ranking_paths.items[i], &r->rankings, err);
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

/* ROOT/images/ab/ID.png, or the same with another image format's ending, where there is such a file. */
static const char *image_path(struct pasta_arena *arena, const char *root, const char *id)
{
    for (int i = 0; pasta_image_endings[i]; i++) {
        const char *path = pasta_arena_printf(arena, "%s/images/%.2s/%s%s", root, id, id, pasta_image_endings[i]);
        if (pasta_file_exists(path))
            return path;
    }
    return pasta_arena_printf(arena, "%s/images/%.2s/%s%s", root, id, id, pasta_image_endings[0]);
}

/* settings.json: the records and the encoder decide the pack. Written with it, for a broken image is found late and leaves nothing
 * behind. */
static pasta_status stamp(const struct pasta_context *context, struct pasta_err *err)
{
    static const char *const kinds[] = {"sessions", "preferences", "ratings", "rankings"};
    const struct pasta_strings *lists[] = {&session_paths, &preference_paths, &rating_paths, &ranking_paths};
    struct pasta_arena arena = {0};
    int n = 0, most = 1;
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
        most += lists[k]->count;
    struct pasta_stamp_input *inputs = pasta_arena_alloc(&arena, (size_t)most * sizeof *inputs);
    char *model = *context->config.embed.model ? pasta_strdup(context->config.embed.model) : pasta_data_path("models/clip-sketch");
    inputs[n++] = (struct pasta_stamp_input){"encoder", pasta_arena_printf(&arena, "%s/model.safetensors", model)};
    free(model);
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
        for (int i = 0; i < lists[k]->count; i++)
            inputs[n++] = (struct pasta_stamp_input){pasta_arena_printf(&arena, "%s/%d", kinds[k], i), lists[k]->items[i]};
    const pasta_status status = pasta_run_stamp(context, inputs, n, err);
    pasta_arena_release(&arena);
    return status;
}

static pasta_status write_manifest(const struct pasta_context *context, const struct pasta_clip *clip, size_t n_images, size_t n_texts,
                                   struct pasta_err *err)
{
    static const char *const outputs[] = {"image.safetensors", "text.safetensors", "index.jsonl", "settings.json"};
    const struct pasta_strings *inputs[] = {&session_paths, &preference_paths, &rating_paths, &ranking_paths};
    struct pasta_manifest *m = pasta_manifest_new(command.name, context->argc, context->argv, &context->config);
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

static pasta_status embed_records(const struct pasta_context *context, const struct pasta_clip *clip, struct pasta_err *err)
{
    struct records records = {0};
    struct names images = {0}, texts = {0};
    struct pasta_arena arena = {0};
    float *image_embeds = NULL, *text_embeds = NULL;
    const char **paths = NULL;
    double started = pasta_now();
    pasta_status status = read_records(&records, err);
    if (status == PASTA_OK) {
        name_all(&records, &images, &texts);
        paths = pasta_calloc(images.n, sizeof *paths);
        for (size_t i = 0; i < images.n; i++)
            paths[i] = image_path(&arena, image_root ? image_root : ".", images.items[i]);
    }
    if (status == PASTA_OK && context->dry_run) {
        status = plan(context, clip, paths, images.n, texts.n, err);
        goto out;
    }
    if (status == PASTA_OK)
        status = encode(context, clip, paths, images.n, texts.items, texts.n, &image_embeds, &text_embeds, err);
    if (status == PASTA_OK)
        status = pasta_features_write(context->out, pasta_clip_hash(clip), pasta_clip_dim(clip), images.items, image_embeds, images.n,
                                      texts.items, text_embeds, texts.n, err);
    if (status == PASTA_OK)
        status = stamp(context, err);
    if (status == PASTA_OK)
        status = write_manifest(context, clip, images.n, texts.n, err);
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

static pasta_status prepare_out(const struct pasta_context *context, bool lists, bool *complete, struct pasta_err *err)
{
    static const char *const owned[] = {"image.safetensors", "text.safetensors", "index.jsonl", "settings.json", "manifest.json", NULL};
    *complete = false;
    if (!lists) {
        const pasta_status status = pasta_run_dir(context->out, context->force, context->resume, owned, complete, err);
        char *settings = pasta_path_join(context->out, "settings.json");
        const bool stamped = pasta_file_exists(settings);
        free(settings);
        return status == PASTA_OK && stamped ? stamp(context, err) : status;
    }
    if (pasta_file_exists(context->out) && !context->force)
        return pasta_fail(err, PASTA_ERR_USAGE, "'%s' is already there; --force replaces it", context->out);
    return PASTA_OK;
}

static pasta_status run(struct pasta_context *context, struct pasta_err *err)
{
    bool lists = prompts_path || images_path, complete = false;
    bool records = session_paths.count + preference_paths.count + rating_paths.count + ranking_paths.count > 0;
    if (lists == records)
        return pasta_fail(err, PASTA_ERR_USAGE,
                          "expected either --prompts and --images, or --sessions, --preferences, --ratings and --rankings, found %s",
                          lists ? "both" : "neither");
    if (raw && records)
        return pasta_fail(err, PASTA_ERR_USAGE, "--raw: expected --prompts or --images; a feature pack holds normalised vectors");
    if (model_path)
        context->config.embed.model = model_path;
    struct pasta_clip *clip;
    pasta_status status = pasta_clip_load(context->config.embed.model, context->config.device, &clip, err);
    if (status != PASTA_OK)
        return status;
    if (!context->dry_run && (status = prepare_out(context, lists, &complete, err)) == PASTA_OK && complete)
        status = report_complete(context, clip, err);
    else if (status == PASTA_OK)
        status = lists ? embed_lists(context, clip, err) : embed_records(context, clip, err);
    pasta_clip_free(clip);
    return status;
}

int main(int argc, char **argv)
{
    return pasta_command_main(&command, argc, argv, run);
}
