/* em.c: the steps of Algorithm 1 (em.h). */
#include "pasta/user/em.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "em_state.h"
#include "pasta/base/mem.h"
#include "pasta/base/rng.h"

/* --- phases ---------------------------------------------------------------------------------------------------------------------- */

static const struct pasta_train_settings *phase_settings(const struct pasta_em *em, enum em_phase phase)
{
    return phase == EM_MAIN ? &em->settings->main : &em->settings->fine;
}

bool em_phase_has(enum em_phase phase, enum observation_kind kind)
{
    return phase == EM_FINE || kind != OBS_TURN;
}

int64_t em_phase_steps(const struct pasta_em *em, enum em_phase phase)
{
    bool data = phase == EM_MAIN ? em->order[OBS_PAIR].n + em->order[OBS_RATING].n > 0 : em->order[OBS_TURN].n > 0;
    return data ? phase_settings(em, phase)->steps : 0;
}

enum em_phase em_phase_at(const struct pasta_em *em, int64_t position, int64_t *step)
{
    int64_t main_steps = em_phase_steps(em, EM_MAIN);
    *step = position < main_steps ? position : position - main_steps;
    return position < main_steps ? EM_MAIN : EM_FINE;
}

int64_t pasta_em_position(const struct pasta_em *em) { return em->position; }
int64_t pasta_em_reseeded(const struct pasta_em *em) { return em->reseeded; }
int64_t pasta_em_total(const struct pasta_em *em) { return em_phase_steps(em, EM_MAIN) + em_phase_steps(em, EM_FINE); }
const double *pasta_em_prior(const struct pasta_em *em) { return em->prior; }
bool pasta_em_clustered(const struct pasta_em *em) { return em->clustered; }

/* Images go through three projections of K W D multiply-adds, texts through three; backward costs twice forward. Trained towers
 * have threads of their own (em_towers.c). */
double pasta_em_work(const struct pasta_em *em)
{
    const struct pasta_user_data *data = em->data;
    double most = 0;
    for (int phase = EM_MAIN; phase <= EM_FINE; phase++) {
        double rows = 0, batch = (double)phase_settings(em, (enum em_phase)phase)->batch;
        for (int kind = 0; kind < OBS_KINDS; kind++) {
            double n = fmin(batch, (double)em->order[kind].n);
            double a_turn = data->n_turns > 0 ? (double)data->n_slots / (double)data->n_turns : 0;
            if (em_phase_has((enum em_phase)phase, (enum observation_kind)kind))
                rows += n * (1 + (kind == OBS_PAIR ? 2 : kind == OBS_RATING ? 1 : a_turn));
        }
        most = em_phase_steps(em, (enum em_phase)phase) > 0 ? fmax(most, rows) : most;
    }
    return most * 3 * 2 * 3 * em->n_types * (em->online.width + 1.0) * data->dim;
}

bool pasta_em_fine(const struct pasta_em *em)
{
    int64_t step;
    return em_phase_at(em, em->position, &step) == EM_FINE;
}

void em_optim_new(struct pasta_em *em, enum em_phase phase)
{
    pasta_optim_free(em->optim);
    em->optim = pasta_optim_adamw(&em->online.params, phase_settings(em, phase)->weight_decay);
    if (em->towers != NULL)
        pasta_optim_add(em->optim, em_towers_params(em->towers), em->settings->towers_rate);
    em->optim_phase = phase;
}

/* --- life ------------------------------------------------------------------------------------------------------------------------ */

static void order_init(struct em_order *order, const struct pasta_user_data *data, enum observation_kind kind)
{
    size_t n = user_data_count(data, kind);
    order->train = pasta_malloc(n * sizeof *order->train);
    order->shuffled = pasta_malloc(n * sizeof *order->shuffled);
    order->epoch = -1;
    for (size_t i = 0; i < n; i++)
        if (!data->held_out[user_data_owner(data, kind, i)])
            order->train[order->n++] = (uint32_t)i;
}

