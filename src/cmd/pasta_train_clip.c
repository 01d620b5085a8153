/* pasta-train-clip: an encoder for the sketch world, trained contrastively on captions and the images that are drawn for them.
 *
 * The run folder is itself a CLIP folder in the Hugging Face layout, with metrics.jsonl, evaluation.json and manifest.json beside the model.
 */
#include <math.h>
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
#include "pasta/io/file.h"
#include "pasta/io/manifest.h"
#include "pasta/io/metrics.h"
#include "pasta/model/clip_train.h"
#include "pasta/model/weights.h"
#include "pasta/tensor/blas.h"
#include "pasta/world/sketch.h"

static const struct pasta_option options[] = {{0}};

static const struct pasta_command command = {
    .name = "pasta-train-clip",
    .summary = "contrastive training of an encoder on the sketch world",
    .examples = "  pasta-train-clip --config configs/clip-sketch.json --out runs/clip\n"
                "  pasta-train-clip --config configs/clip-sketch.json --out runs/clip --resume\n",
    .options = options,
    .no_dry_run = true,
    .prepare = pasta_blas_ensure,
    .libraries = pasta_blas_describe,
};

enum {
    TOKENIZER_CAPTIONS = 20000, /* read by the tokenizer's training */
    GROUP = 100,                /* pairs that a retrieval chooses from */
    HELD_OUT = 6000,            /* pairs never trained on; probes learn on the first half */
    LOG_EVERY = 20,             /* steps between rows of metrics.jsonl */
};
static const int64_t HELD_OUT_FIRST = (int64_t)1 << 31; /* index of the first held-out pair: training never gets there */

/* --- pairs --- */

struct world { struct pasta_sketch *sketch; struct pasta_t2i t2i; uint64_t seed; };

static uint64_t image_seed(const struct world *w, int64_t index)
{
    struct pasta_rng rng = pasta_rng_at(w->seed, PASTA_RNG_IMAGE, (uint32_t)index, UINT32_MAX, 0);
    return pasta_rng_u64(&rng) >> 11; /* below 2^53 */
}

static pasta_status draw_pair(void *ctx, int64_t index, struct pasta_str *caption, struct pasta_image *image, struct pasta_err *err)
{
    const struct world *w = ctx;
    pasta_sketch_caption(w->sketch, w->seed, (uint32_t)index, caption);
    return w->t2i.draw(w->t2i.ctx, caption->data, image_seed(w, index), image, err);
}

/* Leaves out each phrase behind the first one with probability 2/3. */
static void shorten(struct pasta_str *caption, struct pasta_rng *rng)
{
    char *all = pasta_str_take(caption), *phrase = all, *comma;
    for (bool first = true; phrase; first = false) {
        comma = strstr(phrase, ", ");
        if (comma)
            *comma = '\0';
        if (first || pasta_rng_below(rng, 3) == 0)
            pasta_str_printf(caption, "%s%s", first ? "" : ", ", phrase);
        phrase = comma ? comma + 2 : NULL;
    }
    free(all);
}

/* A pair to train on. The image is drawn from the whole caption, but half of the captions are shortened: else style, palette and background tell the
 * images of a batch apart, and little is learned about what is in them; and prompts are often short. */
static pasta_status training_pair(void *ctx, int64_t index, struct pasta_str *caption, struct pasta_image *image, struct pasta_err *err)
{
    const struct world *w = ctx;
    struct pasta_rng rng = pasta_rng_at(w->seed, PASTA_RNG_CAPTION, (uint32_t)index, 1, 0);
    pasta_status status = draw_pair(ctx, index, caption, image, err);
    if (status == PASTA_OK && pasta_rng_below(&rng, 2) == 0)
        shorten(caption, &rng);
    return status;
}

