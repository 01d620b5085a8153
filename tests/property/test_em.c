/* The EM fit: the exact objective never falls, types are recovered, the plain case K = 1, resuming, absent kinds of data, the training path against the plain C path. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pasta/base/paths.h"
#include "pasta/tensor/pt.h"
#include "unit/user_people.h"

static const struct pasta_user_model_settings base = {
    .types = 3, .aggregate = "mean", .adapter_width = 4, .start = "clusters", .temperature_max = 3, .target_every = 8, .prior_momentum = 0.9, .responsibilities = "user",
    .kappa_rating = 1, .kappa_rehearsal = 0.01, .kappa_choice = 1, .kappa_cross_turn = 0.1, .held_out = 0,
    .main = {.steps = 60, .batch = 64, .learning_rate = 1e-2, .cosine_period = 60, .weight_decay = 1e-4},
    .fine = {.steps = 30, .batch = 16, .learning_rate = 3e-3, .cosine_period = 30, .weight_decay = 1e-2, .clip_norm = 0.5}};
static const struct people_size small = {.dim = 12, .types = 3, .people = 30, .pairs = 12, .ratings = 12, .turns = 3, .strength = 2};

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

static void steps_to(struct pasta_em *em, int64_t position)
{
    while (pasta_em_position(em) < position)
        step(em);
}

static struct pasta_user_model *model_of(const struct pasta_em *em)
{
    struct pasta_err err = {0};
    struct pasta_user_model *m = NULL;
    if (pasta_em_model(em, &m, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return m;
}

/* Every step: an exact E-step on all users, the closed-form prior, a small gradient M-step. Then the marginal log-likelihood cannot fall. */
static void the_exact_objective_never_falls(void **state)
{
    (void)state;
    struct people people;
    people_make(&people, 1, small);
    people.sessions.n = 0; /* pairs and ratings in equal numbers: the batch loss is the objective */
    struct pasta_user_data *data = people_data(&people, 0);
    struct pasta_user_model_settings settings = base;
    settings.start = "random";
    settings.target_every = 1;
    settings.prior_momentum = 0;
    settings.main = (struct pasta_train_settings){.steps = 120, .batch = 10000, .learning_rate = 2e-3};
    struct pasta_em *em = em_of(&settings, data);
    double before = -INFINITY, first = NAN;
    for (int i = 0; i < 120; i++) {
        struct pasta_em_metrics m = step(em);
        assert_true(m.copied);
        if (m.train_loglik < before)
            fail_msg("step %d: the objective fell from %.9f to %.9f", i, before, m.train_loglik);
        first = i == 0 ? m.train_loglik : first;
        before = m.train_loglik;
        double sum = 0;
        for (int k = 0; k < 3; k++)
            sum += pasta_em_prior(em)[k];
        assert_true(fabs(sum - 1) < 1e-9);
    }
    assert_true(before - first > 0.02);
    pasta_em_free(em);
    pasta_user_data_free(data);
    people_free(&people);
}

/* pi <- alpha pi + (1 - alpha) mean gamma, gamma from the parameters and the prior before the step. */
static void the_prior_follows_the_responsibilities(void **state)
{
    (void)state;
    struct people people;
    struct pasta_err err = {0};
    people_make(&people, 8, small);
    struct pasta_user_data *data = people_data(&people, 0);
    struct pasta_user_model_settings settings = base;
    settings.start = "random"; /* from clusters, three types of ten people each are found at once and the prior stays level */
    settings.target_every = 1;
    settings.prior_momentum = 0.75;
    settings.fine.batch = 10000;
    settings.main.steps = 1;
    struct pasta_em *em = em_of(&settings, data);
    double loglik[90], gamma[3];
    step(em);
    for (int i = 0; i < 3; i++) {
        struct pasta_user_model *m = model_of(em);
        double expected[3] = {0.75 * m->prior[0], 0.75 * m->prior[1], 0.75 * m->prior[2]};
        assert_int_equal(pasta_em_user_loglik(em, loglik, &err), PASTA_OK);
        for (int u = 0; u < 30; u++) {
            pasta_user_posterior(m, loglik + 3 * u, gamma);
            for (int k = 0; k < 3; k++)
                expected[k] += 0.25 * gamma[k] / 30;
        }
        step(em);
        for (int k = 0; k < 3; k++)
            assert_true(fabs(pasta_em_prior(em)[k] - expected[k]) < 1e-9);
        pasta_user_model_free(m);
    }
    assert_true(fabs(pasta_em_prior(em)[0] - pasta_em_prior(em)[2]) > 1e-3);
    pasta_em_free(em);
    pasta_user_data_free(data);
    people_free(&people);
}

