/* Gemma's gradients through the packed pass against finite differences, for every parameter by itself. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/base/rng.h"
#include "pasta/io/file.h"
#include "pasta/model/gemma.h"

enum { VOCAB = 40, D = 24, P = 9, N = 3, W = 4, T = P + N * W, R = 5 };
static const char CONFIG[] = "{\"model_type\": \"gemma\", \"vocab_size\": 40, \"hidden_size\": 24, \"intermediate_size\": 32,"
                             "\"num_hidden_layers\": 3, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"head_dim\": 8,"
                             "\"initializer_range\": 0.25}";

static struct pasta_err err;
#define MUST(call) do { err = (struct pasta_err){0}; if ((call) != PASTA_OK) fail_msg("%s", err.message); } while (0)

static pt normals(uint32_t stream, double size, pt like)
{
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, stream, 0, 0);
    const int64_t n = pt_numel(like), rank = pt_rank(like), shape[2] = {pt_size(like, 0), rank > 1 ? pt_size(like, 1) : 1};
    float *v = pasta_malloc((size_t)n * sizeof *v);
    for (int64_t i = 0; i < n; i++)
        v[i] = (float)(size * pasta_rng_normal(&rng));
    pt t = pt_from_f32(v, (int)rank, shape);
    free(v);
    return t;
}

static struct pasta_gemma *small_gemma(void)
{
    char dir[] = "/tmp/pasta-gemma-XXXXXX";
    bool initialised;
    struct pasta_gemma *g;
    assert_non_null(mkdtemp(dir));
    char *path = pasta_path_join(dir, "config.json");
    MUST(pasta_file_write(path, CONFIG, strlen(CONFIG), &err));
    MUST(pasta_gemma_load(dir, "cpu", PT_F32, 7, &initialised, &g, &err));
    unlink(path);
    rmdir(dir);
    free(path);
    pt_scope_open();
    struct pasta_params *p = pasta_gemma_params(g);
    for (int i = 0; i < p->n; i++) /* norms start at 0: away from there */
        if (strstr(p->items[i].name, "norm"))
            pt_add_(p->items[i].tensor, normals((uint32_t)i, 0.3, p->items[i].tensor), 1.0);
    MUST(pt_scope_close(&err));
    return g;
}

/* A fixed linear function of the hidden states of tokens in the prefix and in branches that leave it at different places. */
static pt loss_of(const struct pasta_gemma *g)
{
    static const int64_t fork[N] = {9, 5, 2}, read[R] = {P + 3, P + 5, P + 8, 6, P - 1};
    int64_t ids[T];
    struct pasta_rng rng = pasta_rng_at(2, PASTA_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < T; i++)
        ids[i] = pasta_rng_below(&rng, VOCAB);
    const struct pasta_gemma_pack pack = {1, P, N, W, R, ids, fork, read};
    pt hidden = pt_reshape(pasta_gemma_packed(g, &pack), PT_SHAPE(R, D));
    return pt_sum(pt_mul(hidden, normals(1000, 1.0, hidden)));
}

/* Along a random direction of length 1 the loss grows by the gradient's part along it: some |gradient| / sqrt(n), n its elements. Of that,
 * differences over a step of 0.02 in float32 are right to a thousandth (seen: 1.3e-4). */
static void every_gradient_agrees_with_differences(void **state)
{
    (void)state;
    const double step = 2e-2, tolerance = 1e-3;
    struct pasta_gemma *g = small_gemma();
    struct pasta_params *params = pasta_gemma_params(g);
    pasta_params_requires_grad(params, true);
    pt_scope_open();
    pt_backward(loss_of(g));
    pt_grad_enable(false);
    for (int i = 0; i < params->n; i++) {
        pt tensor = params->items[i].tensor, grad = pt_grad(tensor), direction = normals(2000 + (uint32_t)i, 1.0, tensor);
        assert_non_null(grad);
        direction = pt_mul_scalar(direction, 1 / pt_item(pt_norm(direction)));
        const double size = pt_item(pt_norm(grad)) / sqrt((double)pt_numel(tensor)), expected = pt_item(pt_sum(pt_mul(grad, direction)));
        double loss[2];
        for (int side = 0; side < 2; side++) {
            pt_add_(tensor, direction, side == 0 ? step : -2 * step);
            loss[side] = pt_item(loss_of(g));
        }
        pt_add_(tensor, direction, step);
        const double found = (loss[0] - loss[1]) / (2 * step);
        assert_true(size > 0.01);
        if (fabs(found - expected) > tolerance * size)
            fail_msg("%s: gradient along a direction %g, differences %g", params->items[i].name, expected, found);
    }
    pt_grad_enable(true);
    MUST(pt_scope_close(&err));
    pasta_gemma_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_gradient_agrees_with_differences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
