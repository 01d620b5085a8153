/* test_pt.c: the tensor shim. Values against plain C, gradients against finite differences in float64, and the promises about scopes,
 * sticky errors and threads. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "pasta/tensor/pt.h"

enum { MAX_INPUTS = 4, MAX_RANK = 4 };

/* A fixed sequence in [0,1): the test needs numbers, not randomness. */
static double next_number(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0;
}

static int64_t count_of(int rank, const int64_t *shape)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= shape[i];
    return n;
}

static pt scalar(double value) { return pt_full(value, PT_F32, 0, NULL); }

/* sin(step * i), f64. */
static pt wave(double step, int rank, const int64_t *shape)
{
    const int64_t n = count_of(rank, shape);
    double *values = calloc((size_t)n, sizeof *values);
    for (int64_t i = 0; i < n; i++)
        values[i] = sin(step * (double)i);
    pt t = pt_from_bytes(values, PT_F64, rank, shape);
    free(values);
    return t;
}

/* --- gradients ----------------------------------------------------------------------------------- */

typedef pt (*function)(pt *in);

static pt ids(void) { return pt_from_i64((int64_t[]){2, 0, 2, 1}, PT_SHAPE(4)); }
static pt ids_2d(void) { return pt_from_i64((int64_t[]){2, 0, 1, 1, 0, 2}, PT_SHAPE(2, 3)); }
static pt mask(void) { return pt_from_bytes((unsigned char[]){1, 0, 0, 1, 1, 0}, PT_BOOL, PT_SHAPE(2, 3)); }

#define ONE(name, expression) static pt f_##name(pt *in) { pt a = in[0]; return expression; }
#define TWO(name, expression) static pt f_##name(pt *in) { pt a = in[0], b = in[1]; return expression; }
#define THREE(name, expression) static pt f_##name(pt *in) { pt a = in[0], b = in[1], c = in[2]; return expression; }
ONE(clone, pt_clone(a))
ONE(to_dtype, pt_to_dtype(a, PT_F64))
ONE(to_device, pt_to_device(a, "cpu"))
ONE(reshape, pt_reshape(a, PT_SHAPE(3, -1)))
ONE(transpose, pt_transpose(a, 0, -1))
ONE(permute, pt_permute(a, PT_SHAPE(2, 0, 1)))
ONE(contiguous, pt_contiguous(pt_transpose(a, 0, 1)))
ONE(unsqueeze, pt_unsqueeze(a, -1))
ONE(squeeze, pt_squeeze(a, 1))
ONE(expand, pt_expand(a, PT_SHAPE(2, 4, 3)))
ONE(narrow, pt_narrow(a, 1, 1, 2))
ONE(select, pt_select(a, -1, 2))
TWO(cat, pt_cat(((pt[]){a, b, a}), 3, 1))
TWO(stack, pt_stack(((pt[]){b, a}), 2, 0))
ONE(index_select, pt_index_select(a, 0, ids()))
ONE(gather, pt_gather(a, 1, ids_2d()))
TWO(add, pt_add(a, b))
TWO(sub, pt_sub(a, b))
TWO(mul, pt_mul(a, b))
TWO(div, pt_div(a, b))
ONE(add_scalar, pt_add_scalar(a, 0.3))
ONE(mul_scalar, pt_mul_scalar(a, -1.7))
ONE(neg, pt_neg(a))
ONE(abs, pt_abs(a))
ONE(exp, pt_exp(a))
ONE(log, pt_log(a))
ONE(sqrt, pt_sqrt(a))
ONE(rsqrt, pt_rsqrt(a))
ONE(square, pt_square(a))
ONE(sigmoid, pt_sigmoid(a))
ONE(log_sigmoid, pt_log_sigmoid(a))
ONE(softplus, pt_softplus(a))
ONE(silu, pt_silu(a))
ONE(gelu, pt_gelu(a))
ONE(gelu_tanh, pt_gelu_tanh(a))
ONE(quick_gelu, pt_quick_gelu(a))
ONE(clamp, pt_clamp(a, -0.5, 0.7))
ONE(masked_fill, pt_masked_fill(a, mask(), 0.25))
ONE(sum, pt_sum(a))
ONE(mean, pt_mean(a))
ONE(sum_dim, pt_sum_dim(a, -1, false))
ONE(mean_dim, pt_mean_dim(a, 0, true))
ONE(max_dim, pt_max_dim(a, 1, false))
ONE(norm, pt_norm(a))
ONE(logsumexp, pt_logsumexp(a, 1, false))
ONE(softmax, pt_softmax(a, -1))
ONE(normalize, pt_normalize(a, -1))
TWO(matmul, pt_matmul(a, b))
THREE(linear, pt_linear(a, b, c))
TWO(linear_plain, pt_linear(a, b, NULL))
ONE(embedding, pt_embedding(a, ids_2d()))
THREE(layer_norm, pt_layer_norm(a, b, c, 1e-5))
TWO(rms_norm, pt_rms_norm(a, b, 1e-6))
THREE(attention, pt_attention(a, b, c, NULL, 0.6))
static pt f_attention_bias(pt *in) { return pt_attention(in[0], in[1], in[2], in[3], 0.6); }
ONE(cross_entropy, pt_cross_entropy(a, ids()))

