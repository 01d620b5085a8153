/* Mini-batches: one that holds all data is the full batch, shards sum to the whole, types that start anew do so in a resumed run as well. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pasta/base/paths.h"
#include "pasta/tensor/pt.h"
#include "unit/user_people.h"
#include "../../src/user/em_state.h"

enum { SHARDS = 4, PEOPLE = 24, EACH = 8, ALL = PEOPLE * EACH };

static struct pasta_user_model_settings settings_of(int steps, int batch, double rate)
{
    return (struct pasta_user_model_settings){
        .types = 3, .aggregate = "mean", .adapter_width = 3, .start = "random", .temperature_max = 3, .target_every = 1000, .prior_momentum = 1,
        .responsibilities = "user", .kappa_rating = 1, .kappa_rehearsal = 1, .kappa_choice = 1, .kappa_cross_turn = 1,
        .main = {.steps = steps, .batch = batch, .learning_rate = rate}, .fine = {.steps = steps, .batch = batch, .learning_rate = rate}};
}

static struct pasta_em *em_of(const struct pasta_user_model_settings *settings, const struct pasta_user_data *data)
{
    struct pasta_err err = {0};
    struct pasta_em *em = NULL;
    if (pasta_em_new(settings, 7, "cpu", data, NULL, &em, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return em;
}

static struct pasta_em_metrics step(struct pasta_em *em)
{
    struct pasta_err err = {0};
    struct pasta_em_metrics m;
    if (pasta_em_step(em, &m, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return m;
}

static void make(struct people *p, int turns)
{
    people_make(p, 21, (struct people_size){.dim = 6, .types = 3, .people = PEOPLE, .pairs = EACH, .ratings = EACH, .turns = turns, .strength = 2});
}

/* The first moments of all parameters, one after the other; caller frees. After steps at a learning rate of 0, nothing else has changed. */
static float *moments(struct pasta_em *em, size_t *n)
{
    const struct pasta_params *state = pasta_optim_state(em->optim);
    float *out = NULL;
    struct pasta_err err = {0};
    *n = 0;
    pt_scope_open();
    for (int i = 0; i < state->n; i++) {
        if (strncmp(state->items[i].name, "adamw.m.", 8) != 0)
            continue;
        size_t more = (size_t)pt_numel(state->items[i].tensor);
        out = pasta_realloc(out, *n + more, sizeof *out);
        pt_copy_f32(state->items[i].tensor, out + *n);
        *n += more;
    }
    if (pt_scope_close(&err) != PASTA_OK)
        fail_msg("%s", err.message);
    assert_true(*n > 0);
    return out;
}

/* At fixed parameters and prior, the loss and the gradient of an epoch's shards, of equal size, average to those of the whole. */
static void shards_sum_to_the_whole(void **state)
{
    (void)state;
    struct people people;
    make(&people, 0);
    struct pasta_user_data *data = people_data(&people, 0);
    struct pasta_user_model_settings whole = settings_of(1, ALL, 0), shards = settings_of(SHARDS, ALL / SHARDS, 0);
    struct pasta_em *a = em_of(&whole, data), *b = em_of(&shards, data);
    double loss = 0, largest = 0, apart = 0;
    size_t n;
    struct pasta_em_metrics m = step(a);
    float *gradient = moments(a, &n); /* 0.1 g */
    double *sum = pasta_calloc(n, sizeof *sum);
    float *before = pasta_calloc(n, sizeof *before);
    for (int i = 0; i < SHARDS; i++) {
        loss += step(b).loss / SHARDS;
        float *after = moments(b, &n); /* 0.9 before + 0.1 g */
        double moved = 0;
        for (size_t j = 0; j < n; j++) {
            sum[j] += (after[j] - 0.9 * before[j]) / SHARDS;
            moved = fmax(moved, fabs(after[j] - 0.9 * before[j] - gradient[j]));
        }
        assert_true(moved > 1e-4); /* a shard is not the whole */
        free(before);
        before = after;
    }
    for (size_t j = 0; j < n; j++) {
        largest = fmax(largest, fabs(gradient[j]));
        apart = fmax(apart, fabs(sum[j] - gradient[j]));
    }
    assert_true(fabs(loss - m.loss) < 1e-5 * fabs(m.loss));
    if (!(apart < 1e-5 * largest))
        fail_msg("gradients differ by %g, the largest entry being %g", apart, largest);
    free(gradient);
    free(before);
    free(sum);
    pasta_em_free(a);
    pasta_em_free(b);
    pasta_user_data_free(data);
    people_free(&people);
}

