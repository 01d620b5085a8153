/* trainer.c: the losses and the steps of trainer.h. */
#include "trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"
#include "pasta/base/threads.h"
#include "pasta/value/iql.h"
#include "shards.h"

/* --- losses ------------------------------------------------------------------------------------------------------- */

pt pasta_iql_v_loss(pt q_target, pt v, double expectile)
{
    pt u = pt_sub(pt_detach(q_target), v);
    pt below = pt_to_dtype(pt_lt_scalar(u, 0), pt_dtype_of(u)); /* 1(u < 0) */
    pt weight = pt_abs(pt_add_scalar(pt_neg(below), expectile));
    return pt_mean(pt_mul(weight, pt_square(u)));
}

pt pasta_iql_q_loss(pt q, pt reward, pt v_next, double discount)
{
    pt target = pt_add(reward, pt_mul_scalar(pt_detach(v_next), discount));
    return pt_mean(pt_square(pt_sub(target, q)));
}

/* --- the state ---------------------------------------------------------------------------------------------------- */

static bool shared(const struct pasta_trainer *t)
{
    return t->model->f == t->model->v;
}

static void copy_params(struct pasta_params *out, const struct pasta_params *params)
{
    for (int i = 0; i < params->n; i++)
        pasta_params_add(out, params->items[i].name, pt_keep(pt_clone(pt_detach(params->items[i].tensor))));
}

pasta_status pasta_trainer_init(struct pasta_trainer *t, struct pasta_value_model *model, const struct pasta_value_settings *settings,
                                int threads, struct pasta_err *err)
{
    *t = (struct pasta_trainer){.model = model, .settings = settings, .threads = threads};
    const double decay = settings->train.weight_decay;
    t->target = pasta_gemma_copy(model->f);
    pt_scope_open();
    copy_params(&t->target_head, &model->f_head);
    if (settings->choice_steps > 0 && model->f_head_read) /* it was saved at the scale of values */
        pt_scale_(model->f_head.items[0].tensor, PASTA_CHOICE_SCALE);
    pasta_params_requires_grad(pasta_gemma_params(model->f), true);
    pasta_params_requires_grad(pasta_gemma_params(model->v), true);
    pasta_params_requires_grad(&model->f_head, true);
    pasta_params_requires_grad(&model->v_head, true);
    t->choices = pasta_optim_adafactor(pasta_gemma_params(model->f), decay);
    pasta_optim_add(t->choices, &model->f_head, 1);
    t->f = pasta_optim_adafactor(pasta_gemma_params(model->f), decay);
    pasta_optim_add(t->f, &model->f_head, 1);
    if (shared(t)) {
        pasta_optim_add(t->f, &model->v_head, 1);
    } else {
        t->v = pasta_optim_adafactor(pasta_gemma_params(model->v), decay);
        pasta_optim_add(t->v, &model->v_head, 1);
    }
    const pasta_status st = pt_scope_close(err);
    if (st != PASTA_OK)
        pasta_trainer_release(t);
    return st;
}

void pasta_trainer_release(struct pasta_trainer *t)
{
    pasta_optim_free(t->choices);
    pasta_optim_free(t->f);
    pasta_optim_free(t->v);
    pasta_gemma_free(t->target);
    pasta_params_release(&t->target_head);
    *t = (struct pasta_trainer){0};
}

enum { MAX_LISTS = 6, MAX_OPTIMS = 3 };

static int checkpoint_lists(struct pasta_trainer *t, struct pasta_checkpoint_list lists[MAX_LISTS])
{
    int n = 0;
    lists[n++] = (struct pasta_checkpoint_list){"f", pasta_gemma_params(t->model->f)};
    lists[n++] = (struct pasta_checkpoint_list){"f_head", &t->model->f_head};
    lists[n++] = (struct pasta_checkpoint_list){"v_head", &t->model->v_head};
    lists[n++] = (struct pasta_checkpoint_list){"target", pasta_gemma_params(t->target)};
    lists[n++] = (struct pasta_checkpoint_list){"target_head", &t->target_head};
    if (!shared(t))
        lists[n++] = (struct pasta_checkpoint_list){"v", pasta_gemma_params(t->model->v)};
    return n;
}

pasta_status pasta_trainer_save(struct pasta_trainer *t, const char *path, int64_t step, struct pasta_err *err)
{
    struct pasta_checkpoint_list lists[MAX_LISTS];
    struct pasta_optim *const optims[MAX_OPTIMS] = {t->choices, t->f, t->v};
    const int n = checkpoint_lists(t, lists);
    return pasta_checkpoint_save(path, step, lists, n, optims, t->v ? 3 : 2, err);
}