struct shape { int rank; int64_t dim[MAX_RANK]; };
#define S(...) {(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}}
static const struct gradient_case {
    const char *name;
    function f;
    bool positive; /* inputs in [0.5, 2.5) rather than [-2, 2) */
    struct shape in[MAX_INPUTS];
} gradient_cases[] = {
    {"clone", f_clone, false, {S(2, 3)}},
    {"to_dtype", f_to_dtype, false, {S(2, 3)}},
    {"to_device", f_to_device, false, {S(2, 3)}},
    {"reshape", f_reshape, false, {S(2, 6)}},
    {"transpose", f_transpose, false, {S(2, 3, 4)}},
    {"permute", f_permute, false, {S(2, 3, 4)}},
    {"contiguous", f_contiguous, false, {S(2, 3)}},
    {"unsqueeze", f_unsqueeze, false, {S(2, 3)}},
    {"squeeze", f_squeeze, false, {S(2, 1, 3)}},
    {"expand", f_expand, false, {S(2, 1, 3)}},
    {"narrow", f_narrow, false, {S(2, 4)}},
    {"select", f_select, false, {S(2, 4)}},
    {"cat", f_cat, false, {S(2, 3), S(2, 2)}},
    {"stack", f_stack, false, {S(2, 3), S(2, 3)}},
    {"index_select", f_index_select, false, {S(3, 2)}},
    {"gather", f_gather, false, {S(2, 3)}},
    {"add", f_add, false, {S(2, 3), S(3)}},
    {"sub", f_sub, false, {S(2, 3), S(2, 1)}},
    {"mul", f_mul, false, {S(2, 3), S(1, 3)}},
    {"div", f_div, true, {S(2, 3), S(3)}},
    {"add_scalar", f_add_scalar, false, {S(2, 3)}},
    {"mul_scalar", f_mul_scalar, false, {S(2, 3)}},
    {"neg", f_neg, false, {S(2, 3)}},
    {"abs", f_abs, false, {S(2, 3)}},
    {"exp", f_exp, false, {S(2, 3)}},
    {"log", f_log, true, {S(2, 3)}},
    {"sqrt", f_sqrt, true, {S(2, 3)}},
    {"rsqrt", f_rsqrt, true, {S(2, 3)}},
    {"square", f_square, false, {S(2, 3)}},
    {"sigmoid", f_sigmoid, false, {S(2, 3)}},
    {"log_sigmoid", f_log_sigmoid, false, {S(2, 3)}},
    {"softplus", f_softplus, false, {S(2, 3)}},
    {"silu", f_silu, false, {S(2, 3)}},
    {"gelu", f_gelu, false, {S(2, 3)}},
    {"gelu_tanh", f_gelu_tanh, false, {S(2, 3)}},
    {"quick_gelu", f_quick_gelu, false, {S(2, 3)}},
    {"clamp", f_clamp, false, {S(4, 3)}},
    {"masked_fill", f_masked_fill, false, {S(2, 3)}},
    {"sum", f_sum, false, {S(2, 3)}},
    {"mean", f_mean, false, {S(2, 3)}},
    {"sum_dim", f_sum_dim, false, {S(2, 3)}},
    {"mean_dim", f_mean_dim, false, {S(2, 3)}},
    {"max_dim", f_max_dim, false, {S(2, 4)}},
    {"norm", f_norm, false, {S(2, 3)}},
    {"logsumexp", f_logsumexp, false, {S(2, 4)}},
    {"softmax", f_softmax, false, {S(2, 4)}},
    {"normalize", f_normalize, false, {S(2, 4)}},
    {"matmul", f_matmul, false, {S(2, 3, 4), S(2, 4, 2)}},
    {"matmul broadcast", f_matmul, false, {S(2, 3, 4), S(4, 2)}},
    {"linear", f_linear, false, {S(2, 3, 4), S(5, 4), S(5)}},
    {"linear without bias", f_linear_plain, false, {S(3, 4), S(5, 4)}},
    {"embedding", f_embedding, false, {S(3, 2)}},
    {"layer_norm", f_layer_norm, false, {S(2, 3, 5), S(5), S(5)}},
    {"rms_norm", f_rms_norm, false, {S(2, 3, 5), S(5)}},
    {"attention", f_attention, false, {S(2, 3, 4, 2), S(2, 3, 5, 2), S(2, 3, 5, 2)}},
    {"attention grouped", f_attention, false, {S(2, 4, 3, 2), S(2, 2, 5, 2), S(2, 2, 5, 2)}},
    {"attention bias", f_attention_bias, false, {S(1, 4, 3, 2), S(1, 1, 3, 2), S(1, 1, 3, 2), S(1, 4, 3, 3)}},
    {"attention bias broadcast", f_attention_bias, false, {S(2, 2, 3, 2), S(2, 1, 4, 2), S(2, 1, 4, 2), S(3, 4)}},
    {"cross_entropy", f_cross_entropy, false, {S(4, 3)}},
};

/* sum(f(in) * r) for fixed r: every element of the result takes part with its own weight. */
static pt weighted(const struct gradient_case *c, pt *in)
{
    pt y = c->f(in);
    const int64_t n = pt_numel(y);
    double *r = calloc((size_t)n + 1, sizeof *r);
    uint64_t state = 99;
    for (int64_t i = 0; i < n; i++)
        r[i] = 2 * next_number(&state) - 1;
    pt loss = pt_sum(pt_mul(pt_reshape(y, PT_SHAPE(-1)), pt_from_bytes(r, PT_F64, PT_SHAPE(n))));
    free(r);
    return loss;
}

