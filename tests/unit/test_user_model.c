/* The user model in plain C: scores by hand, probabilities that sum to one, posteriors, and its folder with every kind of damage. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/base/rng.h"
#include "pasta/io/file.h"
#include "pasta/user/user_model.h"

static bool close_to(double a, double b) { return fabs(a - b) < 1e-9; }

static struct pasta_user_model *random_model(int K, int D, int W, enum pasta_aggregate aggregate)
{
    struct pasta_user_model *m = pasta_user_model_new(K, D, W, aggregate, 3, "some-encoder");
    struct pasta_rng rng = pasta_rng_at(3, PASTA_RNG_TEST, 0, 0, 0);
    float *tensors[] = {m->taste, m->image_in, m->image_out, m->text_in, m->text_out};
    for (int t = 0; t < 5; t++)
        for (int i = 0; i < K * D * (t == 0 ? 1 : W); i++)
            tensors[t][i] = (float)pasta_rng_normal(&rng);
    double sum = 0;
    for (int k = 0; k < K; k++)
        sum += m->prior[k] = 0.1 + pasta_rng_uniform(&rng);
    for (int k = 0; k < K; k++)
        m->prior[k] /= sum;
    m->temperature = 1.7;
    return m;
}

/* One type, one hidden unit, two dimensions: every term by hand. */
static void a_score_by_hand(void **state)
{
    (void)state;
    struct pasta_user_model *m = pasta_user_model_new(1, 2, 1, PASTA_AGG_MEAN, 3, "e");
    const float image[2] = {0.6f, 0.8f}, text[2] = {1, 0}, *rows[1] = {image};
    double s;
    m->scale = 5;
    m->taste[0] = 0.5f, m->taste[1] = -1;
    pasta_user_scores_of_type(m, 0, text, rows, 1, &s);
    assert_true(fabs(s - (5 * 0.6 + 0.3 - 0.8)) < 1e-6); /* adapters are zero: the encoder's own cosine */

    m->image_in[0] = 1, m->image_in[1] = 2;   /* V e = 2.2 */
    m->image_out[0] = 0, m->image_out[1] = 1; /* a = (0.6, 0.8 + silu(2.2)) */
    m->text_in[0] = -1, m->text_in[1] = 0;
    m->text_out[0] = 3, m->text_out[1] = 4;   /* b = (1 + 3 silu(-1), 4 silu(-1)) */
    double h = 2.2 / (1 + exp(-2.2)), g = -1 / (1 + exp(1));
    double a[2] = {0.6, 0.8 + h}, b[2] = {1 + 3 * g, 4 * g};
    double cosine = (a[0] * b[0] + a[1] * b[1]) / sqrt((a[0] * a[0] + a[1] * a[1]) * (b[0] * b[0] + b[1] * b[1]));
    pasta_user_scores_of_type(m, 0, text, rows, 1, &s);
    assert_true(fabs(s - (5 * cosine + 0.3 - 0.8)) < 1e-6);
    pasta_user_model_free(m);
}

/* |out|^2 scaled to 1 of e + sum_w silu(<in_w, e>) out_w, in doubles. */
static void adapted(const float *e, const float *in, const float *out_weight, int W, int D, double *out)
{
    double square = 0;
    for (int d = 0; d < D; d++)
        out[d] = e[d];
    for (int w = 0; w < W; w++) {
        double x = 0;
        for (int d = 0; d < D; d++)
            x += (double)in[w * D + d] * e[d];
        for (int d = 0; d < D; d++)
            out[d] += x / (1 + exp(-x)) * out_weight[w * D + d];
    }
    for (int d = 0; d < D; d++)
        square += out[d] * out[d];
    for (int d = 0; d < D; d++)
        out[d] /= sqrt(square);
}

