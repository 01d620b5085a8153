/* value_train.c: the loop around the steps: data order, learning rates, curves, checkpoints. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/base/rng.h"
#include "pasta/io/file.h"
#include "pasta/io/metrics.h"
#include "pasta/value/iql.h"
#include "trainer.h"

enum { LOG_EVERY = 10, MEASURE_EVERY = 100, MAX_MEASURED = 200 /* held-out episodes */ };
static const double HELD_OUT = 0.05;

struct training {
    const struct pasta_value_settings *settings;
    struct pasta_trainer trainer;
    struct pasta_episodes train, held_out;
    struct pasta_episode **measured; /* [n_measured] of held_out */
    int n_measured;
    struct pasta_metrics *metrics;
    uint64_t seed;
    int64_t step, last;             /* steps done; of all, learning the choices included */
    int per_step;                   /* episodes of a batch */
    struct pasta_episode **batch;   /* [per_step] */
    uint32_t *order;                /* [train.n] of `epoch` */
    int64_t epoch;                  /* -1: none yet */
    char *checkpoint;
};

/* --- data --------------------------------------------------------------------------------------------------------- */

/* By rater, so that no person is on both sides. */
static bool is_held_out(uint64_t seed, const char *rater)
{
    const uint64_t hash = pasta_hash64(rater ? rater : "");
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_SPLIT, (uint32_t)hash, (uint32_t)(hash >> 32), 0);
    return pasta_rng_uniform(&rng) < HELD_OUT;
}

static pasta_status read_episodes(struct training *t, const struct pasta_value_model *model, const struct pasta_sessions *sessions,
                                  bool versus, struct pasta_err *err)
{
    const struct pasta_session **train = pasta_malloc(sessions->n * sizeof *train);
    const struct pasta_session **held_out = pasta_malloc(sessions->n * sizeof *held_out);
    int n_train = 0, n_held_out = 0;
    for (size_t i = 0; i < sessions->n; i++) {
        if (!is_held_out(t->seed, sessions->items[i].rater_id))
            train[n_train++] = &sessions->items[i];
        else
            held_out[n_held_out++] = &sessions->items[i];
    }
    pasta_status st = pasta_episodes_init(&t->train, model, train, n_train, versus, err);
    if (st == PASTA_OK)
        st = pasta_episodes_init(&t->held_out, model, held_out, n_held_out, versus, err);
    if (st == PASTA_OK && t->train.n == 0)
        st = pasta_fail(err, PASTA_ERR_INPUT, "the sessions: expected turns with a slate to learn from, found none among %d sessions of "
                        "raters that are not held out", n_train);
    free(held_out);
    free(train);
    return st;
}