static pasta_status train_tokenizer(const struct world *w, int vocab, struct pasta_bpe **out, struct pasta_err *err)
{
    const char **texts = pasta_calloc(TOKENIZER_CAPTIONS, sizeof *texts);
    struct pasta_arena arena = {0};
    struct pasta_str caption = {0};
    for (uint32_t i = 0; i < TOKENIZER_CAPTIONS; i++) {
        pasta_str_clear(&caption);
        pasta_sketch_caption(w->sketch, w->seed, i, &caption);
        texts[i] = pasta_arena_strdup(&arena, caption.data);
    }
    pasta_status status = pasta_bpe_train(texts, TOKENIZER_CAPTIONS, vocab, out, err);
    pasta_str_release(&caption);
    pasta_arena_release(&arena);
    free(texts);
    return status;
}

static pasta_status new_clip(const struct pasta_context *context, const struct world *w, struct pasta_clip **out, struct pasta_err *err)
{
    const struct pasta_clip_settings *c = &context->config.clip;
    const struct pasta_clip_shape shape = {
        .text = {c->text_width, 4 * c->text_width, c->text_layers, c->text_heads, true, 1e-5},
        .vision = {c->vision_width, 4 * c->vision_width, c->vision_layers, c->vision_heads, true, 1e-5},
        .context = c->context, .image_size = w->t2i.size, .patch = c->patch, .projection = c->projection, .logit_scale_init = 2.6592};
    struct pasta_bpe *bpe;
    pasta_status status = train_tokenizer(w, (int)c->vocab, &bpe, err);
    return status == PASTA_OK ? pasta_clip_new(&shape, bpe, context->config.seed, context->config.device, out, err) : status;
}

/* --- training --- */

struct training {
    struct pasta_clip *clip;
    struct pasta_optim *optim;
    struct pasta_metrics *metrics;
    const struct pasta_train_settings *settings;
    char *checkpoint;
    int64_t step;   /* steps done */
};

static pasta_status save_checkpoint(struct training *t, struct pasta_err *err)
{
    const struct pasta_checkpoint_list list = {"clip", pasta_clip_params(t->clip)};
    pasta_status status = pasta_metrics_flush(t->metrics, err);
    return status == PASTA_OK ? pasta_checkpoint_save(t->checkpoint, t->step, &list, 1, &t->optim, 1, err) : status;
}

static pasta_status take_step(struct training *t, struct pasta_clip_stream *stream, struct pasta_clip_team *team, struct pasta_err *err)
{
    const struct pasta_train_settings *s = t->settings;
    const float *pixels;
    const int64_t *ids;
    int n_ids;
    double value, norm, rate = pasta_schedule(s, t->step);
    pasta_status status = pasta_clip_stream_next(stream, &pixels, &ids, &n_ids, err);
    if (status == PASTA_OK)
        status = pasta_clip_team_gradients(team, pixels, ids, n_ids, &value, err);
    if (status != PASTA_OK)
        return status;
    pt_scope_open();
    norm = pasta_optim_clip(t->optim, s->clip_norm);
    pasta_optim_step(t->optim, rate);
    pasta_clip_clamp_scale(t->clip, 100.0);
    status = pt_scope_close(err);
    if (status == PASTA_OK && !isfinite(value))
        status = pasta_fail(err, PASTA_ERR_FAILED, "step %lld: the loss is %g; clip.train.learning_rate may be too high", (long long)t->step + 1, value);
    if (status != PASTA_OK)
        return status;
    t->step++;
    if (t->step % LOG_EVERY == 0 || t->step == s->steps) {
        pasta_metrics_put(t->metrics, t->step, "loss", value);
        pasta_metrics_put(t->metrics, t->step, "learning_rate", rate);
        pasta_metrics_put(t->metrics, t->step, "gradient_norm", norm);
        pasta_metrics_put(t->metrics, t->step, "logit_scale", pasta_clip_logit_scale(t->clip));
    }
    return PASTA_OK;
}