static double value_at(const struct gradient_case *c, double *const *data, int n_in)
{
    pt in[MAX_INPUTS] = {0};
    struct pasta_err err = {0};
    pt_scope_open();
    for (int i = 0; i < n_in; i++)
        in[i] = pt_from_bytes(data[i], PT_F64, c->in[i].rank, c->in[i].dim);
    const double value = pt_item(weighted(c, in));
    if (pt_scope_close(&err) != PASTA_OK)
        fail_msg("%s: %s", c->name, err.message);
    return value;
}

static void check_gradient(const struct gradient_case *c)
{
    double *data[MAX_INPUTS] = {0};
    pt in[MAX_INPUTS] = {0};
    int n_in = 0;
    uint64_t state = 7;
    struct pasta_err err = {0};
    pt_scope_open();
    for (; n_in < MAX_INPUTS && c->in[n_in].rank > 0; n_in++) {
        const int64_t n = count_of(c->in[n_in].rank, c->in[n_in].dim);
        data[n_in] = calloc((size_t)n, sizeof **data);
        for (int64_t j = 0; j < n; j++)
            data[n_in][j] = c->positive ? 0.5 + 2 * next_number(&state) : 4 * next_number(&state) - 2;
        in[n_in] = pt_from_bytes(data[n_in], PT_F64, c->in[n_in].rank, c->in[n_in].dim);
        pt_requires_grad(in[n_in], true);
    }
    pt_backward(weighted(c, in));
    for (int i = 0; i < n_in; i++) {
        const int64_t n = pt_numel(in[i]);
        double *analytic = calloc((size_t)n, sizeof *analytic);
        pt_copy_bytes(pt_grad(in[i]), analytic);
        if (pt_failed())
            break;
        for (int64_t j = 0; j < n; j++) {
            const double x = data[i][j], h = 1e-6;
            data[i][j] = x + h;
            const double above = value_at(c, data, n_in);
            data[i][j] = x - h;
            const double below = value_at(c, data, n_in);
            data[i][j] = x;
            const double numeric = (above - below) / (2 * h);
            if (!(fabs(numeric - analytic[j]) <= 1e-7 * (1 + fabs(numeric))))
                fail_msg("%s: input %d element %d: gradient %.10g, finite difference %.10g", c->name, i, (int)j, analytic[j], numeric);
        }
        free(analytic);
    }
    if (pt_scope_close(&err) != PASTA_OK)
        fail_msg("%s: %s", c->name, err.message);
    for (int i = 0; i < n_in; i++)
        free(data[i]);
}

static void gradients_match_finite_differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof gradient_cases / sizeof *gradient_cases; i++)
        check_gradient(&gradient_cases[i]);
}

/* --- values -------------------------------------------------------------------------------------- */

static double c_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double c_gelu(double x) { return 0.5 * x * (1 + erf(x / sqrt(2))); }
static double c_gelu_tanh(double x) { return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
static double c_quick_gelu(double x) { return x * c_sigmoid(1.702 * x); }
static double c_silu(double x) { return x * c_sigmoid(x); }
static double c_softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }
static double c_log_sigmoid(double x) { return -c_softplus(-x); }
static double c_rsqrt(double x) { return 1 / sqrt(x); }
static double c_square(double x) { return x * x; }
static double c_neg(double x) { return -x; }

static void elementwise_values_match_c(void **state)
{
    (void)state;
    static const struct { const char *name; pt (*f)(pt); double (*c)(double); bool positive; } cases[] = {
        {"neg", pt_neg, c_neg, false}, {"abs", pt_abs, fabs, false}, {"exp", pt_exp, exp, false}, {"log", pt_log, log, true},
        {"sqrt", pt_sqrt, sqrt, true}, {"rsqrt", pt_rsqrt, c_rsqrt, true}, {"square", pt_square, c_square, false},
        {"sigmoid", pt_sigmoid, c_sigmoid, false}, {"log_sigmoid", pt_log_sigmoid, c_log_sigmoid, false},
        {"softplus", pt_softplus, c_softplus, false}, {"silu", pt_silu, c_silu, false},
        {"gelu", pt_gelu, c_gelu, false}, {"gelu_tanh", pt_gelu_tanh, c_gelu_tanh, false},
        {"quick_gelu", pt_quick_gelu, c_quick_gelu, false},
    };
    enum { N = 41 };
    double x[N], y[N];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_err err = {0};
        for (int j = 0; j < N; j++)
            x[j] = cases[i].positive ? 0.1 + 0.2 * j : -6 + 0.3 * j;
        pt_scope_open();
        pt_copy_bytes(cases[i].f(pt_from_bytes(x, PT_F64, PT_SHAPE(N))), y);
        assert_int_equal(pt_scope_close(&err), PASTA_OK);
        for (int j = 0; j < N; j++)
            if (!(fabs(y[j] - cases[i].c(x[j])) <= 1e-12 * (1 + fabs(y[j]))))
                fail_msg("%s(%g) = %.15g, expected %.15g", cases[i].name, x[j], y[j], cases[i].c(x[j]));
    }
}

static void fill(double *x, int n, uint64_t seed)
{
    for (int i = 0; i < n; i++)
        x[i] = 2 * next_number(&seed) - 1;
}