/* A random choice, so that no file of sessions is preferred to another. */
static void choose_measured(struct training *t)
{
    const int n = t->held_out.n;
    uint32_t *order = pasta_malloc((size_t)n * sizeof *order);
    struct pasta_rng rng = pasta_rng_at(t->seed, PASTA_RNG_SPLIT, 0, 0, 1); /* slot 0 is the split's own */
    for (int i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    pasta_rng_shuffle(&rng, order, (uint32_t)n);
    t->n_measured = n < MAX_MEASURED ? n : MAX_MEASURED;
    t->measured = pasta_malloc((size_t)t->n_measured * sizeof *t->measured);
    for (int i = 0; i < t->n_measured; i++)
        t->measured[i] = &t->held_out.items[order[i]];
    free(order);
}

static double mean_reward(const struct pasta_episodes *e)
{
    double sum = 0;
    for (int i = 0; i < e->n; i++)
        for (int k = 0; k < e->items[i].n; k++)
            sum += e->items[i].reward[k];
    return sum / (double)e->transitions;
}

/* The batch of step `step` (from 0): whole sessions, from a new random order each time all were seen. Depends on seed and step alone. */
static struct pasta_batch batch_at(struct training *t, int64_t step)
{
    for (int i = 0; i < t->per_step; i++) {
        const int64_t place = step * t->per_step + i, epoch = place / t->train.n;
        if (epoch != t->epoch) {
            struct pasta_rng rng = pasta_rng_at(t->seed, PASTA_RNG_BATCH, (uint32_t)epoch, 0, 0);
            for (int k = 0; k < t->train.n; k++)
                t->order[k] = (uint32_t)k;
            pasta_rng_shuffle(&rng, t->order, (uint32_t)t->train.n);
            t->epoch = epoch;
        }
        t->batch[i] = &t->train.items[t->order[place % t->train.n]];
    }
    return (struct pasta_batch){t->batch, t->per_step};
}

/* --- curves ------------------------------------------------------------------------------------------------------- */

static void put_stats(struct training *t, const char *prefix, const struct pasta_iql_stats *s)
{
    const struct { const char *name; double value; } values[] = {
        {"loss/v", s->loss_v}, {"loss/q", s->loss_q}, {"value/q", s->mean_q}, {"value/v", s->mean_v}, {"value/advantage", s->advantage}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char *name = pasta_asprintf("%s%s", prefix, values[i].name);
        pasta_metrics_put(t->metrics, t->step, name, values[i].value);
        free(name);
    }
}

static pasta_status measure_held_out(struct training *t, struct pasta_err *err)
{
    struct pasta_iql_stats stats;
    double choice;
    int64_t choices;
    const pasta_status st = pasta_iql_measure(&t->trainer, (struct pasta_batch){t->measured, t->n_measured}, &stats, &choice, &choices,
                                              err);
    if (st == PASTA_OK) {
        put_stats(t, "held_out/", &stats);
        if (choices > 0)
            pasta_metrics_put(t->metrics, t->step, "held_out/choice", choice);
    }
    return st;
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */

static pasta_status take_step(struct training *t, struct pasta_err *err)
{
    const struct pasta_value_settings *s = t->settings;
    const bool choices = t->step < s->choice_steps;
    const struct pasta_train_settings of_choices = {.steps = s->choice_steps, .learning_rate = s->choice_rate,
                                                    .cosine_period = s->choice_steps};
    const double rate = choices ? pasta_schedule(&of_choices, t->step) : pasta_schedule(&s->train, t->step - s->choice_steps);
    struct pasta_iql_stats stats;
    pasta_status st = t->step == s->choice_steps ? pasta_trainer_start_iql(&t->trainer, err) : PASTA_OK;
    if (st != PASTA_OK)
        return st;
    const struct pasta_batch batch = batch_at(t, t->step);
    st = choices ? pasta_choices_step(&t->trainer, batch, rate, &stats, err) : pasta_iql_step(&t->trainer, batch, rate, &stats, err);
    if (st != PASTA_OK)
        return st;
    if (!isfinite(stats.loss_v + stats.loss_q + stats.loss_choice))
        return pasta_fail(err, PASTA_ERR_FAILED, "step %lld: a loss is not finite; %s may be too high", (long long)t->step + 1,
                          choices ? "value.choice_rate" : "value.train.learning_rate");
    t->step++;
    if (t->step % LOG_EVERY != 0 && t->step != t->last)
        return PASTA_OK;
    pasta_metrics_put(t->metrics, t->step, "learning_rate", rate);
    pasta_metrics_put(t->metrics, t->step, choices ? "grad_norm/choice" : "grad_norm/q", stats.grad_q);
    if (choices || s->choice_weight > 0)
        pasta_metrics_put(t->metrics, t->step, "loss/choice", stats.loss_choice);
    if (!choices) {
        put_stats(t, "", &stats);
        if (t->trainer.v)
            pasta_metrics_put(t->metrics, t->step, "grad_norm/v", stats.grad_v);
    }
    if (!choices && t->n_measured > 0 && (t->step % MEASURE_EVERY == 0 || t->step == t->last))
        return measure_held_out(t, err);
    return PASTA_OK;
}

static pasta_status train(struct training *t, struct pasta_err *err)
{
    struct pasta_progress progress;
    pasta_status st = PASTA_OK;
    pasta_progress_init(&progress, "train-pasta", "steps", t->last);
    progress.done = progress.first = t->step;
    while (st == PASTA_OK && t->step < t->last) {
        st = take_step(t, err);
        pasta_progress_add(&progress, 1);
        const bool stop = pasta_stop_asked();
        if (st == PASTA_OK && (stop || t->step % t->settings->train.checkpoint_every == 0 || t->step == t->last) &&
            (st = pasta_metrics_flush(t->metrics, err)) == PASTA_OK)
            st = pasta_trainer_save(&t->trainer, t->checkpoint, t->step, err);
        if (st == PASTA_OK && stop && t->step < t->last)
            st = pasta_fail(err, PASTA_ERR_STOPPED, "stopped after step %lld; --resume goes on from there", (long long)t->step);
    }
    pasta_progress_done(&progress);
    return st;
}

/* Restores the checkpoint where there is one to go on from, and opens the curves. */
static pasta_status open_run(struct training *t, const char *out, bool resume, struct pasta_err *err)
{
    const bool resumed = resume && pasta_file_exists(t->checkpoint);
    const pasta_status st = resumed ? pasta_trainer_restore(&t->trainer, t->checkpoint, &t->step, err) : PASTA_OK;
    return st == PASTA_OK ? pasta_metrics_open(&t->metrics, out, resumed ? t->step : -1, err) : st;
}

pasta_status pasta_value_train(struct pasta_value_model *model, const struct pasta_value_settings *settings,
                               const struct pasta_sessions *sessions, const char *out, uint64_t seed, int threads, bool resume,
                               struct pasta_value_counts *counts, struct pasta_err *err)
{
    struct training t = {.settings = settings, .seed = seed, .last = settings->choice_steps + settings->train.steps, .epoch = -1,
                         .checkpoint = pasta_path_join(out, "checkpoint.safetensors")};
    pasta_status st = read_episodes(&t, model, sessions, strcmp(settings->reward, "versus") == 0, err);
    if (st == PASTA_OK) {
        t.per_step = (int)fmax(1, round((double)settings->train.batch * t.train.n / (double)t.train.transitions));
        t.batch = pasta_malloc((size_t)t.per_step * sizeof *t.batch);
        choose_measured(&t);
        t.order = pasta_malloc((size_t)t.train.n * sizeof *t.order);
        st = pasta_trainer_init(&t.trainer, model, settings, threads, err);
        t.trainer.mean_reward = model->mean_reward = mean_reward(&t.train);
    }
    if (st == PASTA_OK && (st = open_run(&t, out, resume, err)) == PASTA_OK) {
        st = train(&t, err);
        const pasta_status closed = pasta_metrics_close(t.metrics, st == PASTA_OK ? err : NULL);
        st = st == PASTA_OK ? closed : st;
    }
    if (st == PASTA_OK)
        *counts = (struct pasta_value_counts){t.train.n, t.held_out.n, t.train.transitions};
    pasta_trainer_release(&t.trainer);
    pasta_episodes_release(&t.held_out);
    pasta_episodes_release(&t.train);
    free(t.measured);
    free(t.order);
    free(t.batch);
    free(t.checkpoint);
    return st;
}
