/* Data that say little or contradict themselves: a fit of them ends, everything in it is finite, and it predicts no more than they said. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pasta/tensor/pt.h"
#include "unit/user_people.h"

enum { TYPES = 3 };

static void start_with(struct people *p, int people, int pairs, int ratings, int turns)
{
    people_make(p, 31, (struct people_size){.dim = 6, .types = 2, .people = people, .pairs = pairs, .ratings = ratings, .turns = turns, .strength = 1});
}

/* Trains by user and by sample, with and without types that may begin anew. Returns the last model; caller frees. */
static struct pasta_user_model *sane(struct people *p, int types, double held_out)
{
    struct pasta_err err = {0};
    struct pasta_user_model *m = NULL;
    for (int way = 0; way < 4; way++) {
        struct pasta_user_model_settings s = {
            .types = types, .aggregate = "mean", .adapter_width = 2, .start = "clusters", .temperature_max = 3, .target_every = 4, .prior_momentum = 0.5,
            .responsibilities = way % 2 == 0 ? "sample" : "user", .kappa_rating = 1, .kappa_rehearsal = 0.1, .kappa_choice = 1, .kappa_cross_turn = 0.1,
            .reseed = way < 2 ? 0 : 4, .dead = 0.1, .duplicate = 0.05,
            .main = {.steps = 100, .batch = 64, .learning_rate = 5e-2, .cosine_period = 100}, .fine = {.steps = 60, .batch = 16, .learning_rate = 2e-2, .clip_norm = 0.5}};
        struct pasta_user_data *data = people_data(p, held_out);
        struct pasta_em *em = NULL;
        if (pasta_em_new(&s, 7, "cpu", data, NULL, &em, &err) != PASTA_OK)
            fail_msg("%s", err.message);
        while (pasta_em_position(em) < pasta_em_total(em)) {
            struct pasta_em_metrics metrics;
            if (pasta_em_step(em, &metrics, &err) != PASTA_OK)
                fail_msg("%s", err.message);
            assert_true(isfinite(metrics.loss) && isfinite(metrics.grad_norm));
        }
        int64_t users = pasta_user_data_counts(data).users;
        double *loglik = pasta_malloc((size_t)(users * types) * sizeof *loglik), *gamma = pasta_malloc((size_t)types * sizeof *gamma), sum = 0, train, fresh;
        struct pasta_em_type *found = pasta_calloc((size_t)types, sizeof *found);
        pasta_user_model_free(m);
        assert_int_equal(pasta_em_model(em, &m, &err), PASTA_OK);
        assert_int_equal(pasta_em_user_loglik(em, loglik, &err), PASTA_OK);
        assert_int_equal(pasta_em_loglik(em, &train, &fresh, &err), PASTA_OK);
        assert_int_equal(pasta_em_types(em, found, &err), PASTA_OK);
        assert_true(isfinite(train));
        for (int k = 0; k < types; k++)
            sum += m->prior[k];
        assert_true(fabs(sum - 1) < 1e-9);
        for (int64_t u = 0; u < users; u++) {
            sum = 0;
            pasta_user_posterior(m, loglik + u * types, gamma);
            for (int k = 0; k < types; k++)
                sum += gamma[k];
            assert_true(fabs(sum - 1) < 1e-9); /* false for NAN */
        }
        double share = 0;
        for (int k = 0; k < types; k++)
            share += found[k].share;
        assert_true(fabs(share - 1) < 1e-9);
        if (pasta_user_model_save(m, p->folder, &err) != PASTA_OK)
            fail_msg("%s", err.message);
        pasta_user_model_free(m);
        if (pasta_user_model_load(p->folder, p->features, &m, &err) != PASTA_OK) /* refuses what is not finite */
            fail_msg("%s", err.message);
        free(loglik);
        free(gamma);
        free(found);
        pasta_em_free(em);
        pasta_user_data_free(data);
    }
    return m;
}

/* The mean, over the pairs, of |P(first) - 0.5|, from the prior. */
static double conviction(const struct people *p, const struct pasta_user_model *m)
{
    struct pasta_err err = {0};
    double a[16], b[16], sum = 0;
    for (size_t i = 0; i < p->pairs.n; i++) {
        const struct pasta_preference *r = &p->pairs.items[i];
        assert_int_equal(pasta_user_image_scores(m, p->features, r->prompt, r->image[0], "P", a, &err), PASTA_OK);
        assert_int_equal(pasta_user_image_scores(m, p->features, r->prompt, r->image[1], "P", b, &err), PASTA_OK);
        sum += fabs(pasta_user_pair_probability(m, a, b, m->prior) - 0.5) / (double)p->pairs.n;
    }
    return sum;
}

static void few_people(void **state)
{
    (void)state;
    static const int cases[][4] = {{1, 9, 9, 6}, {1, 1, 0, 0}, {1, 0, 1, 0}, {1, 0, 0, 3}, {2, 1, 0, 0}, {2, 6, 6, 3}, {5, 1, 1, 0}};
    for (int i = 0; i < 7; i++) {
        struct people p;
        start_with(&p, cases[i][0], cases[i][1], cases[i][2], cases[i][3]);
        p.sessions.n = i == 3 ? 1 : p.sessions.n;
        pasta_user_model_free(sane(&p, TYPES, 0.9)); /* at least one stays in training */
        people_free(&p);
    }
}