pasta_status pasta_trainer_restore(struct pasta_trainer *t, const char *path, int64_t *step, struct pasta_err *err)
{
    struct pasta_checkpoint_list lists[MAX_LISTS];
    struct pasta_optim *const optims[MAX_OPTIMS] = {t->choices, t->f, t->v};
    const int n = checkpoint_lists(t, lists);
    return pasta_checkpoint_restore(path, step, lists, n, optims, t->v ? 3 : 2, err);
}

/* --- passes over one shard ---------------------------------------------------------------------------------------- */

/* What a job does with each shard, possibly side by side. `total` numbers are of the whole batch, so that gradients are those of its
 * means. */
struct job {
    const struct pasta_trainer *t;
    struct pasta_shard *shards;
    int64_t total, choices;
    bool alone; /* one worker, which may use all threads */
};
typedef pasta_status (*shard_fn)(const struct job *job, struct pasta_shard *s, struct pasta_err *err);
struct errand { const struct job *job; shard_fn work; bool grad; };

static pasta_status run_shard(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    const struct errand *errand = ctx;
    struct pasta_shard *s = &errand->job->shards[item];
    (void)worker;
    if (s->n == 0)
        return PASTA_OK;
    const int threads = pt_threads_get();
    const bool grad = pt_grad_enable(errand->grad);
    if (!errand->job->alone)
        pt_threads(1);
    const pasta_status st = errand->work(errand->job, s, err);
    pt_threads(threads);
    pt_grad_enable(grad);
    return st;
}

static pasta_status run(const struct job *job, shard_fn work, bool grad, struct pasta_err *err)
{
    struct errand errand = {job, work, grad};
    return pasta_parallel_for(PASTA_SHARDS, job->alone ? 1 : job->t->threads, run_shard, &errand, err);
}

static bool one_pass(const struct pasta_rows_list *rows, enum pasta_pack_reads reads)
{
    return pasta_rows_in_pass(rows, 0, reads, PASTA_PASS_TOKENS) == rows->n;
}

static void job_init(struct job *job, const struct pasta_trainer *t, struct pasta_shard shards[PASTA_SHARDS], struct pasta_batch batch)
{
    *job = (struct job){.t = t, .shards = shards};
    pasta_shards_init(shards, PASTA_SHARDS, batch.episodes, batch.n, t->mean_reward);
    for (int k = 0; k < PASTA_SHARDS; k++) {
        job->total += shards[k].n;
        job->choices += shards[k].n_choices;
        /* gradients of several passes a shard would be added in an order that depends on the workers */
        job->alone = job->alone || !one_pass(&shards[k].f_rows, PASTA_PACK_BRANCHES) || !one_pass(&shards[k].v_rows, PASTA_PACK_FORKS);
    }
}

static void job_release(struct job *job)
{
    for (int k = 0; k < PASTA_SHARDS; k++)
        pasta_shard_release(&job->shards[k]);
}

static const char *device(const struct pasta_trainer *t)
{
    return pasta_gemma_device(t->model->f);
}

/* Values of trunk and head at the shard's rows, transition by transition, without gradients: V at the forks into out[n], or f at the
 * candidates into out[columns]. */
static pasta_status read_values(const struct pasta_trainer *t, const struct pasta_gemma *trunk, const struct pasta_params *head,
                                const struct pasta_rows_list *rows, enum pasta_pack_reads reads, float *out, struct pasta_err *err)
{
    pasta_status st = PASTA_OK;
    for (int r = 0, n; r < rows->n && st == PASTA_OK; r += n) {
        struct pasta_pass pass;
        n = pasta_rows_in_pass(rows, r, reads, PASTA_PASS_TOKENS);
        pasta_pass_init(&pass, rows->items + r, n, reads);
        pt_scope_open();
        pt values = pasta_value_read(trunk, head, &pass.pack.layout);
        pt_copy_f32(reads == PASTA_PACK_FORKS ? pasta_pass_forks(&pass, values, device(t)) : pasta_pass_columns(&pass, values, device(t)),
                    out);
        st = pt_scope_close(err);
        out += reads == PASTA_PACK_FORKS ? pass.n : pass.columns;
        pasta_pass_release(&pass);
    }
    return st;
}

static void mean_over_slates(const struct pasta_shard *s, const float *f, float *q)
{
    for (int i = 0; i < s->n; i++) {
        double sum = 0;
        for (int c = 0; c < s->columns[i]; c++)
            sum += *f++;
        q[i] = (float)(sum / s->columns[i]);
    }
}