/* Grouped attention against four loops: query head i reads key head i / group. */
static void attention_matches_loops(void **state)
{
    (void)state;
    enum { B = 2, H = 6, HK = 2, TQ = 3, TK = 5, D = 4 };
    double q[B][H][TQ][D], k[B][HK][TK][D], v[B][HK][TK][D], bias[B][TK], out[B][H][TQ][D];
    fill(&q[0][0][0][0], B * H * TQ * D, 1);
    fill(&k[0][0][0][0], B * HK * TK * D, 2);
    fill(&v[0][0][0][0], B * HK * TK * D, 3);
    fill(&bias[0][0], B * TK, 4);
    bias[1][4] = -INFINITY; /* a padded key */
    struct pasta_err err = {0};
    pt_scope_open();
    pt_copy_bytes(pt_attention(pt_from_bytes(q, PT_F64, PT_SHAPE(B, H, TQ, D)), pt_from_bytes(k, PT_F64, PT_SHAPE(B, HK, TK, D)),
                               pt_from_bytes(v, PT_F64, PT_SHAPE(B, HK, TK, D)), pt_from_bytes(bias, PT_F64, PT_SHAPE(B, 1, 1, TK)), 0.7), out);
    assert_int_equal(pt_scope_close(&err), PASTA_OK);
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++)
            for (int t = 0; t < TQ; t++) {
                double w[TK], total = 0;
                const int g = h / (H / HK);
                for (int s = 0; s < TK; s++) {
                    w[s] = bias[b][s];
                    for (int d = 0; d < D; d++)
                        w[s] += 0.7 * q[b][h][t][d] * k[b][g][s][d];
                    total += w[s] = exp(w[s]);
                }
                for (int d = 0; d < D; d++) {
                    double y = 0;
                    for (int s = 0; s < TK; s++)
                        y += w[s] / total * v[b][g][s][d];
                    assert_true(fabs(y - out[b][h][t][d]) < 1e-12);
                }
            }
}

/* In f32 attention is fused. Result and gradients against the f64 path, which finite differences have checked, over odd sizes, groups,
 * transposed operands, and biases that hide single keys, whole blocks of keys, or nothing. */
