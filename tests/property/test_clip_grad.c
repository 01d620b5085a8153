/* Gradients of both towers against finite differences, for every parameter; the loss's value in a case that can be worked out; retrieval and probe
 * on made data; the stream's batches do not depend on its threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"
#include "pasta/base/rng.h"
#include "pasta/model/clip_train.h"

static struct pasta_err err;
#define MUST(call) do { err = (struct pasta_err){0}; if ((call) != PASTA_OK) fail_msg("%s", err.message); } while (0)

enum { SIDE = 9, TOKENS = 6, BATCH = PASTA_CLIP_CHUNK + 3 }; /* patches of 4: a border of one pixel is left over */

static struct pasta_clip *small_clip(bool quick_gelu)
{
    static const char *const texts[] = {"red red fox fox", "blue house house"};
    const struct pasta_clip_shape shape = {
        .text = {12, 20, 2, 3, quick_gelu, 1e-5}, .vision = {16, 24, 2, 2, quick_gelu, 1e-5}, .context = 8, .image_size = SIDE, .patch = 4,
        .projection = 10, .logit_scale_init = 1.0};
    struct pasta_bpe *bpe;
    struct pasta_clip *clip;
    MUST(pasta_bpe_train(texts, 2, 530, &bpe, &err));
    MUST(pasta_clip_new(&shape, bpe, 7, "cpu", &clip, &err));
    /* Every parameter away from 0 and 1, so that each has a say. */
    struct pasta_params *p = pasta_clip_params(clip);
    pt_scope_open();
    for (int i = 0; i < p->n; i++) {
        struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, (uint32_t)i, 0, 0);
        int64_t n = pt_numel(p->items[i].tensor);
        float *v = pasta_malloc((size_t)n * sizeof *v);
        for (int64_t j = 0; j < n; j++)
            v[j] = (float)(0.3 * pasta_rng_normal(&rng));
        pt_add_(p->items[i].tensor, pt_reshape(pt_from_f32(v, PT_SHAPE(n)), pt_rank(p->items[i].tensor),
                                               (int64_t[]){pt_rank(p->items[i].tensor) > 0 ? pt_size(p->items[i].tensor, 0) : 1,
                                                           pt_rank(p->items[i].tensor) > 1 ? pt_size(p->items[i].tensor, 1) : 1,
                                                           pt_rank(p->items[i].tensor) > 2 ? pt_size(p->items[i].tensor, 2) : 1,
                                                           pt_rank(p->items[i].tensor) > 3 ? pt_size(p->items[i].tensor, 3) : 1}), 1.0);
        free(v);
    }
    MUST(pt_scope_close(&err));
    return clip;
}

static float pixels[BATCH * 3 * SIDE * SIDE];
static int64_t ids[BATCH * TOKENS];

static void make_batch(const struct pasta_clip *clip)
{
    struct pasta_rng rng = pasta_rng_at(2, PASTA_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < BATCH * 3 * SIDE * SIDE; i++)
        pixels[i] = (float)pasta_rng_normal(&rng);
    for (int i = 0; i < BATCH * TOKENS; i++) /* rows of 3, 4 and 5 before the end, in turn */
        ids[i] = i % TOKENS >= 3 + i / TOKENS % 3 ? pasta_bpe_end(pasta_clip_bpe(clip)) : (int64_t)pasta_rng_below(&rng, 512);
}

static pt loss_of(const struct pasta_clip *clip)
{
    pt images = pt_normalize(pasta_clip_image_features(clip, pt_from_f32(pixels, PT_SHAPE(BATCH, 3, SIDE, SIDE))), 1);
    pt texts = pt_normalize(pasta_clip_text_features(clip, pt_from_i64(ids, PT_SHAPE(BATCH, TOKENS))), 1);
    return pasta_clip_loss(images, texts, pasta_clip_scale(clip));
}