pasta_status em_begin(struct pasta_em *em, const struct pasta_user_model *start, struct pasta_err *err)
{
    pasta_optim_free(em->optim);
    em->optim = NULL;
    user_net_release(&em->online);
    user_net_release(&em->target);
    pt_scope_open();
    user_net_init(&em->online, start, em->taste_basis, em->device, em->seed);
    user_net_copy(&em->target, &em->online);
    memcpy(em->prior, start->prior, (size_t)em->n_types * sizeof *em->prior);
    em->position = em->reseeded = 0;
    em->started = true;
    return pt_scope_close(err);
}

static pasta_status make_tables(struct pasta_em *em, struct pasta_err *err)
{
    const struct pasta_user_data *data = em->data;
    pt_scope_open();
    pt images = pt_borrow(data->image_table, PT_F32, PT_SHAPE((int64_t)data->images.n, data->dim));
    pt texts = pt_borrow(data->text_table, PT_F32, PT_SHAPE((int64_t)data->texts.n, data->dim));
    if (em->towers != NULL) { /* written to */
        images = pt_clone(images);
        texts = pt_clone(texts);
    }
    em->image_table = pt_keep(pt_to_device(images, em->device));
    em->text_table = pt_keep(pt_to_device(texts, em->device));
    em->taste_basis = pt_keep(pt_to_device(pt_from_f32(em->whitening.matrix, PT_SHAPE(data->dim, data->dim)), em->device));
    return pt_scope_close(err);
}

static pasta_status check_settings(const struct pasta_user_model_settings *settings, const struct pasta_user_data *data,
                                   const struct pasta_em_towers *towers, struct pasta_err *err)
{
    enum pasta_aggregate aggregate;
    if (pasta_aggregate_parse(settings->aggregate, &aggregate, err) != PASTA_OK)
        return PASTA_ERR_USAGE;
    if (strcmp(settings->responsibilities, "user") != 0 && strcmp(settings->responsibilities, "sample") != 0)
        return pasta_fail(err, PASTA_ERR_USAGE, "user_model.responsibilities: expected user or sample, found '%s'",
                          settings->responsibilities);
    if (strcmp(settings->start, "clusters") != 0 && strcmp(settings->start, "random") != 0)
        return pasta_fail(err, PASTA_ERR_USAGE, "user_model.start: expected clusters or random, found '%s'", settings->start);
    if (data->n_pairs + data->n_ratings + data->n_turns == 0 || data->held_out == NULL)
        return pasta_fail(err, PASTA_ERR_INPUT, "user model: expected observations, found none");
    if (towers != NULL && settings->reseed > 0)
        return pasta_fail(err, PASTA_ERR_USAGE, "user_model.reseed: expected 0 with trained towers, whose features no type was started from, found "
                          "%lld", (long long)settings->reseed);
    if (towers != NULL && strcmp(pasta_clip_hash(towers->clip), pasta_features_encoder(data->features)) != 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "user_model.towers: expected the encoder of the features, %.16s, to train on, found %.16s",
                          pasta_features_encoder(data->features), pasta_clip_hash(towers->clip));
    return PASTA_OK;
}