static pasta_status train(struct training *t, const struct pasta_clip_source *source, int threads, struct pasta_err *err)
{
    struct pasta_progress progress;
    struct pasta_clip_stream *stream = pasta_clip_stream_open(t->clip, source, (int)t->settings->batch, t->step, threads);
    struct pasta_clip_team *team = pasta_clip_team_new(t->clip, (int)t->settings->batch, threads);
    pasta_status status = PASTA_OK;
    pasta_progress_init(&progress, "train-clip", "steps", t->settings->steps);
    progress.done = progress.first = t->step;
    while (status == PASTA_OK && t->step < t->settings->steps) {
        status = take_step(t, stream, team, err);
        pasta_progress_add(&progress, 1);
        bool stop = pasta_stop_asked();
        if (status == PASTA_OK && (stop || t->step % t->settings->checkpoint_every == 0 || t->step == t->settings->steps))
            status = save_checkpoint(t, err);
        if (status == PASTA_OK && stop && t->step < t->settings->steps)
            status = pasta_fail(err, PASTA_ERR_STOPPED, "stopped after step %lld; --resume goes on from there", (long long)t->step);
    }
    pasta_progress_done(&progress);
    pasta_clip_stream_close(stream);
    pasta_clip_team_free(team);
    return status;
}

/* Trains, from the checkpoint where there is one, and saves the encoder in context->out. */
static pasta_status make_encoder(const struct pasta_context *context, struct world *w, struct pasta_err *err)
{
    struct training t = {.settings = &context->config.clip.train, .checkpoint = pasta_path_join(context->out, "checkpoint.safetensors")};
    const struct pasta_clip_source source = {w, training_pair};
    bool resumed = context->resume && pasta_file_exists(t.checkpoint);
    pasta_status status = new_clip(context, w, &t.clip, err);
    if (status == PASTA_OK) {
        pasta_params_requires_grad(pasta_clip_params(t.clip), true);
        t.optim = pasta_optim_adamw(pasta_clip_params(t.clip), t.settings->weight_decay);
        const struct pasta_checkpoint_list list = {"clip", pasta_clip_params(t.clip)};
        if (resumed)
            status = pasta_checkpoint_restore(t.checkpoint, &t.step, &list, 1, &t.optim, 1, err);
    }
    if (status == PASTA_OK)
        status = pasta_metrics_open(&t.metrics, context->out, resumed ? t.step : -1, err);
    if (status == PASTA_OK) {
        pasta_info("%lld parameters, vocabulary of %d, %lld steps of %lld pairs", (long long)pasta_params_count(pasta_clip_params(t.clip)),
                   pasta_bpe_vocab(pasta_clip_bpe(t.clip)), (long long)t.settings->steps, (long long)t.settings->batch);
        status = train(&t, &source, context->threads, err);
    }
    pasta_status closed = pasta_metrics_close(t.metrics, status == PASTA_OK ? err : NULL);
    status = status == PASTA_OK ? closed : status;
    if (status == PASTA_OK)
        status = pasta_clip_save(t.clip, context->out, PT_F16, err);
    pasta_optim_free(t.optim);
    pasta_clip_free(t.clip);
    free(t.checkpoint);
    return status;
}

/* --- evaluation, of the encoder as it was saved --- */

struct held_out {
    float *images, *texts;          /* [HELD_OUT,D] */
    int *labels[2];                 /* subject group, style: [HELD_OUT] */
    int n_classes[2];
};

/* Index of a label among those seen so far. */
static int class_of(const char *label, const char **seen, int *n)
{
    for (int i = 0; i < *n; i++)
        if (strcmp(seen[i], label) == 0)
            return i;
    seen[*n] = label;
    return (*n)++;
}

