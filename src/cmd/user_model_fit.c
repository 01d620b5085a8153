#include "user_model_fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "pasta/base/log.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/base/progress.h"
#include "pasta/base/rng.h"
#include "pasta/io/file.h"
#include "pasta/io/metrics.h"
#include "pasta/tensor/pt.h"
#include "user_model_towers.h"

/* Below this many operations a step, starting threads costs more than they bring (with busy neighbours, many times more). Small fits thus
 * run on one thread, and their bytes do not depend on --threads. */
#define WORK_FOR_THREADS 2e10
enum { LOG_EVERY = 10 }; /* steps between rows of metrics.jsonl, besides those at which the target is copied */

struct fit {
    const struct pasta_context *context;
    struct pasta_em *em;
    struct pasta_metrics *metrics;
    char *dir, *checkpoint;
    int number, of;
};

/* --- one fit --------------------------------------------------------------------------------------------------------------------- */

static void record(struct fit *f, const struct pasta_em_metrics *m)
{
    const struct { const char *name; double value; } rows[] = {
        {"loss", m->loss}, {"loss/pair", m->pair}, {"loss/rating", m->rating}, {"loss/choice", m->choice}, {"loss/cross_turn", m->versus},
        {"loglik/train", m->train_loglik}, {"loglik/held_out", m->held_out_loglik}, {"responsibilities/entropy", m->responsibility_entropy},
        {"types/effective", m->effective_types}, {"types/dead", m->dead_types}, {"types/duplicate", m->duplicate_types},
        {"types/reseeded", m->reseeded_types}, {"heads/temperature", m->temperature}, {"heads/scale", m->scale}, {"heads/tie", m->tie},
        {"heads/rating_noise", m->rating_noise}, {"learning_rate", m->learning_rate}, {"gradient_norm", m->grad_norm}};
    int64_t step = pasta_em_position(f->em);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (isfinite(rows[i].value))
            pasta_metrics_put(f->metrics, step, rows[i].name, rows[i].value);
    for (int k = 0; m->copied && k < (int)f->context->config.user_model.types; k++) {
        char name[32];
        snprintf(name, sizeof name, "prior/%d", k);
        pasta_metrics_put(f->metrics, step, name, pasta_em_prior(f->em)[k]);
    }
}

/* The last row also says how the types ended. */
static pasta_status add_types(const struct fit *f, struct pasta_em_metrics *m, struct pasta_err *err)
{
    int K = (int)f->context->config.user_model.types;
    struct pasta_em_type *types = pasta_calloc((size_t)K, sizeof *types);
    pasta_status status = pasta_em_types(f->em, types, err);
    m->dead_types = m->duplicate_types = 0;
    for (int k = 0; k < K; k++) {
        m->dead_types += types[k].dead;
        m->duplicate_types += types[k].duplicate_of >= 0;
    }
    free(types);
    return status;
}

static pasta_status save_checkpoint(struct fit *f, struct pasta_err *err)
{
    pasta_status status = pasta_metrics_flush(f->metrics, err);
    return status == PASTA_OK ? pasta_em_save(f->em, f->checkpoint, err) : status;
}

static pasta_status train(struct fit *f, struct pasta_err *err)
{
    const struct pasta_user_model_settings *s = &f->context->config.user_model;
    int64_t total = pasta_em_total(f->em);
    struct pasta_progress progress;
    pasta_status status = PASTA_OK;
    pasta_progress_init(&progress, "train-user-model", "steps", total);
    progress.done = progress.first = pasta_em_position(f->em);
    while (status == PASTA_OK && pasta_em_position(f->em) < total) {
        struct pasta_em_metrics metrics;
        int64_t every = pasta_em_fine(f->em) ? s->fine.checkpoint_every : s->main.checkpoint_every;
        if ((status = pasta_em_step(f->em, &metrics, err)) != PASTA_OK)
            break;
        int64_t step = pasta_em_position(f->em);
        if (step == total && (status = add_types(f, &metrics, err)) != PASTA_OK)
            break;
        if (metrics.copied || step % LOG_EVERY == 0 || step == total)
            record(f, &metrics);
        pasta_progress_add(&progress, 1);
        bool stop = pasta_stop_asked() && (step < total || f->number + 1 < f->of);
        if (stop || (every > 0 && step % every == 0) || step == total)
            status = save_checkpoint(f, err);
        if (status == PASTA_OK && stop)
            status = pasta_fail(err, PASTA_ERR_STOPPED, "stopped after step %lld of %lld; --resume goes on from there", (long long)step,
                                (long long)total);
    }
    pasta_progress_done(&progress);
    return status;
}

static pasta_status run_fit(struct fit *f, struct pasta_err *err)
{
    bool resumed = f->context->resume && pasta_file_exists(f->checkpoint);
    pasta_status status = pasta_mkdirs(f->dir, err);
    if (status == PASTA_OK)
        status = resumed ? pasta_em_load(f->em, f->checkpoint, err) : pasta_em_start(f->em, f->context->threads, err);
    if (status == PASTA_OK && !resumed)
        pasta_info("%lld steps; tastes start %s", (long long)pasta_em_total(f->em),
                   pasta_em_clustered(f->em) ? "from clusters of the users" : "at random");
    if (status == PASTA_OK)
        status = pasta_metrics_open(&f->metrics, f->dir, resumed ? pasta_em_position(f->em) : -1, err);
    if (status == PASTA_OK)
        status = train(f, err);
    pasta_status closed = pasta_metrics_close(f->metrics, status == PASTA_OK ? err : NULL);
    return status == PASTA_OK ? closed : status;
}