pasta_status pasta_em_new(const struct pasta_user_model_settings *settings, uint64_t seed, const char *device,
                          const struct pasta_user_data *data, const struct pasta_em_towers *towers, struct pasta_em **out,
                          struct pasta_err *err)
{
    enum pasta_aggregate aggregate = PASTA_AGG_MEAN;
    pasta_status status = check_settings(settings, data, towers, err);
    if (status == PASTA_OK)
        status = pasta_aggregate_parse(settings->aggregate, &aggregate, err);
    if (status != PASTA_OK) {
        pasta_clip_free(towers != NULL ? towers->clip : NULL);
        return status;
    }
    struct pasta_em *em = pasta_calloc(1, sizeof *em);
    *em = (struct pasta_em){.settings = settings, .data = data, .seed = seed, .device = device,
                           .n_types = (int)settings->types, .per_user = strcmp(settings->responsibilities, "user") == 0,
                           .towers = towers != NULL ? em_towers_new(towers, data) : NULL};
    em->n_groups = em->per_user ? data->users.n : data->n_pairs + data->n_ratings + data->n_turns;
    for (int kind = 0; kind < OBS_KINDS; kind++)
        order_init(&em->order[kind], data, (enum observation_kind)kind);
    size_t K = (size_t)em->n_types;
    em->prior = pasta_malloc(K * sizeof *em->prior);
    em->evidence = pasta_calloc(em->n_groups * K, sizeof *em->evidence);
    em->seen = pasta_calloc(em->n_groups, sizeof *em->seen);
    struct pasta_user_model *start = pasta_user_model_new(em->n_types, data->dim, (int)settings->adapter_width, aggregate,
                                                          settings->temperature_max, "");
    whitening_init(&em->whitening, data->image_table, data->images.n, data->dim, seed);
    status = em_towers_check(em, err);
    if (status == PASTA_OK)
        status = make_tables(em, err);
    if (status == PASTA_OK)
        status = em_begin(em, start, err);
    em->started = false;
    pasta_user_model_free(start);
    if (status != PASTA_OK) {
        pasta_em_free(em);
        return status;
    }
    *out = em;
    return PASTA_OK;
}

void pasta_em_free(struct pasta_em *em)
{
    if (em == NULL)
        return;
    pasta_optim_free(em->optim);
    user_net_release(&em->online);
    user_net_release(&em->target);
    em_towers_free(em->towers);
    pt_free(em->image_table);
    pt_free(em->text_table);
    pt_free(em->taste_basis);
    whitening_release(&em->whitening);
    user_batch_release(&em->batch);
    for (int kind = 0; kind < OBS_KINDS; kind++) {
        free(em->order[kind].train);
        free(em->order[kind].shuffled);
        free(em->picks[kind].items);
        free(em->picks[kind].gamma);
    }
    free(em->prior);
    free(em->evidence);
    free(em->seen);
    free(em);
}

/* --- one step -------------------------------------------------------------------------------------------------------------------- */

static void shuffle_epoch(struct em_order *order, uint64_t seed, enum em_phase phase, enum observation_kind kind, int64_t epoch)
{
    if (order->epoch == epoch)
        return;
    memcpy(order->shuffled, order->train, order->n * sizeof *order->train);
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_BATCH, (uint32_t)epoch, (uint32_t)kind, (uint32_t)phase);
    pasta_rng_shuffle(&rng, order->shuffled, (uint32_t)order->n);
    order->epoch = epoch;
}

/* The observations of one kind in the step's batch: all in order where they are no more than the batch, else the next ones of the shuffled
 * epochs. */
static void pick(struct pasta_em *em, enum em_phase phase, enum observation_kind kind, int64_t step)
{
    struct em_order *order = &em->order[kind];
    struct em_picks *p = &em->picks[kind];
    size_t batch = (size_t)phase_settings(em, phase)->batch;
    p->n = em_phase_has(phase, kind) ? (int)(order->n < batch ? order->n : batch) : 0;
    PASTA_GROW(p->items, (size_t)p->n + 1, p->item_capacity);
    if (order->n <= batch) {
        memcpy(p->items, order->train, (size_t)p->n * sizeof *p->items);
        return;
    }
    for (int i = 0; i < p->n; i++) {
        uint64_t at = (uint64_t)step * batch + (uint64_t)i;
        shuffle_epoch(order, em->seed, phase, kind, (int64_t)(at / order->n));
        p->items[i] = order->shuffled[at % order->n];
    }
}

