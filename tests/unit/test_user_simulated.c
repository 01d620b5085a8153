/* Simulated users: the frequencies of their answers are the model's probabilities; answers are functions of their arguments. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "pasta/base/rng.h"
#include "pasta/base/threads.h"
#include "pasta/user/simulated_user.h"

enum { L = 3, M = 2, D = 4, DRAWS = 20000 };

/* Embeddings that depend on prompt and seed. */
static pasta_status embed_images(void *ctx, const char *const *prompts, const struct pasta_image_ref *refs, int n, float *out,
                                 struct pasta_err *err)
{
    (void)err;
    if (ctx != NULL)
        return pasta_fail(err, PASTA_ERR_FAILED, "no drawing today");
    for (int i = 0; i < n; i++) {
        struct pasta_rng rng = pasta_rng_at(pasta_hash64(prompts[i]), PASTA_RNG_TEST, (uint32_t)refs[i].seed, 0, 0);
        double square = 0;
        for (int d = 0; d < D; d++) {
            out[i * D + d] = (float)pasta_rng_normal(&rng);
            square += (double)out[i * D + d] * out[i * D + d];
        }
        for (int d = 0; d < D; d++)
            out[i * D + d] = (float)(out[i * D + d] / sqrt(square));
    }
    return PASTA_OK;
}

static pasta_status embed_texts(void *ctx, const char *const *texts, int n, float *out, struct pasta_err *err)
{
    (void)ctx, (void)texts, (void)err;
    for (int i = 0; i < n * D; i++)
        out[i] = i % D == 0;
    return PASTA_OK;
}

static struct pasta_user_model *make_model(void)
{
    struct pasta_user_model *m = pasta_user_model_new(2, D, 0, PASTA_AGG_MEAN, 3, "e");
    m->scale = 1;
    m->prior[0] = 0.3, m->prior[1] = 0.7;
    m->temperature = 1.7;
    m->tie = 0.4;
    for (int d = 0; d < D; d++) {
        m->taste[d] = d == 1 ? 2.0f : 0;
        m->taste[D + d] = d == 1 ? -2.0f : 0.5f;
    }
    return m;
}

static struct pasta_simulated_user *new_user(const struct pasta_user_model *m, struct pasta_simulated_people people, void *ctx)
{
    return pasta_simulated_user_new(m, people, (struct pasta_user_embedder){ctx, embed_images, embed_texts});
}

static struct pasta_image_ref images[2][L][M];
static struct pasta_column columns[2][L];
static struct pasta_turn turns[2];
static struct pasta_session session = {.session_id = "s", .rater_id = "r", .initial_prompt = "a fox", .n_turns = 2, .turns = turns};

static void make_session(void)
{
    static const char *const prompts[L] = {"a red fox", "a fox at night", "two foxes"};
    for (int t = 0; t < 2; t++) {
        for (int l = 0; l < L; l++) {
            for (int i = 0; i < M; i++)
                images[t][l][i] = (struct pasta_image_ref){"", (uint64_t)(100 * t + 10 * l + i)};
            columns[t][l] = (struct pasta_column){.prompt = prompts[l], .n_images = M, .images = images[t][l]};
        }
        turns[t] = (struct pasta_turn){.n_columns = L, .columns = columns[t], .choice = t == 0 ? 1 : -1, .rating = NAN, .seconds = NAN};
    }
}

/* Utility of a column under a type, by the model's own functions. */
static double utility(const struct pasta_user_model *m, int type, int t, int l)
{
    const char *prompts[M] = {columns[t][l].prompt, columns[t][l].prompt};
    float vectors[M * D], text[D] = {1, 0, 0, 0};
    const float *rows[M] = {vectors, vectors + D};
    double scores[M];
    assert_int_equal(embed_images(NULL, prompts, images[t][l], M, vectors, NULL), PASTA_OK);
    pasta_user_scores_of_type(m, type, text, rows, M, scores);
    return (scores[0] + scores[1]) / 2;
}

static bool near(double share, double p, double n) { return fabs(share - p) < 4.5 * sqrt(p * (1 - p) / n) + 1e-9; }