/* The log-likelihood of what people said is the sum over parts of it, under one model. */
static void evidence_sums_over_shards(void **state)
{
    (void)state;
    struct people people;
    make(&people, 3);
    struct pasta_user_data *data = people_data(&people, 0);
    struct pasta_user_model_settings settings = settings_of(10, 32, 1e-1);
    struct pasta_em *em = em_of(&settings, data);
    for (int i = 0; i < 20; i++)
        step(em);
    struct pasta_err err = {0};
    double whole[PEOPLE * 3], part[PEOPLE * 3], sum[PEOPLE * 3] = {0};
    assert_int_equal(pasta_em_user_loglik(em, whole, &err), PASTA_OK);
    size_t pairs = data->n_pairs, ratings = data->n_ratings, turns = data->n_turns;
    for (int shard = 0; shard < 3; shard++) { /* the same tables, and some of the observations */
        data->n_pairs = shard == 0 ? pairs : 0;
        data->n_ratings = shard == 1 ? ratings : 0;
        data->n_turns = shard == 2 ? turns : 0;
        assert_int_equal(pasta_em_user_loglik(em, part, &err), PASTA_OK);
        for (int i = 0; i < PEOPLE * 3; i++)
            sum[i] += part[i];
    }
    struct obs_pair *all = data->pairs;
    data->n_pairs = data->n_ratings = data->n_turns = 0;
    for (int half = 0; half < 2; half++) { /* pairs once more, in two halves, and taken off as a whole */
        data->pairs = all + (half == 0 ? 0 : pairs / 2);
        data->n_pairs = half == 0 ? pairs / 2 : pairs - pairs / 2;
        assert_int_equal(pasta_em_user_loglik(em, part, &err), PASTA_OK);
        for (int i = 0; i < PEOPLE * 3; i++)
            sum[i] += part[i];
    }
    data->pairs = all;
    data->n_pairs = pairs;
    assert_int_equal(pasta_em_user_loglik(em, part, &err), PASTA_OK);
    data->n_ratings = ratings;
    data->n_turns = turns;
    for (int i = 0; i < PEOPLE * 3; i++)
        assert_true(fabs(sum[i] - part[i] - whole[i]) < 1e-5 * fabs(whole[i]));
    pasta_em_free(em);
    pasta_user_data_free(data);
    people_free(&people);
}