/* Responsibilities of the batch; then the prior moves towards their mean, every user counted once. Returns the mean entropy. */
static double e_step(struct pasta_em *em)
{
    int K = em->n_types, groups = 0;
    double *gamma = pasta_calloc(2 * (size_t)K, sizeof *gamma), *mean = gamma + K, entropy = 0;
    for (int kind = 0; kind < OBS_KINDS; kind++) {
        struct em_picks *p = &em->picks[kind];
        PASTA_GROW(p->gamma, (size_t)K * (size_t)p->n + 1, p->gamma_capacity);
        for (int i = 0; i < p->n; i++) {
            size_t group = em_group(em, (enum observation_kind)kind, p->items[i]);
            em_responsibility(em, group, gamma);
            for (int k = 0; k < K; k++)
                p->gamma[(size_t)k * (size_t)p->n + (size_t)i] = (float)gamma[k];
            if (em->seen[group] == em->position + 1)
                continue;
            em->seen[group] = em->position + 1;
            groups++;
            for (int k = 0; k < K; k++) {
                mean[k] += gamma[k];
                entropy -= gamma[k] > 0 ? gamma[k] * log(gamma[k]) : 0;
            }
        }
    }
    double momentum = em->settings->prior_momentum;
    for (int k = 0; k < K; k++)
        em->prior[k] = momentum * em->prior[k] + (1 - momentum) * mean[k] / groups;
    free(gamma);
    return entropy / groups;
}

/* sum over types and observations of gamma * nll, divided by n; adds weight times it to *loss. */
static double add_part(struct pasta_em *em, pt nll, enum observation_kind kind, double n, double weight, pt *loss)
{
    const struct em_picks *p = &em->picks[kind];
    if (nll == NULL || n == 0)
        return NAN;
    pt gamma = pt_to_device(pt_from_f32(p->gamma, PT_SHAPE(em->n_types, p->n)), em->device);
    pt part = pt_mul_scalar(pt_sum(pt_mul(gamma, nll)), 1 / n);
    pt weighted = pt_mul_scalar(part, weight);
    *loss = *loss == NULL ? weighted : pt_add(*loss, weighted);
    return pt_item(part);
}

/* The batch's loss, whose gradients are left with the parameters. */
static pasta_status differentiate(struct pasta_em *em, enum em_phase phase, struct pasta_em_metrics *out, struct pasta_err *err)
{
    const struct pasta_user_model_settings *s = em->settings;
    double rehearsal = phase == EM_MAIN ? 1 : s->kappa_rehearsal, comparisons = 0;
    for (int i = 0; i < em->batch.n_turns; i++)
        comparisons += em->batch.has_versus[i];
    pt loss = NULL, images = em->image_table, texts = em->text_table;
    pasta_status status = em->towers != NULL ? em_towers_begin(em, &em->batch, &images, &texts, err) : PASTA_OK;
    if (status != PASTA_OK)
        return status;
    struct user_nll nll = user_net_nll(&em->online, images, texts, &em->batch);
    out->pair = add_part(em, nll.pair, OBS_PAIR, em->batch.n_pairs, rehearsal, &loss);
    out->rating = add_part(em, nll.rating, OBS_RATING, em->batch.n_ratings, rehearsal * s->kappa_rating, &loss);
    out->choice = add_part(em, nll.choice, OBS_TURN, em->batch.n_turns, s->kappa_choice, &loss);
    out->versus = add_part(em, nll.versus, OBS_TURN, comparisons, s->kappa_cross_turn, &loss);
    out->loss = pt_item(loss);
    if (!pt_failed() && !isfinite(out->loss))
        pt_fail("step %lld: expected a finite loss, found %g; try a smaller learning rate", (long long)em->position, out->loss);
    pt_backward(loss);
    return em->towers != NULL && !pt_failed() ? em_towers_backward(em, err) : PASTA_OK;
}

static pasta_status m_step(struct pasta_em *em, enum em_phase phase, int64_t step, struct pasta_em_metrics *out, struct pasta_err *err)
{
    struct batch_list lists[OBS_KINDS];
    for (int kind = 0; kind < OBS_KINDS; kind++)
        lists[kind] = (struct batch_list){em->picks[kind].items, em->picks[kind].n};
    user_batch_fill(&em->batch, em->data, lists);
    pt_scope_open();
    pasta_status status = differentiate(em, phase, out, err);
    if (status == PASTA_OK && !pt_failed()) {
        out->learning_rate = pasta_schedule(phase_settings(em, phase), step);
        out->grad_norm = pasta_optim_clip(em->optim, phase_settings(em, phase)->clip_norm);
        pasta_optim_step(em->optim, out->learning_rate);
        pasta_optim_zero_grad(em->optim);
        if (em->towers != NULL)
            em_towers_changed(em->towers);
    }
    const pasta_status closed = pt_scope_close(status == PASTA_OK ? err : NULL);
    return status == PASTA_OK ? closed : status;
}