/* Sizes that fill no vector, and more images than share a pass. */
static void scores_do_not_depend_on_what_is_scored_with_them(void **state)
{
    (void)state;
    enum { N = 7, DIM = 75, WIDTH = 5 };
    struct pasta_user_model *m = random_model(2, DIM, WIDTH, PASTA_AGG_MEAN);
    struct pasta_rng rng = pasta_rng_at(4, PASTA_RNG_TEST, 0, 0, 0);
    float vectors[N + 1][DIM];
    const float *rows[N];
    for (int i = 0; i <= N; i++)
        for (int d = 0; d < DIM; d++)
            vectors[i][d] = (float)(pasta_rng_normal(&rng) / sqrt(DIM));
    for (int i = 0; i < N; i++)
        rows[i] = vectors[i];
    for (int k = 0; k < 2; k++) {
        double all[N], one, a[DIM], b[DIM];
        pasta_user_scores_of_type(m, k, vectors[N], rows, N, all);
        adapted(vectors[N], m->text_in + k * WIDTH * DIM, m->text_out + k * WIDTH * DIM, WIDTH, DIM, b);
        for (int i = 0; i < N; i++) {
            double cosine = 0, taste = 0;
            adapted(rows[i], m->image_in + k * WIDTH * DIM, m->image_out + k * WIDTH * DIM, WIDTH, DIM, a);
            for (int d = 0; d < DIM; d++) {
                cosine += a[d] * b[d];
                taste += (double)m->taste[k * DIM + d] * rows[i][d];
            }
            pasta_user_scores_of_type(m, k, vectors[N], rows + i, 1, &one);
            assert_true(one == all[i]);
            assert_true(fabs(one - (m->scale * cosine + taste)) < 1e-5);
        }
    }
    pasta_user_model_free(m);
}

/* Together, each with a text of its own, more than go into one block: the numbers of one by one. */
static void scores_of_many_are_those_of_one(void **state)
{
    (void)state;
    enum { N = 150, DIM = 21, WIDTH = 3, K = 2, TEXTS = 5 };
    struct pasta_user_model *m = random_model(K, DIM, WIDTH, PASTA_AGG_MEAN);
    struct pasta_rng rng = pasta_rng_at(5, PASTA_RNG_TEST, 0, 0, 0);
    static float vectors[N + TEXTS][DIM];
    const float *images[N], *texts[N];
    double all[N * K], one[K];
    for (int i = 0; i < N + TEXTS; i++)
        for (int d = 0; d < DIM; d++)
            vectors[i][d] = (float)pasta_rng_normal(&rng);
    for (int i = 0; i < N; i++) {
        images[i] = vectors[i];
        texts[i] = vectors[N + (i < 70 ? i / 3 : i) % TEXTS]; /* in runs, then each another */
    }
    pasta_user_scores_each(m, texts, images, N, all);
    for (int i = 0; i < N; i++) {
        pasta_user_scores(m, texts[i], &images[i], 1, one);
        for (int k = 0; k < K; k++)
            assert_true(all[i * K + k] == one[k]);
    }
    pasta_user_model_free(m);
}

static void aggregates(void **state)
{
    (void)state;
    const double s[3] = {1, 4, -2}, same[4] = {2.5, 2.5, 2.5, 2.5}, large[2] = {1000, 1000};
    assert_true(close_to(pasta_user_aggregate(PASTA_AGG_MEAN, s, 3), 1));
    assert_true(close_to(pasta_user_aggregate(PASTA_AGG_MAX, s, 3), 4));
    assert_true(close_to(pasta_user_aggregate(PASTA_AGG_LOGSUMEXP, s, 3), log((exp(1) + exp(4) + exp(-2)) / 3)));
    for (int a = 0; a < 3; a++)
        assert_true(close_to(pasta_user_aggregate((enum pasta_aggregate)a, same, 4), 2.5));
    assert_true(close_to(pasta_user_aggregate(PASTA_AGG_LOGSUMEXP, large, 2), 1000));
}