static pasta_status embed_held_out(const struct pasta_clip *clip, const struct world *w, struct held_out *h, struct pasta_err *err)
{
    enum { MAX_CLASSES = 256 };
    const char *seen[2][MAX_CLASSES], *labels[2];
    int dim = pasta_clip_dim(clip);
    struct pasta_str caption = {0};
    pasta_status status = PASTA_OK;
    for (int i = 0; i < HELD_OUT && status == PASTA_OK; i++) {
        struct pasta_image image = {0};
        pasta_str_clear(&caption);
        status = draw_pair((void *)(uintptr_t)w, HELD_OUT_FIRST + i, &caption, &image, err);
        if (status == PASTA_OK)
            status = pasta_clip_images(clip, &image, 1, false, h->images + (size_t)i * (size_t)dim, err);
        if (status == PASTA_OK)
            status = pasta_clip_texts(clip, (const char *const *)&caption.data, 1, false, h->texts + (size_t)i * (size_t)dim, err);
        pasta_image_release(&image);
        pasta_sketch_labels(w->sketch, caption.data, image_seed(w, HELD_OUT_FIRST + i), &labels[0], &labels[1]);
        for (int k = 0; k < 2 && status == PASTA_OK; k++) {
            h->labels[k][i] = class_of(labels[k], seen[k], &h->n_classes[k]);
            if (h->n_classes[k] == MAX_CLASSES)
                status = pasta_fail(err, PASTA_ERR_INPUT, "held-out images: expected fewer than %d labels", MAX_CLASSES);
        }
        if (pasta_stop_asked() && status == PASTA_OK)
            status = pasta_fail(err, PASTA_ERR_STOPPED, "stopped during the evaluation; --resume does it again");
    }
    pasta_str_release(&caption);
    return status;
}

struct share { double value, low, high; }; /* with its 95 % interval */

/* Mean over groups, interval from their spread. */
static struct share share_of_groups(const double *values, int n)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++)
        sum += values[i];
    for (int i = 0; i < n; i++)
        squares += (values[i] - sum / n) * (values[i] - sum / n);
    double half = 1.96 * sqrt(squares / (n - 1) / n);
    return (struct share){sum / n, sum / n - half, sum / n + half};
}

/* Wilson's interval of a share of n. */
static struct share share_of_count(double p, int n)
{
    const double z = 1.96;
    double centre = (p + z * z / (2 * n)) / (1 + z * z / n), half = z * sqrt(p * (1 - p) / n + z * z / (4.0 * n * n)) / (1 + z * z / n);
    return (struct share){p, centre - half, centre + half};
}

static void put_share(struct pasta_str *out, const char *name, struct share s)
{
    const double values[] = {s.value, s.low, s.high};
    static const char *const keys[] = {"value", "low", "high"};
    pasta_str_printf(out, "  \"%s\": {", name);
    for (int i = 0; i < 3; i++) {
        pasta_str_printf(out, "%s\"%s\": ", i ? ", " : "", keys[i]);
        pasta_json_put_num(out, round(values[i] * 1e6) / 1e6);
    }
    pasta_str_add(out, "},\n");
}

static pasta_status write_evaluation(const struct pasta_context *context, const struct pasta_clip *clip, const struct held_out *h, struct pasta_err *err)
{
    double groups[HELD_OUT / GROUP], accuracy;
    static const char *const names[] = {"probe_subject_group", "probe_style"};
    struct share shares[3];
    struct pasta_str json = {0};
    pasta_clip_retrieval(h->images, h->texts, HELD_OUT, pasta_clip_dim(clip), GROUP, groups);
    shares[0] = share_of_groups(groups, HELD_OUT / GROUP);
    pasta_str_printf(&json, "{\n  \"schema\": \"pasta.clip_evaluation/1\",\n  \"encoder\": \"%s\",\n  \"pairs\": %d,\n  \"group\": %d,\n", pasta_clip_hash(clip), HELD_OUT, GROUP);
    put_share(&json, "retrieval_top1", shares[0]);
    pasta_status status = PASTA_OK;
    for (int k = 0; k < 2 && status == PASTA_OK; k++) {
        status = pasta_clip_probe(h->images, h->labels[k], HELD_OUT, HELD_OUT / 2, pasta_clip_dim(clip), h->n_classes[k], &accuracy, err);
        shares[1 + k] = share_of_count(accuracy, HELD_OUT - HELD_OUT / 2);
        put_share(&json, names[k], shares[1 + k]);
        pasta_str_printf(&json, "  \"%s_classes\": %d%s", names[k], h->n_classes[k], k ? "\n}\n" : ",\n");
    }
    char *path = pasta_path_join(context->out, "evaluation.json");
    if (status == PASTA_OK)
        status = pasta_file_write(path, json.data, json.length, err);
    if (status == PASTA_OK && context->json)
        fputs(json.data, stdout);
    else if (status == PASTA_OK)
        printf("image-to-prompt retrieval, top 1 of %d   %5.1f %%  [%.1f, %.1f]  (%d held-out pairs)\n"
               "linear probe, subject group (%2d)        %5.1f %%  [%.1f, %.1f]\nlinear probe, style (%2d)                %5.1f %%  [%.1f, %.1f]\n",
               GROUP, 100 * shares[0].value, 100 * shares[0].low, 100 * shares[0].high, HELD_OUT, h->n_classes[0], 100 * shares[1].value, 100 * shares[1].low,
               100 * shares[1].high, h->n_classes[1], 100 * shares[2].value, 100 * shares[2].low, 100 * shares[2].high);
    free(path);
    pasta_str_release(&json);
    return status;
}