static void answers_follow_the_model(void **state)
{
    (void)state;
    make_session();
    struct pasta_user_model *m = make_model();
    struct pasta_simulated_user *u = new_user(m, pasta_simulated_prior(m), NULL);
    struct pasta_rater rater = pasta_simulated_user_rater(u);
    struct pasta_err err = {0};
    double types[2] = {0}, chosen[2][L] = {{0}}, versus[2][L][3] = {{{0}}}, ratings[2][L] = {{0}};
    assert_int_equal(rater.source, PASTA_SOURCE_SIMULATED);
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct pasta_answer a;
        assert_int_equal(rater.answer(rater.ctx, &session, 0, 5, i, &a, &err), PASTA_OK);
        int k = pasta_simulated_user_type(u, 5, i);
        types[k]++;
        chosen[k][a.choice]++;
        assert_true(a.versus != PASTA_VERSUS_NONE && fabs(a.utility - utility(m, k, 1, a.choice)) < 1e-12);
        versus[k][a.choice][a.versus - PASTA_WORSE]++;
        assert_true(a.rating >= 1 && a.rating <= 10 && a.rating == floor(a.rating));
        ratings[k][a.choice] += a.rating;
    }
    assert_true(near(types[0] / DRAWS, 0.3, DRAWS));
    for (int k = 0; k < 2; k++) {
        double utilities[2 * L], p[L], weights[2] = {k == 0, k == 1};
        for (int l = 0; l < L; l++)
            for (int j = 0; j < 2; j++)
                utilities[j * L + l] = utility(m, j, 1, l);
        pasta_user_choice_probabilities(m, utilities, L, weights, p);
        for (int l = 0; l < L; l++) {
            double n = chosen[k][l], out[3], now[2] = {utilities[l], utilities[L + l]}, before[2] = {utility(m, 0, 0, 1), utility(m, 1, 0, 1)};
            assert_true(near(n / types[k], p[l], types[k]));
            pasta_user_versus_probabilities(m, now, before, weights, out);
            for (int v = 0; v < 3; v++)
                assert_true(near(versus[k][l][v] / n, out[v], n));
            double mean = 1 + 9 * (m->rating_gain * now[k] + m->rating_offset); /* within the scale, so clamping hardly matters */
            assert_true(fabs(ratings[k][l] / n - mean) < 4.5 * 9 * m->rating_noise / sqrt(n) + 0.05);
        }
    }
    pasta_simulated_user_free(u);
    pasta_user_model_free(m);
}

/* What is expected is the mean of what is drawn, and without a turn before there is nothing to compare. */
static void expectations_are_means_of_answers(void **state)
{
    (void)state;
    make_session();
    struct pasta_user_model *m = make_model();
    struct pasta_simulated_user *u = new_user(m, pasta_simulated_prior(m), NULL);
    struct pasta_rater rater = pasta_simulated_user_rater(u);
    struct pasta_err err = {0};
    struct pasta_expected_answer expected;
    double utilities[2 * L], before[2], chosen[L] = {0}, versus[3] = {0}, sum = 0, squares = 0;
    m->rating_gain = 0.4; /* so that some ratings meet the ends of the scale */
    for (int k = 0; k < 2; k++) {
        before[k] = utility(m, k, 0, 1);
        for (int l = 0; l < L; l++)
            utilities[k * L + l] = utility(m, k, 1, l);
    }
    pasta_simulated_user_expect(m, m->prior, utilities, L, before, &expected);
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct pasta_answer a;
        assert_int_equal(rater.answer(rater.ctx, &session, 0, 5, i, &a, &err), PASTA_OK);
        chosen[a.choice]++;
        versus[a.versus - PASTA_WORSE]++;
        sum += a.rating;
        squares += a.rating * a.rating;
    }
    for (int l = 0; l < L; l++)
        assert_true(near(chosen[l] / DRAWS, expected.choice[l], DRAWS));
    for (int v = 0; v < 3; v++)
        assert_true(near(versus[v] / DRAWS, expected.versus[v], DRAWS));
    double mean = sum / DRAWS, deviation = sqrt(squares / DRAWS - mean * mean);
    assert_true(fabs(mean - expected.rating) < 4.5 * deviation / sqrt(DRAWS));
    pasta_simulated_user_expect(m, m->prior, utilities, L, NULL, &expected);
    assert_true(isnan(expected.versus[0]) && isnan(expected.versus[2]) && fabs(mean - expected.rating) < 0.2);
    pasta_simulated_user_free(u);
    pasta_user_model_free(m);
}