static void probabilities_sum_to_one(void **state)
{
    (void)state;
    struct pasta_user_model *m = random_model(3, 4, 0, PASTA_AGG_MEAN);
    const double utilities[12] = {0.3, -2, 1, 40, 5, 5, 5, 5, -900, 0, 900, 1}, weights[3] = {0.2, 0.5, 0.3};
    double p[4], sum = 0, loglik[3];
    pasta_user_choice_probabilities(m, utilities, 4, weights, p);
    for (int l = 0; l < 4; l++) {
        memset(loglik, 0, sizeof loglik);
        pasta_user_choice_loglik(m, utilities, 4, l, loglik);
        assert_true(close_to(p[l], 0.2 * exp(loglik[0]) + 0.5 * exp(loglik[1]) + 0.3 * exp(loglik[2])));
        sum += p[l];
    }
    assert_true(close_to(sum, 1));
    assert_true(fabs(p[0] - 0.5 * 0.25) < 1e-9); /* the first column is chosen by the indifferent type alone */

    static const double ties[] = {1e-3, 0.5, 7}, differences[] = {-800, -3, -0.1, 0, 0.1, 3, 800};
    for (int t = 0; t < 3; t++) {
        for (int d = 0; d < 7; d++) {
            m->tie = ties[t];
            const double now[3] = {differences[d], 0, 1}, before[3] = {0, differences[d], 1}, one[3] = {1, 0, 0}, other[3] = {0, 1, 0};
            double out[3], mirror[3], total = 0;
            pasta_user_versus_probabilities(m, now, before, one, out);
            pasta_user_versus_probabilities(m, now, before, other, mirror);
            for (int v = 0; v < 3; v++) {
                memset(loglik, 0, sizeof loglik);
                pasta_user_versus_loglik(m, now, before, (enum pasta_versus)(PASTA_WORSE + v), loglik);
                assert_true(isfinite(loglik[0]));
                assert_true(fabs(exp(loglik[0]) - out[v]) < 1e-12 && fabs(out[v] - mirror[2 - v]) < 1e-12);
                total += out[v];
            }
            assert_true(fabs(total - 1) < 1e-9);
            assert_true(fabs(out[2] - 1 / (1 + exp(ties[t] - differences[d]))) < 1e-12);
        }
    }
    pasta_user_model_free(m);
}

static void pairs_and_ratings(void **state)
{
    (void)state;
    struct pasta_user_model *m = random_model(2, 4, 0, PASTA_AGG_MEAN);
    const double first[2] = {1.5, -800}, second[2] = {0.5, 100}, weights[2] = {0.25, 0.75};
    double won[2] = {0}, lost[2] = {0}, tie[2] = {0}, total = 0;
    pasta_user_pair_loglik(m, first, second, 1, won);
    pasta_user_pair_loglik(m, first, second, 0, lost);
    pasta_user_pair_loglik(m, first, second, 0.5, tie);
    assert_true(close_to(won[0], -log1p(exp(-1))));
    assert_true(close_to(won[1], -900)); /* not -inf */
    for (int k = 0; k < 2; k++) {
        assert_true(close_to(tie[k], 0.5 * (won[k] + lost[k])));
        assert_true(close_to(exp(won[k]) + exp(lost[k]), 1));
    }
    assert_true(close_to(pasta_user_pair_probability(m, first, second, weights), 0.25 / (1 + exp(-1))));

    for (int i = -4000; i < 4000; i++) { /* the density integrates to one */
        double loglik[2] = {0}, score[2] = {2, 2};
        pasta_user_rating_loglik(m, score, i * 1e-3, loglik);
        total += exp(loglik[0]) * 1e-3;
    }
    assert_true(fabs(total - 1) < 1e-6);
    assert_true(close_to(pasta_user_rating01(5.5, 1, 10), 0.5));
    assert_true(pasta_user_rating01(11, 1, 10) == 1 && pasta_user_rating01(0, 1, 10) == 0);
    const double score[2] = {1, 3};
    assert_true(close_to(pasta_user_expected(m, score, weights), 2.5));
    assert_true(close_to(pasta_user_expected_rating01(m, score, weights), m->rating_gain * 2.5 + m->rating_offset));
    pasta_user_model_free(m);
}

static void posteriors(void **state)
{
    (void)state;
    struct pasta_user_model *m = random_model(3, 4, 0, PASTA_AGG_MEAN);
    double none[3] = {0}, far[3] = {-5000, -5001, -9000}, w[3];
    pasta_user_posterior(m, none, w);
    for (int k = 0; k < 3; k++)
        assert_true(close_to(w[k], m->prior[k]));
    assert_true(close_to(pasta_user_evidence(m, none), 0));
    pasta_user_posterior(m, far, w);
    assert_true(close_to(w[0] + w[1] + w[2], 1) && w[2] < 1e-300);
    assert_true(close_to(w[0] / w[1], m->prior[0] / m->prior[1] * exp(1)));
    m->prior[0] = 0, m->prior[1] = 0.5, m->prior[2] = 0.5; /* a dead type stays dead */
    pasta_user_posterior(m, none, w);
    assert_true(w[0] == 0 && close_to(w[1], 0.5));
    pasta_user_model_free(m);
}

/* --- the folder --- */

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/pasta-user-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static void save(const struct pasta_user_model *m)
{
    struct pasta_err err = {0};
    if (pasta_user_model_save(m, folder, &err) != PASTA_OK)
        fail_msg("%s", err.message);
}