static pasta_status evaluate(const struct pasta_context *context, const struct world *w, struct pasta_err *err)
{
    struct pasta_clip *clip;
    pasta_status status = pasta_clip_load(context->out, context->config.device, &clip, err);
    if (status != PASTA_OK)
        return status;
    size_t values = (size_t)HELD_OUT * (size_t)pasta_clip_dim(clip);
    struct held_out h = {.images = pasta_malloc(values * sizeof(float)), .texts = pasta_malloc(values * sizeof(float))};
    for (int k = 0; k < 2; k++)
        h.labels[k] = pasta_calloc(HELD_OUT, sizeof(int));
    status = embed_held_out(clip, w, &h, err);
    if (status == PASTA_OK)
        status = write_evaluation(context, clip, &h, err);
    free(h.images);
    free(h.texts);
    free(h.labels[0]);
    free(h.labels[1]);
    pasta_clip_free(clip);
    return status;
}

static const char *const outputs[] = {"config.json", "model.safetensors", "preprocessor_config.json", "vocab.json", "merges.txt", "tokenizer_config.json",
                                      "special_tokens_map.json", "evaluation.json", "metrics.jsonl", "checkpoint.safetensors",
                                      "events.out.tfevents.0.pasta", "manifest.json", NULL};

static pasta_status write_manifest(const struct pasta_context *context, struct pasta_err *err)
{
    struct pasta_manifest *m = pasta_manifest_new(command.name, context->argc, context->argv, &context->config);
    pasta_status status = PASTA_OK;
    pasta_manifest_library(m, "libtorch", pt_version());
    pasta_manifest_library(m, "blas", pasta_blas_describe());
    for (int i = 0; strcmp(outputs[i], "manifest.json") != 0 && status == PASTA_OK; i++)
        status = pasta_manifest_output(m, context->out, outputs[i], err);
    pasta_manifest_count(m, "steps", context->config.clip.train.steps);
    pasta_manifest_count(m, "pairs", context->config.clip.train.steps * context->config.clip.train.batch);
    if (status == PASTA_OK)
        status = pasta_manifest_write(m, context->out, err);
    pasta_manifest_free(m);
    return status;
}

static pasta_status run(struct pasta_context *context, struct pasta_err *err)
{
    const struct pasta_config *config = &context->config;
    bool complete;
    if (config->clip.train.steps * config->clip.train.batch > HELD_OUT_FIRST)
        return pasta_fail(err, PASTA_ERR_USAGE, "clip.train.steps times clip.train.batch: expected at most %lld pairs", (long long)HELD_OUT_FIRST);
    pasta_status status = pasta_run_dir(context->out, context->force, context->resume, outputs, &complete, err);
    if (status != PASTA_OK || complete)
        return status;
    struct world w = {.seed = config->seed};
    status = pasta_sketch_open(&config->world, &config->agent, &w.sketch, err);
    if (status != PASTA_OK)
        return status;
    w.t2i = pasta_sketch_t2i(w.sketch);
    pt_threads(1); /* the workers are the parallelism: bits do not depend on their number */
    status = make_encoder(context, &w, err);
    if (status == PASTA_OK)
        status = evaluate(context, &w, err);
    if (status == PASTA_OK)
        status = write_manifest(context, err);
    pasta_sketch_close(w.sketch);
    return status;
}

int main(int argc, char **argv)
{
    return pasta_command_main(&command, argc, argv, run);
}
