/* pasta-train-clip: an encoder for the sketch world, trained contrastively on captions and the images that are drawn for them.
 *
 * The run folder is itself a CLIP folder in the Hugging Face layout, with metrics.jsonl, evaluation.json and manifest.json beside the model.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clip_evaluation.h"
#include "common.h"
#include "pasta/base/log.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/base/progress.h"
#include "pasta/io/file.h"
#include "pasta/io/manifest.h"
#include "pasta/io/metrics.h"
#include "pasta/model/clip_train.h"
#include "pasta/model/weights.h"
#include "run_stamp.h"
#include "torch_command.h"

static const struct pasta_option options[] = {{0}};

static const struct pasta_command command = {
    .name = "pasta-train-clip",
    .summary = "contrastive training of an encoder on the sketch world",
    .examples = "  pasta-train-clip --config configs/clip-sketch.json --out runs/clip\n"
                "  pasta-train-clip --config configs/clip-sketch.json --out runs/clip --resume\n",
    .options = options,
    .no_dry_run = true,
    TORCH_COMMAND,
};

enum {
    TOKENIZER_CAPTIONS = 20000, /* read by the tokenizer's training */
    LOG_EVERY = 20,             /* steps between rows of metrics.jsonl */
};

static pasta_status train_tokenizer(const struct clip_pairs *w, int vocab, struct pasta_bpe **out, struct pasta_err *err)
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

static pasta_status new_clip(const struct pasta_context *context, const struct clip_pairs *w, struct pasta_clip **out, struct pasta_err *err)
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
static pasta_status make_encoder(const struct pasta_context *context, struct clip_pairs *w, struct pasta_err *err)
{
    struct training t = {.settings = &context->config.clip.train, .checkpoint = pasta_path_join(context->out, "checkpoint.safetensors")};
    const struct pasta_clip_source source = {w, clip_pair_train};
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

static const char *const outputs[] = {"config.json", "model.safetensors", "preprocessor_config.json", "vocab.json", "merges.txt", "tokenizer_config.json",
                                      "special_tokens_map.json", "evaluation.json", "metrics.jsonl", "checkpoint.safetensors",
                                      "events.out.tfevents.0.pasta", "settings.json", "manifest.json", NULL};

static pasta_status write_manifest(const struct pasta_context *context, struct pasta_err *err)
{
    struct pasta_manifest *m = pasta_manifest_new(command.name, context->argc, context->argv, &context->config);
    pasta_status status = PASTA_OK;
    torch_manifest(m);
    if (*context->config.world.lexicon)
        status = pasta_manifest_input(m, context->config.world.lexicon, err);
    for (int i = 0; strcmp(outputs[i], "manifest.json") != 0 && status == PASTA_OK; i++)
        status = pasta_manifest_output(m, context->out, outputs[i], err);
    pasta_manifest_count(m, "steps", context->config.clip.train.steps);
    pasta_manifest_count(m, "pairs", context->config.clip.train.steps * context->config.clip.train.batch);
    if (status == PASTA_OK)
        status = pasta_manifest_write(m, context->out, err);
    pasta_manifest_free(m);
    return status;
}

static pasta_status work(const struct pasta_context *context, struct clip_pairs *w, struct pasta_err *err)
{
    pasta_status status = pasta_sketch_open(&context->config.world, &context->config.agent, &w->sketch, err);
    if (status != PASTA_OK)
        return status;
    w->t2i = pasta_sketch_t2i(w->sketch);
    pt_threads(1); /* the workers are the parallelism: bits do not depend on their number */
    status = make_encoder(context, w, err);
    if (status == PASTA_OK)
        status = clip_evaluate(context, w, err);
    if (status == PASTA_OK)
        status = write_manifest(context, err);
    pasta_sketch_close(w->sketch);
    return status;
}

static pasta_status run(struct pasta_context *context, struct pasta_err *err)
{
    const struct pasta_config *config = &context->config;
    struct clip_pairs w = {.seed = config->seed, .total = config->clip.train.steps * config->clip.train.batch};
    bool complete;
    if (w.total > CLIP_HELD_OUT_FIRST)
        return pasta_fail(err, PASTA_ERR_USAGE, "clip.train.steps times clip.train.batch: expected at most %lld pairs", (long long)CLIP_HELD_OUT_FIRST);
    pasta_status status = pasta_run_dir(context->out, context->force, context->resume, outputs, &complete, err);
    if (status == PASTA_OK)
        status = pasta_run_stamp(context, &(struct pasta_stamp_input){"lexicon", config->world.lexicon}, 1, err);
    if (status == PASTA_OK && complete)
        pasta_info("'%s' is complete: nothing to do", context->out);
    else if (status == PASTA_OK)
        status = work(context, &w, err);
    return status == PASTA_OK ? clip_report(context, err) : status;
}

int main(int argc, char **argv)
{
    return pasta_command_main(&command, argc, argv, run);
}