/* --- the best of several ----------------------------------------------------------------------------------------------------------- */

/* Fit 0 has the run's own seed, so that more fits only add to what one would find. */
static uint64_t seed_of(uint64_t seed, int fit)
{
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_INIT, (uint32_t)fit, 5, 0);
    return fit == 0 ? seed : pasta_rng_u64(&rng);
}

static pasta_status new_em(const struct pasta_context *context, const struct pasta_user_data *data, const char *image_root, int fit,
                           struct pasta_em **out, struct pasta_err *err)
{
    const struct pasta_config *config = &context->config;
    const bool trained = user_model_trains_towers(context);
    struct pasta_em_towers towers;
    pasta_status status = trained ? user_model_towers(context, data, image_root, &towers, err) : PASTA_OK;
    pt_threads(1);
    if (status == PASTA_OK)
        status = pasta_em_new(&config->user_model, seed_of(config->seed, fit), config->device, data, trained ? &towers : NULL, out, err);
    if (status == PASTA_OK && pasta_em_work(*out) >= WORK_FOR_THREADS)
        pt_threads(context->threads);
    return status;
}

static pasta_status copy_up(const char *from, const char *to, const char *name, struct pasta_err *err)
{
    char *source = pasta_path_join(from, name), *target = pasta_path_join(to, name);
    struct pasta_str bytes = {0};
    pasta_status status = pasta_file_read(source, &bytes, err);
    if (status == PASTA_OK)
        status = pasta_file_write(target, bytes.data != NULL ? bytes.data : "", bytes.length, err);
    pasta_str_release(&bytes);
    free(source);
    free(target);
    return status;
}

pasta_status user_model_fits_new(const struct pasta_context *context, const struct pasta_user_data *data, const char *image_root,
                                 struct user_model_fits *out, struct pasta_err *err)
{
    *out = (struct user_model_fits){.n = (int)context->config.user_model.restarts, .image_root = image_root};
    return new_em(context, data, image_root, 0, &out->best, err);
}

/* A fit without held-out users is judged by those in training. */
static double worth(const struct user_model_fits *fits, int fit)
{
    return isfinite(fits->held_out[fit]) ? fits->held_out[fit] : fits->train[fit];
}

static char *fit_dir(const struct pasta_context *context, int n, int fit)
{
    return n == 1 ? pasta_strdup(context->out) : pasta_asprintf("%s/" USER_MODEL_RESTARTS "/%d", context->out, fit);
}

static pasta_status one_of(const struct pasta_context *context, struct user_model_fits *fits, int number, struct pasta_em *em,
                           struct pasta_err *err)
{
    struct fit f = {.context = context, .em = em, .number = number, .of = fits->n, .dir = fit_dir(context, fits->n, number)};
    f.checkpoint = pasta_path_join(f.dir, "checkpoint.safetensors");
    pasta_status status = run_fit(&f, err);
    if (status == PASTA_OK)
        status = pasta_em_loglik(em, &fits->train[number], &fits->held_out[number], err);
    if (status == PASTA_OK && fits->n > 1)
        pasta_info("fit %d of %d: log-likelihood %.5f, held out %.5f", number + 1, fits->n, fits->train[number], fits->held_out[number]);
    free(f.dir);
    free(f.checkpoint);
    return status;
}

pasta_status user_model_fit(const struct pasta_context *context, const struct pasta_user_data *data, struct user_model_fits *fits,
                            struct pasta_err *err)
{
    static const char *const curves[] = {"metrics.jsonl", "events.out.tfevents.0.pasta"};
    fits->train = pasta_calloc((size_t)fits->n, sizeof *fits->train);
    fits->held_out = pasta_calloc((size_t)fits->n, sizeof *fits->held_out);
    pasta_status status = one_of(context, fits, 0, fits->best, err);
    for (int i = 1; i < fits->n && status == PASTA_OK; i++) {
        struct pasta_em *em = NULL;
        status = new_em(context, data, fits->image_root, i, &em, err);
        if (status == PASTA_OK)
            status = one_of(context, fits, i, em, err);
        if (status == PASTA_OK && worth(fits, i) > worth(fits, fits->kept)) {
            pasta_em_free(fits->best);
            fits->best = em;
            fits->kept = i;
        } else {
            pasta_em_free(em);
        }
    }
    char *dir = fit_dir(context, fits->n, fits->kept);
    for (int i = 0; i < 2 && status == PASTA_OK && fits->n > 1; i++)
        status = copy_up(dir, context->out, curves[i], err);
    free(dir);
    return status;
}

void user_model_fits_release(struct user_model_fits *fits)
{
    pasta_em_free(fits->best);
    free(fits->train);
    free(fits->held_out);
    *fits = (struct user_model_fits){0};
}