static struct pasta_user_model *model_of(const struct pasta_em *em)
{
    struct pasta_err err = {0};
    struct pasta_user_model *m = NULL;
    if (pasta_em_model(em, &m, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return m;
}

static void same_models(const struct pasta_em *a, const struct pasta_em *b)
{
    struct pasta_user_model *x = model_of(a), *y = model_of(b);
    size_t n = (size_t)x->n_types * (size_t)x->dim * sizeof(float);
    assert_memory_equal(x->prior, y->prior, (size_t)x->n_types * sizeof(double));
    assert_memory_equal(x->taste, y->taste, n);
    assert_memory_equal(x->image_out, y->image_out, n * (size_t)x->width);
    assert_true(x->scale == y->scale && x->temperature == y->temperature && x->tie == y->tie && x->rating_noise == y->rating_noise);
    pasta_user_model_free(x);
    pasta_user_model_free(y);
}

/* A batch of just all observations, and one with room for more, are the same steps: to the byte, in both phases. */
static void a_batch_of_all_is_the_full_batch(void **state)
{
    (void)state;
    struct people people;
    make(&people, 3);
    struct pasta_user_data *data = people_data(&people, 0);
    struct pasta_user_model_settings just = settings_of(6, ALL, 1e-2), room = settings_of(6, 100 * ALL, 1e-2), less = settings_of(6, ALL / 2, 1e-2);
    just.prior_momentum = room.prior_momentum = less.prior_momentum = 0;
    just.target_every = room.target_every = less.target_every = 2;
    struct pasta_em *a = em_of(&just, data), *b = em_of(&room, data), *c = em_of(&less, data);
    double other = 0;
    for (int i = 0; i < 12; i++) {
        double loss = step(a).loss;
        assert_true(loss == step(b).loss);
        other = fmax(other, fabs(loss - step(c).loss));
    }
    assert_true(other > 1e-4);
    same_models(a, b);
    pasta_em_free(a);
    pasta_em_free(b);
    pasta_em_free(c);
    pasta_user_data_free(data);
    people_free(&people);
}

/* Two types that start alike stay alike, for nothing but rounding tells them apart: found, started anew, and then as good as the others. A run resumed
 * around that point is one that was not interrupted. */
static void twins_begin_anew(void **state)
{
    (void)state;
    struct people people;
    struct pasta_err err = {0};
    people_make(&people, 22, (struct people_size){.dim = 6, .types = 3, .people = 60, .pairs = 20, .ratings = 20, .strength = 2});
    struct pasta_user_data *data = people_data(&people, 0);
    struct pasta_user_model_settings settings = settings_of(120, 10000, 5e-2);
    settings.target_every = 10;
    settings.prior_momentum = 0;
    settings.dead = 0.1;
    settings.duplicate = 0.05;
    double ends[2];
    char *path = pasta_path_join(people.folder, "checkpoint.safetensors");
    struct pasta_em *whole = NULL;
    for (int reseed = 0; reseed < 2; reseed++) {
        settings.reseed = reseed;
        struct pasta_em *em = em_of(&settings, data);
        struct pasta_user_model *start = pasta_user_model_new(3, 6, 3, PASTA_AGG_MEAN, 3, "");
        for (int d = 0; d < 6; d++)
            start->taste[d] = (float)people.taste[d]; /* types 1 and 2 have none */
        assert_int_equal(em_begin(em, start, &err), PASTA_OK);
        pasta_user_model_free(start);
        double found = 0, anew = 0;
        while (pasta_em_position(em) < pasta_em_total(em)) {
            struct pasta_em_metrics m = step(em);
            found = m.duplicate_types > 0 ? m.duplicate_types : found;
            anew += m.reseeded_types > 0 ? m.reseeded_types : 0;
            if (reseed == 1 && (pasta_em_position(em) == 9 || pasta_em_position(em) == 13)) {
                if (pasta_em_save(em, path, &err) != PASTA_OK)
                    fail_msg("%s", err.message);
                struct pasta_em *resumed = em_of(&settings, data);
                assert_int_equal(pasta_em_load(resumed, path, &err), PASTA_OK);
                if (pasta_em_position(em) == 9) {
                    while (pasta_em_position(resumed) < 40)
                        step(resumed);
                    whole = resumed;
                } else {
                    pasta_em_free(em);
                    em = resumed;
                }
            }
            if (reseed == 1 && pasta_em_position(em) == 40)
                same_models(em, whole);
        }
        struct pasta_em_type types[3];
        assert_int_equal(pasta_em_types(em, types, &err), PASTA_OK);
        assert_int_equal(pasta_em_reseeded(em), reseed);
        assert_true(anew == reseed);
        if (reseed == 1) {
            assert_true(found == 1);
            for (int k = 0; k < 3; k++)
                assert_true(!types[k].dead && types[k].duplicate_of < 0 && fabs(types[k].users - 20) < 1);
        } else {
            assert_int_equal(types[1].nearest, 2);
            assert_true(types[1].difference < settings.duplicate && types[1].duplicate_of + types[2].duplicate_of >= 0);
        }
        double held_out;
        assert_int_equal(pasta_em_loglik(em, &ends[reseed], &held_out, &err), PASTA_OK);
        assert_true(isnan(held_out));
        pasta_em_free(em);
    }
    assert_true(ends[1] > ends[0] + 0.05);
    pasta_em_free(whole);
    free(path);
    pasta_user_data_free(data);
    people_free(&people);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_sum_to_the_whole),
        cmocka_unit_test(evidence_sums_over_shards),
        cmocka_unit_test(a_batch_of_all_is_the_full_batch),
        cmocka_unit_test(twins_begin_anew),
    };
    pt_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