static pasta_status work_target(const struct job *job, struct pasta_shard *s, struct pasta_err *err)
{
    const pasta_status st = read_values(job->t, job->t->target, &job->t->target_head, &s->f_rows, PASTA_PACK_BRANCHES, s->f_values, err);
    if (st == PASTA_OK)
        mean_over_slates(s, s->f_values, s->q_target);
    return st;
}

static pasta_status work_f(const struct job *job, struct pasta_shard *s, struct pasta_err *err)
{
    const pasta_status st = read_values(job->t, job->t->model->f, &job->t->model->f_head, &s->f_rows, PASTA_PACK_BRANCHES, s->f_values,
                                        err);
    if (st == PASTA_OK)
        mean_over_slates(s, s->f_values, s->q);
    return st;
}

/* V(h') is V of the next transition, and 0 after the last one. */
static void shift_v(struct pasta_shard *s, const float *v)
{
    for (int i = 0; i < s->n; i++)
        s->v_next[i] = s->next[i] > 0 ? v[i + 1] : 0;
}

static pasta_status work_v(const struct job *job, struct pasta_shard *s, struct pasta_err *err)
{
    const struct pasta_rows_list *rows = shared(job->t) ? &s->f_rows : &s->v_rows;
    return read_values(job->t, job->t->model->v, &job->t->model->v_head, rows, PASTA_PACK_FORKS, s->v, err);
}

/* V(h') as V stands now; s->v stays what the V loss saw. A shared trunk reads V where it reads f. */
static pasta_status work_v_next(const struct job *job, struct pasta_shard *s, struct pasta_err *err)
{
    float *v = pasta_malloc((size_t)s->n * sizeof *v);
    const struct pasta_rows_list *rows = shared(job->t) ? &s->f_rows : &s->v_rows;
    const pasta_status st = read_values(job->t, job->t->model->v, &job->t->model->v_head, rows, PASTA_PACK_FORKS, v, err);
    if (st == PASTA_OK)
        shift_v(s, v);
    free(v);
    return st;
}

static pasta_status backward_v(const struct job *job, struct pasta_shard *s, struct pasta_err *err)
{
    const struct pasta_trainer *t = job->t;
    pasta_status st = PASTA_OK;
    for (int r = 0, n, at = 0; r < s->v_rows.n && st == PASTA_OK; r += n) {
        struct pasta_pass pass;
        n = pasta_rows_in_pass(&s->v_rows, r, PASTA_PACK_FORKS, PASTA_PASS_TOKENS);
        pasta_pass_init(&pass, s->v_rows.items + r, n, PASTA_PACK_FORKS);
        pt_scope_open();
        pt v = pasta_pass_forks(&pass, pasta_value_read(t->model->v, &t->model->v_head, &pass.pack.layout), device(t)); /* [n] */
        pt q_target = pt_to_device(pt_from_f32(s->q_target + at, PT_SHAPE(pass.n)), device(t));
        pt_copy_f32(v, s->v + at);
        pt_backward(pt_mul_scalar(pasta_iql_v_loss(q_target, v, t->settings->expectile), (double)pass.n / (double)job->total));
        st = pt_scope_close(err);
        at += pass.n;
        pasta_pass_release(&pass);
    }
    return st;
}

/* The choices of one pass, f times `scale` being the logits; their sum is added to *sum. A mean over the batch once the passes are added.
 * NULL: none. */
static pt choices_loss(const struct job *job, struct pasta_shard *s, const struct pasta_pass *pass, pt f, int at, double scale)
{
    int n = 0;
    for (int i = at; i < at + pass->n; i++)
        n += s->choice[i] >= 0;
    if (n == 0)
        return NULL;
    pt loss = pasta_pass_choices(pass, pt_mul_scalar(f, scale), s->choice + at, device(job->t));
    s->loss_choice += pt_item(pt_detach(loss)) * n;
    return pt_mul_scalar(loss, (double)n / (double)job->choices);
}

static pasta_status backward_choices(const struct job *job, struct pasta_shard *s, struct pasta_err *err)
{
    pasta_status st = PASTA_OK;
    for (int r = 0, n, at = 0; r < s->f_rows.n && st == PASTA_OK; r += n) {
        struct pasta_pass pass;
        n = pasta_rows_in_pass(&s->f_rows, r, PASTA_PACK_BRANCHES, PASTA_PASS_TOKENS);
        pasta_pass_init(&pass, s->f_rows.items + r, n, PASTA_PACK_BRANCHES);
        pt_scope_open();
        pt loss = choices_loss(job, s, &pass, pasta_value_read(job->t->model->f, &job->t->model->f_head, &pass.pack.layout), at, 1);
        if (loss)
            pt_backward(loss);
        st = pt_scope_close(err);
        at += pass.n;
        pasta_pass_release(&pass);
    }
    return st;
}