static double loss_value(const struct pasta_clip *clip)
{
    pt_scope_open();
    double value = pt_item(loss_of(clip));
    MUST(pt_scope_close(&err));
    return value;
}

/* For each parameter: the derivative along the direction of the gradient is the gradient's norm. */
static void check_gradients(bool quick_gelu)
{
    struct pasta_clip *clip = small_clip(quick_gelu);
    struct pasta_params *p = pasta_clip_params(clip);
    make_batch(clip);
    pasta_params_requires_grad(p, true);
    pt_scope_open();
    pt_backward(loss_of(clip));
    MUST(pt_scope_close(&err));
    bool grad = pt_grad_enable(false);
    for (int i = 0; i < p->n; i++) {
        const double step = 4e-3;
        double values[2];
        pt_scope_open();
        pt g = pt_grad(p->items[i].tensor);
        assert_non_null(g);
        double norm = pt_item(pt_norm(g));
        if (strstr(p->items[i].name, "k_proj.bias")) { /* a key's bias adds the same to all scores of a query: softmax does not see it */
            assert_true(norm < 1e-5);
        } else {
            assert_true(norm > 1e-6);
            pt direction = pt_mul_scalar(g, 1 / norm);
            for (int side = 0; side < 2; side++) {
                pt_add_(p->items[i].tensor, direction, side ? -2 * step : step);
                values[side] = loss_value(clip);
            }
            pt_add_(p->items[i].tensor, direction, step);
            double found = (values[0] - values[1]) / (2 * step);
            if (fabs(found - norm) > 2e-2 * norm + 2e-4)
                fail_msg("%s: gradient %g, differences %g", p->items[i].name, norm, found);
        }
        MUST(pt_scope_close(&err));
    }
    pt_grad_enable(grad);
    pasta_clip_free(clip);
}

/* In chunks on 1, 2 and 3 threads: the gradients of the whole batch, and the same bits every time, also in the second step of a team. */
static void test_team(void **state)
{
    (void)state;
    struct pasta_clip *clip = small_clip(true);
    struct pasta_params *p = pasta_clip_params(clip);
    make_batch(clip);
    pasta_params_requires_grad(p, true);
    for (int step = 0; step < 2; step++) {
        enum { MAX = 20000 };
        static float first[MAX];
        double expected, loss;
        pt whole[256];
        pt_scope_open();
        pasta_params_zero_grad(p);
        pt value = loss_of(clip);
        pt_backward(value);
        expected = pt_item(value);
        for (int i = 0; i < p->n; i++)
            whole[i] = pt_keep(pt_clone(pt_grad(p->items[i].tensor)));
        MUST(pt_scope_close(&err));
        for (int threads = 1; threads <= 3; threads++) {
            struct pasta_clip_team *team = pasta_clip_team_new(clip, BATCH, threads);
            MUST(pasta_clip_team_gradients(team, pixels, ids, TOKENS, &loss, &err)); /* the second time: nothing is left of the first */
            MUST(pasta_clip_team_gradients(team, pixels, ids, TOKENS, &loss, &err));
            assert_true(fabs(loss - expected) < 1e-4);
            int64_t used = 0;
            pt_scope_open();
            for (int i = 0; i < p->n; i++) {
                static float values[MAX];
                int64_t n = pt_numel(p->items[i].tensor);
                assert_true(used + n <= MAX);
                pt found = pt_grad(p->items[i].tensor);
                assert_true(pt_item(pt_norm(pt_sub(found, whole[i]))) < 1e-4 * (pt_item(pt_norm(whole[i])) + 1e-2));
                pt_copy_f32(found, values);
                if (threads == 1)
                    memcpy(first + used, values, (size_t)n * sizeof *values);
                assert_memory_equal(first + used, values, (size_t)n * sizeof *values);
                used += n;
            }
            MUST(pt_scope_close(&err));
            pasta_clip_team_free(team);
        }
        pt_scope_open();
        for (int i = 0; i < p->n; i++) { /* other weights for the second step */
            pt_add_(p->items[i].tensor, whole[i], -0.1);
            pt_free(whole[i]);
        }
        MUST(pt_scope_close(&err));
    }
    pasta_clip_free(clip);
}