/* Copies the online parameters into the target and recomputes what follows from them. */
static pasta_status copy_target(struct pasta_em *em, enum em_phase phase, struct pasta_em_metrics *out, struct pasta_err *err)
{
    pt_scope_open();
    pasta_params_lerp(&em->target.params, &em->online.params, 1);
    pasta_status status = pt_scope_close(err);
    if (status == PASTA_OK)
        status = em_evidence(em, &em->target, phase, false, em->evidence, err);
    out->copied = true;
    out->train_loglik = em_mean_loglik(em, em->evidence, phase, false);
    out->held_out_loglik = em_mean_loglik(em, em->evidence, phase, true);
    return status;
}

pasta_status pasta_em_step(struct pasta_em *em, struct pasta_em_metrics *out, struct pasta_err *err)
{
    struct pasta_em_metrics metrics = {.train_loglik = NAN, .held_out_loglik = NAN, .dead_types = NAN, .duplicate_types = NAN,
                                       .reseeded_types = NAN};
    int64_t step;
    enum em_phase phase = em_phase_at(em, em->position, &step);
    pasta_status started = em->started ? PASTA_OK : pasta_em_start(em, 1, err);
    if (started != PASTA_OK)
        return started;
    if (em->optim == NULL || em->optim_phase != phase)
        em_optim_new(em, phase);
    if (step % em->settings->target_every == 0) {
        pasta_status status = copy_target(em, phase, &metrics, err);
        if (status == PASTA_OK)
            status = em_reseed(em, phase, step, &metrics, err);
        if (status == PASTA_OK && metrics.reseeded_types > 0)
            status = copy_target(em, phase, &metrics, err);
        if (status != PASTA_OK)
            return status;
    }
    for (int kind = 0; kind < OBS_KINDS; kind++) {
        if (step == 0)
            em->order[kind].epoch = -1; /* another phase, other shuffles */
        pick(em, phase, (enum observation_kind)kind, step);
    }
    metrics.responsibility_entropy = e_step(em);
    pasta_status status = m_step(em, phase, step, &metrics, err);
    if (status != PASTA_OK)
        return status;
    em->position++;
    double entropy = 0;
    for (int k = 0; k < em->n_types; k++)
        entropy -= em->prior[k] > 0 ? em->prior[k] * log(em->prior[k]) : 0;
    metrics.effective_types = exp(entropy);
    pt_scope_open();
    user_net_heads(&em->online, &metrics.scale, &metrics.temperature, &metrics.tie, &metrics.rating_noise);
    *out = metrics;
    return pt_scope_close(err);
}

/* --- results --------------------------------------------------------------------------------------------------------------------- */

pasta_status pasta_em_model(const struct pasta_em *em, struct pasta_user_model **out, struct pasta_err *err)
{
    const struct user_net *net = &em->online;
    struct pasta_user_model *m = pasta_user_model_new(net->n_types, net->dim, net->width, net->aggregate, net->temperature_max,
                                                      pasta_features_encoder(em->data->features));
    pt_scope_open();
    user_net_export(net, m);
    memcpy(m->prior, em->prior, (size_t)em->n_types * sizeof *m->prior);
    pasta_status status = pt_scope_close(err);
    if (status == PASTA_OK)
        *out = m;
    else
        pasta_user_model_free(m);
    return status;
}

pasta_status pasta_em_user_loglik(const struct pasta_em *em, double *out, struct pasta_err *err)
{
    return em_evidence(em, &em->online, EM_FINE, true, out, err);
}