/* The losses of one pass over rows with slates: Q's, that of the choices where it has a weight, and with a shared trunk V's at the forks of
 * the same rows. */
static pt slate_losses(const struct job *job, struct pasta_shard *s, const struct pasta_pass *pass, int at)
{
    const struct pasta_trainer *t = job->t;
    pt hidden = pasta_gemma_packed(t->model->f, &pass->pack.layout); /* [B,R,D] */
    pt f = pt_reshape(pt_linear(hidden, t->model->f_head.items[0].tensor, NULL), PT_SHAPE(-1));
    pt q = pasta_pass_slates(pass, f, device(t)), loss = NULL; /* [n] */
    pt_copy_f32(q, s->q + at);
    if (shared(t)) {
        pt v = pasta_pass_forks(pass, pt_reshape(pt_linear(hidden, t->model->v_head.items[0].tensor, NULL), PT_SHAPE(-1)), device(t));
        pt_copy_f32(v, s->v + at);
        if (!job->alone)
            shift_v(s, s->v); /* the pass is the whole shard */
        loss = pasta_iql_v_loss(pt_to_device(pt_from_f32(s->q_target + at, PT_SHAPE(pass->n)), device(t)), v, t->settings->expectile);
    }
    pt reward = pt_to_device(pt_from_f32(s->reward + at, PT_SHAPE(pass->n)), device(t));
    pt v_next = pt_to_device(pt_from_f32(s->v_next + at, PT_SHAPE(pass->n)), device(t));
    pt q_loss = pasta_iql_q_loss(q, reward, v_next, t->settings->discount);
    pt sum = pt_mul_scalar(loss ? pt_add(loss, q_loss) : q_loss, (double)pass->n / (double)job->total);
    pt choices = t->settings->choice_weight > 0 ? choices_loss(job, s, pass, f, at, PASTA_CHOICE_SCALE) : NULL;
    return choices ? pt_add(sum, pt_mul_scalar(choices, t->settings->choice_weight)) : sum;
}