static void test_gradients_quick_gelu(void **state)
{
    (void)state;
    check_gradients(true);
}

static void test_gradients_gelu(void **state)
{
    (void)state;
    check_gradients(false);
}

/* Patch filters start orthogonal to each other, and the lower of two frequencies is the weaker one. */
static void test_first_filters(void **state)
{
    (void)state;
    enum { P = 8, WIDTH = 96, N = 3 * P * P };
    static const char *const texts[] = {"red"};
    const struct pasta_clip_shape shape = {.text = {8, 8, 1, 1, true, 1e-5}, .vision = {WIDTH, 8, 1, 2, true, 1e-5}, .context = 8, .image_size = 16, .patch = P, .projection = 4};
    struct pasta_bpe *bpe;
    struct pasta_clip *clip;
    static float w[WIDTH][N];
    MUST(pasta_bpe_train(texts, 1, 514, &bpe, &err));
    MUST(pasta_clip_new(&shape, bpe, 7, "cpu", &clip, &err));
    pt_copy_f32(pasta_params_get(pasta_clip_params(clip), "vision_model.embeddings.patch_embedding.weight"), w[0]);
    double before = 0;
    for (int i = 0; i < WIDTH; i++) {
        for (int j = 0; j <= i; j++) {
            double dot = 0;
            for (int k = 0; k < N; k++)
                dot += (double)w[i][k] * w[j][k];
            if (j < i)
                assert_true(fabs(dot) < 1e-4);
            else
                assert_true(dot > before - 1e-6);
            before = j == i ? dot : before;
        }
    }
    pasta_clip_free(clip);
}

static void test_scale_is_clamped(void **state)
{
    (void)state;
    struct pasta_clip *clip = small_clip(true);
    pt scale = pasta_params_get(pasta_clip_params(clip), "logit_scale");
    pt_scope_open();
    pt_fill_(scale, 6.0);
    pasta_clip_clamp_scale(clip, 100.0);
    assert_true(fabs(pasta_clip_logit_scale(clip) - 100.0) < 1e-3);
    pt_fill_(scale, 2.0);
    pasta_clip_clamp_scale(clip, 100.0);
    assert_true(fabs(pasta_clip_logit_scale(clip) - exp(2.0)) < 1e-3);
    MUST(pt_scope_close(&err));
    pasta_clip_free(clip);
}

/* Words after the end token have no say, and neither has the padding. */
static void test_text_behind_the_end(void **state)
{
    (void)state;
    struct pasta_clip *clip = small_clip(true);
    int64_t end = pasta_bpe_end(pasta_clip_bpe(clip)), rows[2][6] = {{5, 9, end, 3, 4, 5}, {5, 9, end, end, end, end}};
    float out[20], alone[10];
    pt_scope_open();
    pt_copy_f32(pasta_clip_text_features(clip, pt_from_i64(rows[0], PT_SHAPE(2, 6))), out);
    pt_copy_f32(pasta_clip_text_features(clip, pt_from_i64(rows[0], PT_SHAPE(1, 3))), alone);
    MUST(pt_scope_close(&err));
    for (int j = 0; j < 10; j++) {
        assert_true(fabs(out[j] - out[10 + j]) < 1e-5);
        assert_true(fabs(out[j] - alone[j]) < 1e-5);
    }
    pasta_clip_free(clip);
}

static void test_retrieval(void **state)
{
    (void)state;
    /* Groups of 2 in 2 dimensions: both right; a tie of two equal texts for either image, half a hit each; both wrong. */
    static const float images[] = {1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1}, texts[] = {1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0};
    double top1[3];
    pasta_clip_retrieval(images, texts, 6, 2, 2, top1);
    assert_true(top1[0] == 1.0);
    assert_true(top1[1] == 0.5);
    assert_true(top1[2] == 0.0);
}