static void saved_is_loaded(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_user_model *m = random_model(3, 8, 5, PASTA_AGG_LOGSUMEXP), *back = NULL;
    m->rating_offset = -0.25;
    save(m);
    if (pasta_user_model_load(folder, NULL, &back, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    assert_int_equal(back->aggregate, PASTA_AGG_LOGSUMEXP);
    assert_string_equal(back->encoder, "some-encoder");
    assert_memory_equal(m->prior, back->prior, 3 * sizeof(double));
    assert_memory_equal(m->taste, back->taste, 3 * 8 * sizeof(float));
    assert_memory_equal(m->image_in, back->image_in, 3 * 5 * 8 * sizeof(float));
    assert_memory_equal(m->image_out, back->image_out, 3 * 5 * 8 * sizeof(float));
    assert_memory_equal(m->text_in, back->text_in, 3 * 5 * 8 * sizeof(float));
    assert_memory_equal(m->text_out, back->text_out, 3 * 5 * 8 * sizeof(float));
    assert_true(m->scale == back->scale && m->temperature == back->temperature && m->tie == back->tie && m->temperature_max == back->temperature_max);
    assert_true(m->rating_gain == back->rating_gain && m->rating_offset == back->rating_offset && m->rating_noise == back->rating_noise);
    assert_int_equal(pasta_user_model_fits(back, "some-encoder", 8, folder, &err), PASTA_OK);
    assert_int_equal(pasta_user_model_fits(back, "another-encoder", 8, folder, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "another-encoder"));
    err = (struct pasta_err){0};
    assert_int_equal(pasta_user_model_fits(back, "some-encoder", 9, folder, &err), PASTA_ERR_INPUT);
    pasta_user_model_free(m);
    pasta_user_model_free(back);
}

/* Loads must fail with PASTA_ERR_INPUT and a message that holds `word`; nothing is given out. */
static void refused(const char *word)
{
    struct pasta_err err = {0};
    struct pasta_user_model *m = NULL;
    assert_int_equal(pasta_user_model_load(folder, NULL, &m, &err), PASTA_ERR_INPUT);
    assert_null(m);
    if (strstr(err.message, word) == NULL || strstr(err.message, folder) == NULL)
        fail_msg("expected '%s' and the folder in '%s'", word, err.message);
}

static void set_config(const char *text)
{
    struct pasta_err err = {0};
    char *path = pasta_path_join(folder, "config.json");
    if (pasta_file_write(path, text, strlen(text), &err) != PASTA_OK)
        fail_msg("%s", err.message);
    free(path);
}

static void damage_is_refused(void **state)
{
    (void)state;
    struct pasta_user_model *m = random_model(2, 4, 2, PASTA_AGG_MEAN);
    refused("config.json");
#define CONFIG(types, aggregate) "{\"schema\":\"pasta.user_model/1\",\"types\":" types ",\"dim\":4,\"adapter_width\":2,\"aggregate\":\"" aggregate \
                                 "\",\"temperature_max\":3,\"encoder\":\"some-encoder\"}"
    set_config(CONFIG("2", "mean"));
    refused("user_model.safetensors");
    save(m);
    set_config(CONFIG("3", "mean"));
    refused("user_model.safetensors");
    set_config(CONFIG("0", "mean"));
    refused("types");
    set_config(CONFIG("2", "median"));
    refused("aggregate");
    set_config("{\"schema\":\"pasta.session/1\"}");
    refused("schema");
    set_config("[1");
    refused("config.json");

    m->taste[3] = NAN, save(m), refused("taste");
    m->taste[3] = 0, m->rating_noise = 0, save(m), refused("heads");
    m->rating_noise = 1, m->temperature = 3.5, save(m), refused("temperature");
    m->temperature = 1, m->prior[0] = 0.9, m->prior[1] = 0.2, save(m), refused("prior");
    m->prior[0] = -0.5, m->prior[1] = 1.5, save(m), refused("prior");
    pasta_user_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_score_by_hand),
        cmocka_unit_test(scores_do_not_depend_on_what_is_scored_with_them),
        cmocka_unit_test(scores_of_many_are_those_of_one), cmocka_unit_test(aggregates),
        cmocka_unit_test(probabilities_sum_to_one),
        cmocka_unit_test(pairs_and_ratings),
        cmocka_unit_test(posteriors),
        cmocka_unit_test_setup_teardown(saved_is_loaded, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(damage_is_refused, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