static double pairs_of(double n) { return n * (n - 1) / 2; }

/* Adjusted Rand index of the types found and the true ones. */
static double agreement(const struct people *p, const struct pasta_em *em, const struct pasta_user_model *m)
{
    struct pasta_err err = {0};
    int K = m->n_types, n = p->n_people;
    double *loglik = pasta_malloc((size_t)n * K * sizeof *loglik), *gamma = pasta_malloc((size_t)K * sizeof *gamma);
    double table[16][16] = {{0}}, rows[16] = {0}, columns[16] = {0}, same = 0, same_rows = 0, same_columns = 0;
    if (pasta_em_user_loglik(em, loglik, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    for (int u = 0; u < n; u++) { /* users are numbered by first appearance, which is the order of the people */
        double sum = 0;
        int best = 0;
        pasta_user_posterior(m, loglik + (size_t)u * K, gamma);
        for (int k = 0; k < K; k++) {
            sum += gamma[k];
            best = gamma[k] > gamma[best] ? k : best;
        }
        assert_true(fabs(sum - 1) < 1e-12);
        table[best][p->type[u]]++;
        rows[best]++;
        columns[p->type[u]]++;
    }
    for (int i = 0; i < 16; i++) {
        for (int j = 0; j < 16; j++)
            same += pairs_of(table[i][j]);
        same_rows += pairs_of(rows[i]);
        same_columns += pairs_of(columns[i]);
    }
    double expected = same_rows * same_columns / pairs_of(n);
    free(loglik);
    free(gamma);
    return (same - expected) / ((same_rows + same_columns) / 2 - expected);
}

static void types_are_recovered(void **state)
{
    (void)state;
    struct people people;
    people_make(&people, 2, (struct people_size){.dim = 16, .types = 5, .people = 100, .pairs = 20, .ratings = 20, .turns = 3, .strength = 2});
    struct pasta_user_data *data = people_data(&people, 0);
    struct pasta_user_model_settings settings = base;
    settings.types = 5;
    settings.main.batch = 256;
    double one = NAN, five = NAN;
    struct pasta_em *em = em_of(&settings, data);
    struct pasta_err err = {0};
    assert_int_equal(pasta_em_start(em, 2, &err), PASTA_OK);
    assert_true(pasta_em_clustered(em));
    while (pasta_em_position(em) < pasta_em_total(em)) {
        struct pasta_em_metrics m = step(em);
        five = m.copied ? m.train_loglik : five;
    }
    struct pasta_user_model *m = model_of(em);
    double ari = agreement(&people, em, m);
    if (!(ari > 0.95))
        fail_msg("adjusted Rand index %.3f", ari);
    pasta_user_model_free(m);
    pasta_em_free(em);

    settings.types = 1;
    em = em_of(&settings, data);
    while (pasta_em_position(em) < pasta_em_total(em)) {
        struct pasta_em_metrics metrics = step(em);
        one = metrics.copied ? metrics.train_loglik : one;
        assert_true(fabs(metrics.responsibility_entropy) < 1e-12);
        assert_true(fabs(metrics.effective_types - 1) < 1e-12);
    }
    assert_true(five > one + 0.1);
    pasta_em_free(em);
    pasta_user_data_free(data);
    people_free(&people);
}

static void same_models(const struct pasta_user_model *a, const struct pasta_user_model *b)
{
    size_t K = (size_t)a->n_types, D = (size_t)a->dim, W = (size_t)a->width;
    assert_memory_equal(a->prior, b->prior, K * sizeof(double));
    assert_memory_equal(a->taste, b->taste, K * D * sizeof(float));
    assert_memory_equal(a->image_out, b->image_out, K * W * D * sizeof(float));
    assert_memory_equal(a->text_out, b->text_out, K * W * D * sizeof(float));
    assert_memory_equal(a->image_in, b->image_in, K * W * D * sizeof(float));
    assert_true(a->scale == b->scale && a->temperature == b->temperature && a->tie == b->tie);
    assert_true(a->rating_gain == b->rating_gain && a->rating_offset == b->rating_offset && a->rating_noise == b->rating_noise);
}

/* The start is the same from one thread and from two, and a taste of more dimensions than the clusters look at is found as well. */
static void the_start_does_not_depend_on_threads(void **state)
{
    (void)state;
    struct people people;
    struct pasta_err err = {0};
    people_make(&people, 11, (struct people_size){.dim = 96, .types = 2, .people = 40, .pairs = 30, .ratings = 30, .strength = 2});
    struct pasta_user_data *data = people_data(&people, 0);
    struct pasta_user_model_settings settings = base;
    settings.types = 2;
    struct pasta_em *one = em_of(&settings, data), *two = em_of(&settings, data);
    assert_int_equal(pasta_em_start(one, 1, &err), PASTA_OK);
    assert_int_equal(pasta_em_start(two, 2, &err), PASTA_OK);
    struct pasta_user_model *a = model_of(one), *b = model_of(two);
    same_models(a, b);
    double ari = agreement(&people, one, a);
    if (!(ari > 0.8))
        fail_msg("adjusted Rand index %.3f", ari);
    pasta_user_model_free(a);
    pasta_user_model_free(b);
    pasta_em_free(one);
    pasta_em_free(two);
    pasta_user_data_free(data);
    people_free(&people);
}

/* Stops in both phases, between copies of the target. */
static void resumed_is_uninterrupted(void **state)
{
    (void)state;
    struct people people;
    struct pasta_err err = {0};
    people_make(&people, 3, small);
    struct pasta_user_data *data = people_data(&people, 0.2);
    struct pasta_em *em = em_of(&base, data);
    char *path = pasta_path_join(people.folder, "checkpoint.safetensors");
    assert_int_equal(pasta_em_total(em), 90);
    steps_to(em, 90);
    struct pasta_user_model *whole = model_of(em);
    pasta_em_free(em);
    em = em_of(&base, data);
    for (int stop = 13; stop <= 79; stop += 33) { /* 13, 46, 79 */
        steps_to(em, stop);
        if (pasta_em_save(em, path, &err) != PASTA_OK)
            fail_msg("%s", err.message);
        pasta_em_free(em);
        em = em_of(&base, data);
        if (pasta_em_load(em, path, &err) != PASTA_OK)
            fail_msg("%s", err.message);
        assert_int_equal(pasta_em_position(em), stop);
    }
    steps_to(em, 90);
    struct pasta_user_model *resumed = model_of(em);
    same_models(whole, resumed);
    pasta_em_free(em);

    struct pasta_user_model_settings other = base;
    other.types = 4;
    em = em_of(&other, data);
    assert_int_equal(pasta_em_load(em, path, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "checkpoint.safetensors"));
    pasta_em_free(em);
    pasta_user_model_free(whole);
    pasta_user_model_free(resumed);
    free(path);
    pasta_user_data_free(data);
    people_free(&people);
}

/* Log-likelihoods of all people by the plain C path. */
static void plain_loglik(const struct people *p, const struct pasta_user_model *m, double *out)
{
    struct pasta_err err = {0};
    int K = m->n_types;
    double a[16], b[16], utilities[16 * 8], now[16], before[16];
    memset(out, 0, (size_t)p->n_people * K * sizeof *out);
    for (size_t i = 0; i < p->pairs.n; i++) {
        const struct pasta_preference *r = &p->pairs.items[i];
        assert_int_equal(pasta_user_image_scores(m, p->features, r->prompt, r->image[0], "P", a, &err), PASTA_OK);
        assert_int_equal(pasta_user_image_scores(m, p->features, r->prompt, r->image[1], "P", b, &err), PASTA_OK);
        pasta_user_pair_loglik(m, a, b, r->label, out + atoi(r->user_id + 7) * K);
    }
    for (size_t i = 0; i < p->ratings.n; i++) {
        const struct pasta_rating *r = &p->ratings.items[i];
        assert_int_equal(pasta_user_image_scores(m, p->features, r->prompt, r->image, "R", a, &err), PASTA_OK);
        pasta_user_rating_loglik(m, a, pasta_user_rating01(r->rating, r->lo, r->hi), out + atoi(r->user_id + 7) * K);
    }
    for (size_t i = 0; i < p->sessions.n; i++) {
        const struct pasta_session *s = &p->sessions.items[i];
        for (int t = 0; t < s->n_turns; t++) {
            const struct pasta_turn *turn = &s->turns[t];
            double *loglik = out + atoi(s->rater_id + 7) * K;
            assert_int_equal(pasta_user_turn_utilities(m, p->features, s, t, utilities, &err), PASTA_OK);
            pasta_user_choice_loglik(m, utilities, turn->n_columns, turn->choice, loglik);
            for (int k = 0; k < K; k++)
                now[k] = utilities[k * turn->n_columns + turn->choice];
            if (turn->versus != PASTA_VERSUS_NONE)
                pasta_user_versus_loglik(m, now, before, turn->versus, loglik);
            memcpy(before, now, sizeof now);
        }
    }
}

/* After training, with adapters at work, in every aggregate: 27 observations a person, each within 1e-5. */
static void both_paths_agree(void **state)
{
    (void)state;
    static const char *const aggregates[] = {"mean", "max", "logsumexp"};
    struct people people;
    struct pasta_err err = {0};
    people_make(&people, 4, small);
    struct pasta_user_data *data = people_data(&people, 0);
    for (int i = 0; i < 3; i++) {
        struct pasta_user_model_settings settings = base;
        settings.aggregate = aggregates[i];
        settings.main.learning_rate = 0.5; /* far from the start: adapters of some size */
        settings.main.steps = settings.fine.steps = 12;
        struct pasta_em *em = em_of(&settings, data);
        steps_to(em, 24);
        struct pasta_user_model *m = model_of(em);
        double trained[90], plain[90], largest = 0, adapter = 0;
        for (int j = 0; j < 3 * 4 * 12; j++)
            adapter = fmax(adapter, fabs(m->image_out[j]));
        assert_true(adapter > 1e-3);
        if (pasta_em_user_loglik(em, trained, &err) != PASTA_OK)
            fail_msg("%s", err.message);
        plain_loglik(&people, m, plain);
        for (int j = 0; j < 90; j++)
            largest = fmax(largest, fabs(trained[j] - plain[j]) / fmax(1, fabs(plain[j]) / 27));
        if (!(largest < 27 * 1e-5))
            fail_msg("%s: the paths differ by %g", aggregates[i], largest);
        pasta_user_model_free(m);
        pasta_em_free(em);
    }
    pasta_user_data_free(data);
    people_free(&people);
}

/* Each kind of data alone, and responsibilities by sample. */
static void kinds_may_be_absent(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct people people;
        people_make(&people, 5, (struct people_size){.dim = 8, .types = 2, .people = 12, .pairs = kind == 0 || kind == 3 ? 6 : 0, .ratings = kind == 1 || kind == 3 ? 6 : 0,
                                                     .turns = kind == 2 || kind == 3 ? 6 : 0, .strength = 1});
        struct pasta_user_data *data = people_data(&people, 0.25);
        struct pasta_user_model_settings settings = base;
        settings.types = 2;
        settings.responsibilities = kind == 3 ? "sample" : "user";
        settings.main.steps = settings.fine.steps = 10;
        struct pasta_em *em = em_of(&settings, data);
        assert_int_equal(pasta_em_total(em), kind == 3 ? 20 : 10);
        assert_int_equal(pasta_em_fine(em), kind == 2);
        assert_int_equal(pasta_user_data_counts(data).held_out_users, 3);
        struct pasta_em_metrics first = step(em), last = first;
        assert_true(isfinite(first.train_loglik) && isfinite(first.held_out_loglik));
        assert_int_equal(isfinite(first.pair), kind == 0 || kind == 3);
        assert_int_equal(isfinite(first.rating), kind == 1 || kind == 3);
        assert_int_equal(isfinite(first.choice), kind == 2);
        while (pasta_em_position(em) < pasta_em_total(em))
            last = step(em);
        assert_true(isfinite(last.loss));
        assert_int_equal(isfinite(last.versus), kind >= 2);
        pasta_em_free(em);
        pasta_user_data_free(data);
        people_free(&people);
    }
}

/* By sample, the mixture explains each observation by itself: with one observation a user both ways are the same. */
static void one_observation_a_user_is_by_sample(void **state)
{
    (void)state;
    struct people people;
    people_make(&people, 6, (struct people_size){.dim = 8, .types = 2, .people = 40, .pairs = 1, .strength = 2});
    struct pasta_user_data *data = people_data(&people, 0);
    struct pasta_user_model_settings settings = base;
    settings.types = 2;
    settings.main.batch = 8;
    struct pasta_em *by_user = em_of(&settings, data);
    settings.responsibilities = "sample";
    struct pasta_em *by_sample = em_of(&settings, data);
    steps_to(by_user, 60);
    assert_false(pasta_em_clustered(by_user));
    steps_to(by_sample, 60);
    struct pasta_user_model *a = model_of(by_user), *b = model_of(by_sample);
    same_models(a, b);
    pasta_user_model_free(a);
    pasta_user_model_free(b);
    pasta_em_free(by_user);
    pasta_em_free(by_sample);
    pasta_user_data_free(data);
    people_free(&people);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exact_objective_never_falls),
        cmocka_unit_test(the_prior_follows_the_responsibilities),
        cmocka_unit_test(types_are_recovered),
        cmocka_unit_test(the_start_does_not_depend_on_threads),
        cmocka_unit_test(resumed_is_uninterrupted),
        cmocka_unit_test(both_paths_agree),
        cmocka_unit_test(kinds_may_be_absent),
        cmocka_unit_test(one_observation_a_user_is_by_sample),
    };
    pt_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