static void test_probe(void **state)
{
    (void)state;
    enum { N = 600, DIM = 5, CLASSES = 3 };
    static float x[N * DIM];
    static int labels[N];
    struct pasta_rng rng = pasta_rng_at(3, PASTA_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < N; i++) {
        labels[i] = (int)pasta_rng_below(&rng, CLASSES);
        for (int j = 0; j < DIM; j++)
            x[i * DIM + j] = (float)(0.1 * pasta_rng_normal(&rng) + (j == labels[i]));
    }
    double accuracy;
    MUST(pasta_clip_probe(x, labels, N, 400, DIM, CLASSES, &accuracy, &err));
    assert_true(accuracy > 0.99);
    for (int i = 0; i < N; i++) /* labels that have nothing to do with the vectors are not found */
        labels[i] = (int)pasta_rng_below(&rng, CLASSES);
    MUST(pasta_clip_probe(x, labels, N, 400, DIM, CLASSES, &accuracy, &err));
    assert_true(accuracy < 0.5);
}

static pasta_status make_pair(void *ctx, int64_t index, struct pasta_str *caption, struct pasta_image *image, struct pasta_err *e)
{
    int64_t *fail_at = ctx;
    if (index == *fail_at)
        return pasta_fail(e, PASTA_ERR_INPUT, "pair %d is broken", (int)index);
    pasta_str_printf(caption, "fox %d", (int)index);
    *image = (struct pasta_image){SIDE, SIDE, pasta_malloc(3 * SIDE * SIDE)};
    memset(image->pixels, (int)(index * 7 % 256), 3 * SIDE * SIDE);
    return PASTA_OK;
}

static void test_stream(void **state)
{
    (void)state;
    struct pasta_clip *clip = small_clip(true);
    int64_t fail_at = -1;
    const struct pasta_clip_source source = {&fail_at, make_pair};
    enum { STEPS = 12 };
    float expected[STEPS];
    for (int threads = 1; threads <= 3; threads++) {
        /* The second opening begins in the middle, as a resumed run does. */
        for (int64_t first = 0; first < STEPS; first += 5) {
            struct pasta_clip_stream *s = pasta_clip_stream_open(clip, &source, BATCH, first, threads);
            for (int64_t step = first; step < STEPS; step++) {
                const float *made;
                const int64_t *made_ids;
                int n_ids;
                MUST(pasta_clip_stream_next(s, &made, &made_ids, &n_ids, &err));
                float sum = 0;
                for (int i = 0; i < BATCH; i++) {
                    sum = 3 * sum + made[i * 3 * SIDE * SIDE];
                    for (int j = 0; j < n_ids; j++)
                        sum += (float)made_ids[i * n_ids + j];
                }
                if (threads == 1 && first == 0)
                    expected[step] = sum;
                assert_true(sum == expected[step]);
            }
            pasta_clip_stream_close(s);
        }
    }
    fail_at = 7;
    struct pasta_clip_stream *s = pasta_clip_stream_open(clip, &source, BATCH, 0, 2);
    pasta_status status = PASTA_OK;
    for (int step = 0; step < STEPS && status == PASTA_OK; step++) {
        const float *made;
        const int64_t *made_ids;
        int n_ids;
        err = (struct pasta_err){0};
        status = pasta_clip_stream_next(s, &made, &made_ids, &n_ids, &err);
    }
    assert_int_equal(status, PASTA_ERR_INPUT);
    assert_string_equal(err.message, "pair 7 is broken");
    pasta_clip_stream_close(s);
    pasta_clip_free(clip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_quick_gelu),
        cmocka_unit_test(test_gradients_gelu),
        cmocka_unit_test(test_team),
        cmocka_unit_test(test_first_filters),
        cmocka_unit_test(test_scale_is_clamped),
        cmocka_unit_test(test_text_behind_the_end),
        cmocka_unit_test(test_retrieval),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