static void fused_attention_matches_the_plain_one(void **state)
{
    (void)state;
    static const struct { int64_t B, h, g, Tq, Tk, d; int bias; } cases[] = {
        {1, 1, 1, 1, 1, 1, 0},     {2, 3, 3, 5, 7, 8, 1},      {2, 4, 2, 65, 65, 32, 0}, {1, 4, 1, 50, 50, 64, 1}, {3, 2, 1, 77, 77, 17, 2},
        {2, 4, 1, 130, 130, 24, 2}, {1, 2, 2, 33, 100, 128, 3}, {2, 6, 3, 3, 47, 16, 3},  {1, 2, 1, 49, 16, 40, 1}, {40, 4, 1, 60, 60, 32, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int64_t B = cases[i].B, h = cases[i].h, g = cases[i].g, Tq = cases[i].Tq, Tk = cases[i].Tk, d = cases[i].d;
        struct pasta_err err = {0};
        pt_scope_open();
        pt in[2][3], out[2], bias = NULL;
        if (cases[i].bias) {
            float *values = calloc((size_t)(B * Tq * Tk), sizeof *values);
            for (int64_t b = 0; b < B; b++)
                for (int64_t t = 0; t < Tq; t++)
                    for (int64_t s = 0; s < Tk; s++)
                        values[(b * Tq + t) * Tk + s] = cases[i].bias == 2   ? (s > t ? -INFINITY : 0)              /* causal */
                                                        : cases[i].bias == 3 ? (s < 20 || s > 40 + b ? 0 : -1e30f)  /* a hidden stretch */
                                                                             : (float)sin((double)(t * 7 + s * 3)); /* no mask */
            bias = pt_from_f32(values, PT_SHAPE(B, 1, Tq, Tk));
            if (cases[i].bias == 1)
                bias = pt_narrow(bias, 0, 0, 1); /* broadcast over the batch as well */
            free(values);
        }
        for (int wide = 0; wide < 2; wide++) {
            for (int j = 0; j < 3; j++) {
                const int64_t heads = j == 0 ? h : g, T = j == 0 ? Tq : Tk;
                in[wide][j] = pt_to_dtype(pt_mul_scalar(wave(0.7 + j, PT_SHAPE(B, T, heads, d)), 1.5), PT_F32);
                if (wide) /* of the rounded values */
                    in[wide][j] = pt_to_dtype(in[wide][j], PT_F64);
                pt_requires_grad(in[wide][j], true);
            }
            out[wide] = pt_attention(pt_transpose(in[wide][0], 1, 2), pt_transpose(in[wide][1], 1, 2), pt_transpose(in[wide][2], 1, 2),
                                     bias && wide ? pt_to_dtype(bias, PT_F64) : bias, 0.3);
            pt weight = wave(0.9, PT_SHAPE(B, h, Tq, d));
            pt_backward(pt_sum(pt_mul(out[wide], pt_to_dtype(weight, wide ? PT_F64 : PT_F32))));
        }
        for (int j = 0; j < 4; j++) {
            pt a = j < 3 ? pt_grad(in[0][j]) : out[0], b = j < 3 ? pt_grad(in[1][j]) : out[1];
            const double error = pt_item(pt_norm(pt_sub(pt_to_dtype(a, PT_F64), b))), size = pt_item(pt_norm(b));
            if (!(error <= 2e-5 * size + 1e-6)) /* ATen's own f32 products come to 5e-6 */
                fail_msg("case %d, %s: relative error %g", (int)i, j == 3 ? "result" : j == 0 ? "dq" : j == 1 ? "dk" : "dv", error / size);
        }
        const bool recording = pt_grad_enable(false);
        pt unrecorded = pt_attention(pt_transpose(in[0][0], 1, 2), pt_transpose(in[0][1], 1, 2), pt_transpose(in[0][2], 1, 2), bias, 0.3);
        assert_true(pt_item(pt_norm(pt_sub(unrecorded, out[0]))) == 0);
        pt_threads(pt_threads_get() == 1 ? 2 : 1);
        unrecorded = pt_attention(pt_transpose(in[0][0], 1, 2), pt_transpose(in[0][1], 1, 2), pt_transpose(in[0][2], 1, 2), bias, 0.3);
        assert_true(pt_item(pt_norm(pt_sub(unrecorded, out[0]))) == 0);
        pt_grad_enable(recording);
        if (pt_scope_close(&err) != PASTA_OK)
            fail_msg("case %d: %s", (int)i, err.message);
    }
}

/* The f32 operation and its derivative against ATen's own in f64; rows that nothing names, odd widths. */
static void row_dots_match_gathered_products(void **state)
{
    (void)state;
    enum { K = 3, P = 4, N = 7, D = 37 };
    static const int64_t of[N] = {2, 0, 2, 2, 3, 0, 2};
    double x[N * D], y[K * P * D], g[K * N], values[2][K * N], gradients[2][(N + K * P) * D];
    fill(x, N * D, 1);
    fill(y, K * P * D, 2);
    fill(g, K * N, 3);
    for (int wide = 0; wide < 2; wide++) {
        const pt_dtype dtype = wide ? PT_F64 : PT_F32;
        struct pasta_err err = {0};
        pt_scope_open();
        pt rows = pt_to_dtype(pt_from_bytes(x, PT_F64, PT_SHAPE(N, D)), dtype), named = pt_to_dtype(pt_from_bytes(y, PT_F64, PT_SHAPE(K, P, D)), dtype);
        pt_requires_grad(rows, true);
        pt_requires_grad(named, true);
        pt out = pt_row_dots(rows, named, pt_from_i64(of, PT_SHAPE(N)));
        pt_backward(pt_sum(pt_mul(out, pt_to_dtype(pt_from_bytes(g, PT_F64, PT_SHAPE(K, N)), dtype))));
        pt_copy_bytes(pt_to_dtype(pt_detach(out), PT_F64), values[wide]);
        pt_copy_bytes(pt_to_dtype(pt_grad(rows), PT_F64), gradients[wide]);
        pt_copy_bytes(pt_to_dtype(pt_grad(named), PT_F64), gradients[wide] + N * D);
        if (pt_scope_close(&err) != PASTA_OK)
            fail_msg("%s", err.message);
    }
    for (int i = 0; i < K * N; i++)
        assert_true(fabs(values[0][i] - values[1][i]) < 1e-5);
    for (int i = 0; i < (N + K * P) * D; i++)
        assert_true(fabs(gradients[0][i] - gradients[1][i]) < 1e-5);
    struct pasta_err err = {0};
    pt_scope_open();
    pt_row_dots(pt_zeros(PT_F32, PT_SHAPE(N, D)), pt_zeros(PT_F32, PT_SHAPE(K, 3, D)), pt_from_i64(of, PT_SHAPE(N)));
    assert_int_equal(pt_scope_close(&err), PASTA_ERR_FAILED); /* row 3 of 3 */
    assert_non_null(strstr(err.message, "rows 0 to 2"));
}

static void norms_match_loops(void **state)
{
    (void)state;
    enum { N = 3, D = 7 };
    double x[N][D], w[D], b[D], layer[N][D], rms[N][D];
    fill(&x[0][0], N * D, 1);
    fill(w, D, 2);
    fill(b, D, 3);
    pt_scope_open();
    pt px = pt_from_bytes(x, PT_F64, PT_SHAPE(N, D)), pw = pt_from_bytes(w, PT_F64, PT_SHAPE(D)), pb = pt_from_bytes(b, PT_F64, PT_SHAPE(D));
    pt_copy_bytes(pt_layer_norm(px, pw, pb, 1e-3), layer);
    pt_copy_bytes(pt_rms_norm(px, pw, 1e-3), rms);
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
    for (int i = 0; i < N; i++) {
        double mean = 0, variance = 0, square = 0;
        for (int d = 0; d < D; d++)
            mean += x[i][d] / D;
        for (int d = 0; d < D; d++)
            variance += (x[i][d] - mean) * (x[i][d] - mean) / D, square += x[i][d] * x[i][d] / D;
        for (int d = 0; d < D; d++) {
            assert_true(fabs(layer[i][d] - ((x[i][d] - mean) / sqrt(variance + 1e-3) * w[d] + b[d])) < 1e-12);
            assert_true(fabs(rms[i][d] - x[i][d] / sqrt(square + 1e-3) * (1 + w[d])) < 1e-12);
        }
    }
}

/* Half precision: softmax and norms are computed in f32, so the result is the f32 one rounded once. */
static void half_precision_computes_in_f32(void **state)
{
    (void)state;
    enum { N = 4, D = 300 };
    float x[N * D], rounded[N * D], direct[N * D], w[D];
    uint64_t seed = 3;
    for (int i = 0; i < N * D; i++)
        x[i] = (float)(8 * next_number(&seed) - 4);
    for (int i = 0; i < D; i++)
        w[i] = (float)next_number(&seed);
    pt_scope_open();
    pt half = pt_to_dtype(pt_from_f32(x, PT_SHAPE(N, D)), PT_BF16), wh = pt_to_dtype(pt_from_f32(w, PT_SHAPE(D)), PT_BF16);
    pt full = pt_rms_norm(pt_to_dtype(half, PT_F32), pt_to_dtype(wh, PT_F32), 1e-6);
    pt_copy_f32(pt_to_dtype(full, PT_BF16), rounded);
    pt y = pt_rms_norm(half, wh, 1e-6);
    assert_int_equal(pt_dtype_of(y), PT_BF16);
    pt_copy_f32(y, direct);
    pt q = pt_reshape(half, PT_SHAPE(1, 1, N, D));
    assert_int_equal(pt_dtype_of(pt_attention(q, q, q, pt_zeros(PT_F32, PT_SHAPE(N, N)), 0.1)), PT_BF16);
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
    assert_memory_equal(rounded, direct, sizeof direct);
}

static void creation_and_inspection(void **state)
{
    (void)state;
    const float values[6] = {1, -2, 3, 4.5f, 5, 6};
    float back[6];
    int64_t whole[6];
    double wide[6];
    pt_scope_open();
    pt a = pt_from_f32(values, PT_SHAPE(2, 3));
    assert_int_equal(pt_rank(a), 2);
    assert_int_equal(pt_size(a, 0), 2);
    assert_int_equal(pt_size(a, -1), 3);
    assert_int_equal(pt_numel(a), 6);
    pt_copy_f32(pt_transpose(a, 0, 1), back);
    const float transposed[6] = {1, 4.5f, -2, 5, 3, 6};
    assert_memory_equal(back, transposed, sizeof back);
    pt_copy_i64(a, whole);
    assert_int_equal(whole[1], -2);
    pt_copy_bytes(pt_to_dtype(a, PT_F64), wide);
    assert_true(wide[3] == 4.5);
    for (pt_dtype d = PT_F32; d <= PT_BOOL; d++) {
        pt one = pt_full(1, d, PT_SHAPE(2));
        assert_int_equal(pt_dtype_of(one), d);
        assert_true(pt_item(pt_select(one, 0, 1)) == 1);
        unsigned char bytes[16];
        pt_copy_bytes(one, bytes);
        pt again = pt_from_bytes(bytes, d, PT_SHAPE(2));
        assert_true(pt_item(pt_sum(pt_to_dtype(again, PT_F64))) == 2);
        assert_int_equal(pt_dtype_size(d), d == PT_F64 || d == PT_I64 ? 8 : d <= PT_F32 || d == PT_I32 ? 4 : d <= PT_BF16 ? 2 : 1);
    }
    pt borrowed = pt_borrow(values, PT_F32, PT_SHAPE(3, 2));
    assert_true(pt_item(pt_select(pt_select(borrowed, 0, 1), 0, 0)) == 3);
    assert_true(pt_item(scalar(0.5)) == 0.5);
    assert_int_equal(pt_rank(scalar(1)), 0);
    assert_true(pt_item(pt_sum(pt_arange(5))) == 10);
    assert_int_equal(pt_numel(pt_zeros(PT_F32, PT_SHAPE(0, 3))), 0);
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
}

static void count_release(void *times)
{
    ++*(int *)times;
}

static void held_memory_is_released_once(void **state)
{
    (void)state;
    float values[2] = {1, 2};
    int kept = 0, empty = 0, refused = 0, late = 0;
    pt_scope_open();
    pt held = pt_keep(pt_borrow_held(values, PT_F32, PT_SHAPE(2), count_release, &kept));
    pt_borrow_held(NULL, PT_F32, PT_SHAPE(0), count_release, &empty);
    pt_scope_open();
    assert_null(pt_borrow_held(values, PT_F32, PT_SHAPE(-2), count_release, &refused));
    assert_null(pt_borrow_held(values, PT_F32, PT_SHAPE(2), count_release, &late)); /* the scope has failed already */
    assert_int_equal(refused, 1);
    assert_int_equal(late, 1);
    assert_int_not_equal(pt_scope_close(NULL), PASTA_OK);
    assert_int_not_equal(pt_scope_close(NULL), PASTA_OK);
    assert_int_equal(empty, 1);
    assert_int_equal(kept, 0);
    pt_free(held);
    assert_int_equal(kept, 1);
}

static void integers_stay_integers(void **state)
{
    (void)state;
    pt_scope_open();
    pt i = pt_arange(4);
    assert_int_equal(pt_dtype_of(pt_add_scalar(i, 1)), PT_I64);
    assert_int_equal(pt_dtype_of(pt_mul_scalar(i, 0.5)), PT_F32);
    assert_true(pt_item(pt_sum(pt_eq_scalar(i, 2))) == 1);
    assert_true(pt_item(pt_sum(pt_lt_scalar(i, 2))) == 2);
    assert_true(pt_item(pt_sum(pt_lt_scalar(i, 2.5))) == 3);
    assert_true(pt_item(pt_sum(pt_lt(i, pt_full(2, PT_I64, PT_SHAPE(4))))) == 2);
    assert_true(pt_item(pt_argmax(pt_masked_fill(i, pt_eq_scalar(i, 3), -1), 0)) == 2);
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
}

/* --- in place ------------------------------------------------------------------------------------ */

static void in_place_operations(void **state)
{
    (void)state;
    const float two[2] = {1, 2}, other[2] = {3, 5};
    float out[2];
    pt_scope_open();
    pt t = pt_from_f32(two, PT_SHAPE(2)), o = pt_from_f32(other, PT_SHAPE(2));
    pt_requires_grad(t, true);
    pt_scale_(t, 2);                /* 2 4 */
    pt_add_(t, o, -1);              /* -1 -1 */
    pt_addcmul_(t, o, o, 1);        /* 8 24 */
    pt_addcdiv_(t, o, o, 2);        /* 10 26 */
    pt_lerp_(t, o, 0.5);            /* 6.5 15.5 */
    pt_copy_f32(t, out);
    assert_true(out[0] == 6.5f && out[1] == 15.5f);
    pt_set(t, o);
    pt_fill_(o, 0);
    pt_copy_f32(t, out);
    assert_true(out[0] == 3 && out[1] == 5);
    pt_backward(pt_sum(t)); /* still a leaf: nothing of the above was recorded */
    assert_true(pt_item(pt_sum(pt_grad(t))) == 2);
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
}

static void gradients_accumulate_and_clear(void **state)
{
    (void)state;
    pt_scope_open();
    pt w = pt_full(3, PT_F32, PT_SHAPE(2));
    pt_requires_grad(w, true);
    assert_null(pt_grad(w));
    pt_backward(pt_sum(pt_square(w)));
    pt_backward(pt_sum(w));
    assert_true(pt_item(pt_sum(pt_grad(w))) == 14);
    pt_scale_(pt_grad(w), 0.5); /* the gradient itself, not a copy */
    assert_true(pt_item(pt_sum(pt_grad(w))) == 7);
    pt_grad_set(w, pt_zeros_like(w));
    assert_true(pt_item(pt_sum(pt_grad(w))) == 0);
    pt_zero_grad(w);
    assert_null(pt_grad(w));
    pt frozen = pt_mul_scalar(pt_detach(w), 2);
    assert_null(pt_grad(frozen));
    assert_null(pt_grad(pt_mul_scalar(w, 2))); /* not a leaf */
    const bool before = pt_grad_enable(false);
    assert_true(before);
    pt unrecorded = pt_sum(w);
    assert_false(pt_grad_enable(true));
    assert_false(pt_failed());
    pt_backward(unrecorded);
    assert_true(pt_failed());
    assert_int_equal(pt_scope_close(NULL), PASTA_ERR_FAILED);
}

/* --- scopes and errors --------------------------------------------------------------------------- */

static void scopes_own_keep_and_yield(void **state)
{
    (void)state;
    assert_int_equal(pt_scope_depth(), 0);
    pt_scope_open();
    pt_scope_open();
    assert_int_equal(pt_scope_depth(), 2);
    pt kept = pt_keep(scalar(1));
    pt yielded = pt_yield(scalar(2));
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
    assert_true(pt_item(yielded) == 2);
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
    assert_true(pt_item(kept) == 1); /* reading needs no scope */
    pt_free(kept);
    pt_free(NULL);
    assert_null(pt_keep(NULL));
}

static void first_failure_sticks_and_names_its_operands(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    pt_scope_open();
    pt a = pt_zeros(PT_F32, PT_SHAPE(2, 3)), b = pt_zeros(PT_F64, PT_SHAPE(4, 5));
    assert_false(pt_failed());
    assert_null(pt_matmul(a, b));
    assert_true(pt_failed());
    assert_null(pt_add(a, a)); /* although it could be computed */
    assert_null(pt_exp(NULL));
    assert_true(isnan(pt_item(NULL)));
    float untouched = 7;
    pt_copy_f32(NULL, &untouched);
    assert_true(untouched == 7);
    pt_set(a, NULL);
    pt_backward(NULL);
    pt_scope_open();
    assert_null(scalar(1));
    assert_int_equal(pt_scope_close(NULL), PASTA_ERR_FAILED);
    assert_int_equal(pt_scope_close(&err), PASTA_ERR_FAILED);
    assert_non_null(strstr(err.message, "pt_matmul([2,3] f32, [4,5] f64): "));
    assert_null(strchr(err.message, '\n'));
    pt_scope_open(); /* a new scope starts clean */
    assert_non_null(scalar(1));
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
}

static void inner_failure_fails_the_enclosing_scope(void **state)
{
    (void)state;
    struct pasta_err inner = {0}, outer = {0};
    pt_scope_open();
    pt_scope_open();
    pt_fail("type %d has no weight", 3);
    assert_int_equal(pt_scope_close(&inner), PASTA_ERR_FAILED);
    assert_true(pt_failed());
    assert_null(scalar(1));
    assert_int_equal(pt_scope_close(&outer), PASTA_ERR_FAILED);
    assert_string_equal(inner.message, "type 3 has no weight");
    assert_string_equal(outer.message, inner.message);
}

static void null_operand_is_an_error(void **state)
{
    (void)state;
    static const char *const expected[] = {"pt_add([] f32, NULL): NULL operand", "pt_cat([2] f32, NULL): NULL operand",
                                           "pt_numel(NULL): NULL operand", "pt_linear([2] f32, NULL): NULL operand"};
    for (int i = 0; i < 4; i++) {
        struct pasta_err err = {0};
        pt_scope_open();
        pt t = pt_zeros(PT_F32, PT_SHAPE(2));
        if (i == 0)
            pt_add(scalar(1), NULL);
        else if (i == 1)
            pt_cat((pt[]){t, NULL}, 2, 0);
        else if (i == 2)
            pt_numel(NULL);
        else
            pt_linear(t, NULL, NULL);
        assert_int_equal(pt_scope_close(&err), PASTA_ERR_FAILED);
        assert_non_null(strstr(err.message, expected[i]));
    }
}

static void bad_arguments_are_errors_not_crashes(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        pt_scope_open();
        pt t = pt_zeros(PT_F32, PT_SHAPE(2, 3));
        assert_false(pt_failed());
        switch (i) {
        case 0: pt_size(t, 2); break;
        case 1: pt_item(t); break;
        case 2: pt_reshape(t, PT_SHAPE(4, 2)); break;
        case 3: pt_to_device(t, "nonsense:0"); break;
        case 4: pt_embedding(t, pt_full(2, PT_I64, PT_SHAPE(1))); break;
        case 5: pt_attention(t, t, t, NULL, 1); break;
        case 6: pt_set(t, pt_zeros(PT_F32, PT_SHAPE(7))); break;
        case 7: pt_zeros(PT_F32, PT_SHAPE(INT64_C(1) << 60, 4)); break;
        }
        if (!pt_failed())
            fail_msg("case %d was accepted", i);
        assert_int_equal(pt_scope_close(NULL), PASTA_ERR_FAILED);
    }
}