/* Types of people who are sure, and of one who is not: whom a session follows is drawn evenly, and then by that one's posterior. */
static void types_follow_the_posteriors(void **state)
{
    (void)state;
    static const double weights[] = {1, 0, 1, 0, 0, 1, 0.2, 0.8};
    struct pasta_user_model *m = make_model();
    struct pasta_simulated_user *all = new_user(m, (struct pasta_simulated_people){weights, 4}, NULL);
    struct pasta_simulated_user *sure = new_user(m, (struct pasta_simulated_people){weights, 1}, NULL);
    double first = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        first += pasta_simulated_user_type(all, 5, i) == 0;
        assert_int_equal(pasta_simulated_user_type(sure, 5, i), 0);
    }
    assert_true(near(first / DRAWS, 2.2 / 4, DRAWS));
    pasta_simulated_user_free(all);
    pasta_simulated_user_free(sure);
    pasta_user_model_free(m);
}

struct run { struct pasta_rater rater; struct pasta_answer answers[200]; };

static pasta_status answer_one(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    struct run *run = ctx;
    (void)worker;
    return run->rater.answer(run->rater.ctx, &session, (uint32_t)(item * 7), 5, (uint32_t)item, &run->answers[item], err);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    make_session();
    static struct run one, two;
    struct pasta_user_model *m = make_model();
    struct pasta_simulated_user *u = new_user(m, pasta_simulated_prior(m), NULL);
    struct pasta_err err = {0};
    one.rater = two.rater = pasta_simulated_user_rater(u);
    assert_int_equal(pasta_parallel_for(200, 1, answer_one, &one, &err), PASTA_OK);
    assert_int_equal(pasta_parallel_for(200, 2, answer_one, &two, &err), PASTA_OK);
    int different = 0;
    for (int i = 0; i < 200; i++) {
        assert_int_equal(one.answers[i].choice, two.answers[i].choice);
        assert_int_equal(one.answers[i].versus, two.answers[i].versus);
        assert_true(one.answers[i].rating == two.answers[i].rating && one.answers[i].utility == two.answers[i].utility);
        different += one.answers[i].choice != one.answers[0].choice;
    }
    assert_true(different > 0);
    pasta_simulated_user_free(u);
    pasta_user_model_free(m);
}

static void the_first_turn_compares_nothing(void **state)
{
    (void)state;
    make_session();
    struct pasta_user_model *m = make_model();
    struct pasta_simulated_user *u = new_user(m, pasta_simulated_prior(m), NULL);
    struct pasta_rater rater = pasta_simulated_user_rater(u);
    struct pasta_err err = {0};
    struct pasta_answer a;
    struct pasta_session first = session;
    first.n_turns = 1;
    assert_int_equal(rater.answer(rater.ctx, &first, 0, 5, 0, &a, &err), PASTA_OK);
    assert_int_equal(a.versus, PASTA_VERSUS_NONE);
    turns[0].choice = -1; /* nothing was chosen before */
    assert_int_equal(rater.answer(rater.ctx, &session, 0, 5, 0, &a, &err), PASTA_OK);
    assert_int_equal(a.versus, PASTA_VERSUS_NONE);
    columns[1][0].n_images = 0;
    assert_int_equal(rater.answer(rater.ctx, &session, 0, 5, 0, &a, &err), PASTA_ERR_INPUT);
    pasta_simulated_user_free(u);

    make_session();
    err = (struct pasta_err){0};
    u = new_user(m, pasta_simulated_prior(m), &err);
    rater = pasta_simulated_user_rater(u);
    assert_int_equal(rater.answer(rater.ctx, &session, 0, 5, 0, &a, &err), PASTA_ERR_FAILED);
    pasta_simulated_user_free(u);
    pasta_user_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_follow_the_model),
        cmocka_unit_test(expectations_are_means_of_answers),
        cmocka_unit_test(types_follow_the_posteriors),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(the_first_turn_compares_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