static void more_types_than_people(void **state)
{
    (void)state;
    struct people p;
    start_with(&p, 4, 8, 8, 3);
    pasta_user_model_free(sane(&p, 12, 0));
    people_free(&p);
}

static void nobody_prefers_anything(void **state)
{
    (void)state;
    struct people p;
    start_with(&p, 20, 10, 0, 0);
    struct pasta_user_model *m = sane(&p, TYPES, 0);
    double before = conviction(&p, m);
    pasta_user_model_free(m);
    for (size_t i = 0; i < p.pairs.n; i++)
        p.pairs.items[i].label = 0.5;
    m = sane(&p, TYPES, 0);
    double after = conviction(&p, m);
    if (!(before > 0.1 && after < 0.03))
        fail_msg("of ties the model is convinced by %.3f, of the answers before by %.3f", after, before);
    pasta_user_model_free(m);
    people_free(&p);
}

static void everybody_gives_a_seven(void **state)
{
    (void)state;
    struct people p;
    struct pasta_err err = {0};
    start_with(&p, 20, 0, 10, 0);
    for (size_t i = 0; i < p.ratings.n; i++)
        p.ratings.items[i].rating = 7;
    struct pasta_user_model *m = sane(&p, TYPES, 0);
    for (size_t i = 0; i < p.ratings.n; i++) {
        double score[TYPES];
        assert_int_equal(pasta_user_image_scores(m, p.features, p.ratings.items[i].prompt, p.ratings.items[i].image, "R", score, &err), PASTA_OK);
        double rating = 1 + 9 * pasta_user_expected_rating01(m, score, m->prior);
        if (!(fabs(rating - 7) < 0.5))
            fail_msg("expected a rating of 7, found %g", rating);
    }
    pasta_user_model_free(m);
    people_free(&p);
}

/* Everybody says both of every pair. */
static void contradictions_cancel(void **state)
{
    (void)state;
    struct people p;
    start_with(&p, 20, 10, 0, 0);
    for (size_t i = 0; i + 1 < p.pairs.n; i += 2) {
        p.pairs.items[i + 1] = p.pairs.items[i];
        p.pairs.items[i].label = 1;
        p.pairs.items[i + 1].label = 0;
    }
    struct pasta_user_model *m = sane(&p, TYPES, 0);
    double convinced = conviction(&p, m);
    if (!(convinced < 0.03))
        fail_msg("of contradictions the model is convinced by %.3f", convinced);
    pasta_user_model_free(m);
    people_free(&p);
}

/* One image for everything; nothing to choose from. */
static void nothing_to_tell_apart(void **state)
{
    (void)state;
    struct people p;
    start_with(&p, 12, 6, 6, 3);
    for (size_t i = 0; i < p.pairs.n; i++)
        p.pairs.items[i].image[0] = p.pairs.items[i].image[1] = "image 0";
    for (size_t i = 0; i < p.ratings.n; i++)
        p.ratings.items[i].image = "image 0";
    for (size_t i = 0; i < p.sessions.n; i++)
        for (int t = 0; t < p.sessions.items[i].n_turns; t++) {
            struct pasta_turn *turn = &p.sessions.items[i].turns[t];
            turn->n_columns = 1;
            turn->choice = 0;
            turn->columns[0].n_images = 1;
            turn->columns[0].images[0].id = "image 0";
        }
    pasta_user_model_free(sane(&p, TYPES, 0));
    people_free(&p);
}

static void what_is_not_a_number_is_refused(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 1e30f, 0};
    const char *const images[2] = {"bad", "good"}, *const prompts[1] = {"p"};
    for (int i = 0; i < 5; i++) {
        struct people p;
        struct pasta_err err = {0};
        start_with(&p, 2, 1, 1, 0);
        const float vectors[2][2] = {{bad[i], 0}, {0.6f, 0.8f}};
        struct pasta_features *features = NULL;
        struct pasta_rating rating = {.prompt = "p", .image = "bad", .rating = 1, .lo = 0, .hi = 2};
        char *folder = pasta_asprintf("%s/odd", p.folder);
        pasta_status status = pasta_features_write(folder, "e", 2, images, vectors[0], 2, prompts, vectors[1], 1, &err);
        if (status == PASTA_OK)
            status = pasta_features_open(folder, &features, &err);
        if (status == PASTA_OK) {
            struct pasta_user_data *data = pasta_user_data_new(features);
            status = pasta_user_data_add_ratings(data, "R.jsonl", &(struct pasta_ratings){.items = &rating, .n = 1}, &err);
            pasta_user_data_free(data);
        }
        assert_int_equal(status, PASTA_ERR_INPUT);
        assert_non_null(strstr(err.message, features != NULL ? "'bad'" : "odd"));
        pasta_features_close(features);
        free(folder);
        people_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_people),
        cmocka_unit_test(more_types_than_people),
        cmocka_unit_test(nobody_prefers_anything),
        cmocka_unit_test(everybody_gives_a_seven),
        cmocka_unit_test(contradictions_cancel),
        cmocka_unit_test(nothing_to_tell_apart),
        cmocka_unit_test(what_is_not_a_number_is_refused),
    };
    pt_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