static void devices_are_checked(void **state)
{
    (void)state;
    static const char *const refused[] = {"", "nonsense", "cpu:1", "cuda:99", "cuda:x", "meta"};
    struct pasta_err none = {0};
    assert_int_equal(pt_device_check("cpu", &none), PASTA_OK);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct pasta_err err = {0};
        if (pt_device_check(refused[i], &err) != PASTA_ERR_USAGE)
            fail_msg("'%s' was accepted", refused[i]);
        assert_non_null(strstr(err.message, refused[i]));
        assert_null(strchr(err.message, '\n'));
    }
}

/* Runs `body` in a child and reports whether it was stopped by an assertion. */
static bool aborts(void (*body)(void))
{
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        if (!freopen("/dev/null", "w", stderr))
            _exit(2);
        body();
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void without_scope(void) { scalar(1); }
static void close_without_open(void) { pt_scope_close(NULL); }
static void keep_twice(void) { pt_scope_open(); pt_keep(pt_keep(scalar(1))); }
static void free_owned(void) { pt_scope_open(); pt_free(scalar(1)); }
static void yield_outermost(void) { pt_scope_open(); pt_yield(scalar(1)); }
static void legal(void) { pt_scope_open(); pt_free(pt_keep(scalar(1))); pt_scope_close(NULL); }

static void misuse_is_an_assertion(void **state)
{
    (void)state;
    assert_true(aborts(without_scope));
    assert_true(aborts(close_without_open));
    assert_true(aborts(keep_twice));
    assert_true(aborts(free_owned));
    assert_true(aborts(yield_outermost));
    assert_false(aborts(legal));
}

/* --- threads ------------------------------------------------------------------------------------- */

struct job { double gradient; bool recording, failed_here; };

static void *backward_elsewhere(void *argument)
{
    struct job *job = argument;
    pt_threads(1);
    job->recording = pt_grad_enable(true);
    job->failed_here = pt_failed();
    pt_scope_open();
    pt w = pt_full(3, PT_F32, PT_SHAPE(50, 50));
    pt_requires_grad(w, true);
    pt_backward(pt_sum(pt_matmul(w, w)));
    job->gradient = pt_item(pt_sum(pt_grad(w)));
    if (pt_scope_close(NULL) != PASTA_OK)
        job->gradient = NAN;
    return NULL;
}

static void threads_have_their_own_scopes_and_gradient_mode(void **state)
{
    (void)state;
    pthread_t threads[4];
    struct job jobs[4] = {0};
    const bool before = pt_grad_enable(false);
    pt_scope_open();
    pt_fail("only here");
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, backward_elsewhere, &jobs[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(pt_scope_close(NULL), PASTA_ERR_FAILED);
    assert_false(pt_grad_enable(before));
    for (int i = 0; i < 4; i++) {
        assert_true(jobs[i].recording);
        assert_false(jobs[i].failed_here);
        assert_true(jobs[i].gradient == 2.0 * 50 * 50 * 50 * 3);
    }
}

static int close_scopes(void **state) /* those that a failed test left open */
{
    (void)state;
    while (pt_scope_depth() > 0)
        pt_scope_close(NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(misuse_is_an_assertion, close_scopes), /* forks, so before any worker thread exists */
        cmocka_unit_test_teardown(gradients_match_finite_differences, close_scopes),
        cmocka_unit_test_teardown(elementwise_values_match_c, close_scopes),
        cmocka_unit_test_teardown(attention_matches_loops, close_scopes),
        cmocka_unit_test_teardown(fused_attention_matches_the_plain_one, close_scopes),
        cmocka_unit_test_teardown(row_dots_match_gathered_products, close_scopes),
        cmocka_unit_test_teardown(norms_match_loops, close_scopes),
        cmocka_unit_test_teardown(half_precision_computes_in_f32, close_scopes),
        cmocka_unit_test_teardown(creation_and_inspection, close_scopes),
        cmocka_unit_test_teardown(held_memory_is_released_once, close_scopes),
        cmocka_unit_test_teardown(integers_stay_integers, close_scopes),
        cmocka_unit_test_teardown(in_place_operations, close_scopes),
        cmocka_unit_test_teardown(gradients_accumulate_and_clear, close_scopes),
        cmocka_unit_test_teardown(scopes_own_keep_and_yield, close_scopes),
        cmocka_unit_test_teardown(first_failure_sticks_and_names_its_operands, close_scopes),
        cmocka_unit_test_teardown(inner_failure_fails_the_enclosing_scope, close_scopes),
        cmocka_unit_test_teardown(null_operand_is_an_error, close_scopes),
        cmocka_unit_test_teardown(bad_arguments_are_errors_not_crashes, close_scopes),
        cmocka_unit_test(devices_are_checked),
        cmocka_unit_test_teardown(threads_have_their_own_scopes_and_gradient_mode, close_scopes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