static pasta_status backward_q(const struct job *job, struct pasta_shard *s, struct pasta_err *err)
{
    const enum pasta_pack_reads reads = shared(job->t) ? PASTA_PACK_FORKS | PASTA_PACK_BRANCHES : PASTA_PACK_BRANCHES;
    pasta_status st = PASTA_OK;
    for (int r = 0, n, at = 0; r < s->f_rows.n && st == PASTA_OK; r += n) {
        struct pasta_pass pass;
        n = pasta_rows_in_pass(&s->f_rows, r, PASTA_PACK_BRANCHES, PASTA_PASS_TOKENS);
        pasta_pass_init(&pass, s->f_rows.items + r, n, reads);
        pt_scope_open();
        pt_backward(slate_losses(job, s, &pass, at));
        st = pt_scope_close(err);
        at += pass.n;
        pasta_pass_release(&pass);
    }
    return st;
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

static void collect_stats(const struct job *job, struct pasta_iql_stats *stats)
{
    const struct pasta_value_settings *settings = job->t->settings;
    const double n = (double)job->total;
    for (int k = 0; k < PASTA_SHARDS; k++) {
        const struct pasta_shard *s = &job->shards[k];
        for (int i = 0; i < s->n; i++) {
            const double u = (double)s->q_target[i] - s->v[i], d = s->reward[i] + settings->discount * s->v_next[i] - s->q[i];
            stats->loss_v += fabs(settings->expectile - (u < 0)) * u * u / n;
            stats->loss_q += d * d / n;
            stats->mean_q += s->q[i] / n;
            stats->mean_v += s->v[i] / n;
            stats->advantage += u / n;
        }
        stats->loss_choice += job->choices ? s->loss_choice / (double)job->choices : 0;
    }
}

/* Clips, steps, and clears the gradients. */
static pasta_status apply(const struct pasta_trainer *t, struct pasta_optim *optim, double learning_rate, double *norm,
                          struct pasta_err *err)
{
    pt_scope_open();
    *norm = pasta_optim_clip(optim, t->settings->train.clip_norm);
    pasta_optim_step(optim, learning_rate);
    pasta_optim_zero_grad(optim);
    return pt_scope_close(err);
}

pasta_status pasta_choices_step(struct pasta_trainer *t, struct pasta_batch batch, double learning_rate, struct pasta_iql_stats *stats,
                                struct pasta_err *err)
{
    struct pasta_shard shards[PASTA_SHARDS];
    struct job job;
    struct pasta_iql_stats found = {0};
    job_init(&job, t, shards, batch);
    pasta_status st = job.choices ? run(&job, backward_choices, true, err) : PASTA_OK;
    if (st == PASTA_OK && job.choices)
        st = apply(t, t->choices, learning_rate, &found.grad_q, err);
    for (int k = 0; k < PASTA_SHARDS; k++)
        found.loss_choice += job.choices ? shards[k].loss_choice / (double)job.choices : 0;
    job_release(&job);
    if (st == PASTA_OK)
        *stats = found;
    return st;
}

pasta_status pasta_iql_step(struct pasta_trainer *t, struct pasta_batch batch, double learning_rate, struct pasta_iql_stats *stats,
                            struct pasta_err *err)
{
    struct pasta_shard shards[PASTA_SHARDS];
    struct job job;
    struct pasta_iql_stats found = {0};
    job_init(&job, t, shards, batch);
    pasta_status st = run(&job, work_target, false, err);
    if (st == PASTA_OK && !shared(t) && (st = run(&job, backward_v, true, err)) == PASTA_OK)
        st = apply(t, t->v, learning_rate, &found.grad_v, err);
    if (st == PASTA_OK && (!shared(t) || job.alone))
        st = run(&job, work_v_next, false, err);
    if (st == PASTA_OK && (st = run(&job, backward_q, true, err)) == PASTA_OK)
        st = apply(t, t->f, learning_rate, &found.grad_q, err);
    if (st == PASTA_OK) {
        pt_scope_open();
        pasta_params_lerp(pasta_gemma_params(t->target), pasta_gemma_params(t->model->f), t->settings->polyak);
        pasta_params_lerp(&t->target_head, &t->model->f_head, t->settings->polyak);
        st = pt_scope_close(err);
    }
    if (st == PASTA_OK) {
        collect_stats(&job, &found);
        *stats = found;
    }
    job_release(&job);
    return st;
}

/* Adds 1 where the chosen column's f is the largest of its slate, a share where it ties. */
static void count_choices(const struct pasta_shard *s, double *hits, int64_t *turns)
{
    const float *f = s->f_values;
    for (int i = 0; i < s->n; f += s->columns[i], i++) {
        if (s->choice[i] < 0)
            continue;
        int larger = 0, equal = 0;
        for (int c = 0; c < s->columns[i]; c++) {
            larger += f[c] > f[s->choice[i]];
            equal += f[c] == f[s->choice[i]];
        }
        *hits += larger ? 0 : 1.0 / equal;
        ++*turns;
    }
}

pasta_status pasta_iql_measure(struct pasta_trainer *t, struct pasta_batch batch, struct pasta_iql_stats *stats, double *choice,
                               int64_t *choices, struct pasta_err *err)
{
    struct pasta_shard shards[PASTA_SHARDS];
    struct job job;
    struct pasta_iql_stats found = {0};
    double hits = 0;
    int64_t turns = 0;
    job_init(&job, t, shards, batch);
    pasta_status st = run(&job, work_target, false, err);
    if (st == PASTA_OK)
        st = run(&job, work_v, false, err);
    if (st == PASTA_OK)
        st = run(&job, work_v_next, false, err);
    if (st == PASTA_OK)
        st = run(&job, work_f, false, err);
    if (st == PASTA_OK) {
        collect_stats(&job, &found);
        for (int k = 0; k < PASTA_SHARDS; k++)
            count_choices(&shards[k], &hits, &turns);
        *stats = found;
        *choice = turns ? hits / (double)turns : NAN;
        *choices = turns;
    }
    job_release(&job);
    return st;
}

pasta_status pasta_trainer_start_iql(struct pasta_trainer *t, struct pasta_err *err)
{
    pt_scope_open();
    if (t->settings->choice_steps > 0)
        pt_scale_(t->model->f_head.items[0].tensor, 1.0 / PASTA_CHOICE_SCALE);
    else if (!t->model->f_head_read)
        pt_fill_(t->model->f_head.items[0].tensor, 0);
    if (!shared(t))
        pasta_params_lerp(pasta_gemma_params(t->model->v), pasta_gemma_params(t->model->f), 1);
    pasta_params_lerp(pasta_gemma_params(t->target), pasta_gemma_params(t->model->f), 1);
    pasta_params_lerp(&t->target_head, &t->model->f_head, 1);
    return pt_scope_close(err);
}
