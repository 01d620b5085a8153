/* test_optim.c: the optimisers, clipping and the schedule against PyTorch's and Hugging Face's float64 runs (parity/optim), which is
 * followed to 1e-10 relative, and against published single steps. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "pasta/base/mem.h"
#include "pasta/io/file.h"
#include "pasta/io/safetensors.h"
#include "pasta/tensor/optim.h"

static const double TOLERANCE = 1e-10;

struct fixture {
    struct pasta_safetensors *file;
    int64_t steps;
    const double *gw, *gb, *w, *b, *lr, *grad_norm; /* per step; grad_norm may be NULL */
    double weight_decay, clip;
    struct pasta_params params; /* w [5,7], b [6], at their start */
    struct pasta_optim *optim;
};

static const double *doubles(struct pasta_safetensors *file, const char *name, int rank, const int64_t *shape)
{
    const struct pasta_st_tensor *t;
    struct pasta_err err = {0};
    if (pasta_safetensors_want(file, name, PASTA_ST_F64, rank, shape, &t, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return t->data;
}

static bool fixture_open(struct fixture *f, const char *name)
{
    const char *shared = getenv("PASTA_SHARED");
    char path[4096];
    struct pasta_err err = {0};
    snprintf(path, sizeof path, "%s/parity/optim/%s.safetensors", shared ? shared : "../shared", name);
    if (!pasta_file_exists(path)) {
        print_message("skipped: %s is absent\n", path);
        return false;
    }
    *f = (struct fixture){0};
    if (pasta_safetensors_open(path, &f->file, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    f->steps = pasta_safetensors_find(f->file, "lr")->shape[0];
    f->gw = doubles(f->file, "gw", 3, (int64_t[]){f->steps, 5, 7});
    f->gb = doubles(f->file, "gb", 2, (int64_t[]){f->steps, 6});
    f->w = doubles(f->file, "w", 3, (int64_t[]){f->steps, 5, 7});
    f->b = doubles(f->file, "b", 2, (int64_t[]){f->steps, 6});
    f->lr = doubles(f->file, "lr", 1, (int64_t[]){f->steps});
    if (pasta_safetensors_find(f->file, "grad_norm"))
        f->grad_norm = doubles(f->file, "grad_norm", 1, (int64_t[]){f->steps});
    f->weight_decay = strtod(pasta_safetensors_meta(f->file, "weight_decay"), NULL);
    const char *clip = pasta_safetensors_meta(f->file, "clip_grad_norm");
    f->clip = clip ? strtod(clip, NULL) : 0;
    pt_scope_open();
    pasta_params_add(&f->params, "w", pt_keep(pt_from_bytes(doubles(f->file, "w0", 2, (int64_t[]){5, 7}), PT_F64, PT_SHAPE(5, 7))));
    pasta_params_add(&f->params, "b", pt_keep(pt_from_bytes(doubles(f->file, "b0", 1, (int64_t[]){6}), PT_F64, PT_SHAPE(6))));
    assert_int_equal(pt_scope_close(&err), PASTA_OK);
    pasta_params_requires_grad(&f->params, true);
    f->optim = strcmp(pasta_safetensors_meta(f->file, "optimizer"), "AdamW") == 0 ? pasta_optim_adamw(&f->params, f->weight_decay)
                                                                                 : pasta_optim_adafactor(&f->params, f->weight_decay);
    return true;
}

static void fixture_close(struct fixture *f)
{
    pasta_optim_free(f->optim);
    pasta_params_release(&f->params);
    pasta_safetensors_close(f->file);
}

static void expect(const char *what, int64_t step, pt found, const double *expected)
{
    double values[35];
    pt_copy_bytes(found, values);
    for (int64_t i = 0; i < pt_numel(found); i++)
        if (!(fabs(values[i] - expected[i]) <= TOLERANCE * fabs(expected[i])))
            fail_msg("%s[%d] after step %d: expected %.17g, found %.17g", what, (int)i, (int)step, expected[i], values[i]);
}

static void follow(const char *name)
{
    struct fixture f;
    struct pasta_err err = {0};
    if (!fixture_open(&f, name))
        skip();
    for (int64_t s = 0; s < f.steps; s++) {
        pt_scope_open();
        pt w = f.params.items[0].tensor, b = f.params.items[1].tensor;
        /* d/dw sum(w * g) = g: the gradient comes by the ordinary way */
        pt_backward(pt_add(pt_sum(pt_mul(w, pt_from_bytes(f.gw + 35 * s, PT_F64, PT_SHAPE(5, 7)))),
                           pt_sum(pt_mul(b, pt_from_bytes(f.gb + 6 * s, PT_F64, PT_SHAPE(6))))));
        const double norm = pasta_optim_clip(f.optim, f.clip);
        if (f.grad_norm && !(fabs(norm - f.grad_norm[s]) <= TOLERANCE * norm))
            fail_msg("norm in step %d: expected %.17g, found %.17g", (int)s, f.grad_norm[s], norm);
        pasta_optim_step(f.optim, f.lr[s]);
        pasta_optim_zero_grad(f.optim);
        expect("w", s, w, f.w + 35 * s);
        expect("b", s, b, f.b + 6 * s);
        if (pt_scope_close(&err) != PASTA_OK)
            fail_msg("%s", err.message);
    }
    assert_int_equal(pasta_optim_steps(f.optim), f.steps);
    fixture_close(&f);
}

static void adamw_follows_pytorch(void **state) { (void)state; follow("adamw_cosine"); }
static void adamw_with_clipping_follows_pytorch(void **state) { (void)state; follow("adamw_clip"); }
static void adafactor_follows_hugging_face(void **state) { (void)state; follow("adafactor"); }
static void adafactor_with_clipping_follows_hugging_face(void **state) { (void)state; follow("adafactor_clip"); }

/* Down over T steps and up again, as PyTorch's: the values of T = 10 beyond it are the mirror image of those before. */
static void the_schedule_is_pytorchs(void **state)
{
    (void)state;
    struct fixture f;
    const struct pasta_train_settings s = {.learning_rate = 3e-4, .cosine_period = 10};
    if (!fixture_open(&f, "adamw_cosine"))
        skip();
    for (int64_t t = 0; t <= 10; t++)
        assert_true(fabs(pasta_schedule(&s, t) - f.lr[t]) <= 1e-12 * 3e-4);
    fixture_close(&f);
    assert_true(fabs(pasta_schedule(&s, 10)) < 1e-18);
    for (int t = 0; t <= 10; t++)
        assert_true(fabs(pasta_schedule(&s, 10 + t) - pasta_schedule(&s, 10 - t)) <= 1e-12 * 3e-4);
    assert_true(pasta_schedule(&s, 1000) == 3e-4);
    const struct pasta_train_settings warm = {.learning_rate = 1, .cosine_period = 10, .warmup = 4};
    assert_true(pasta_schedule(&warm, 0) == 0.25 && pasta_schedule(&warm, 3) == 1 && pasta_schedule(&warm, 4) == 1);
    assert_true(fabs(pasta_schedule(&warm, 9) - 0.5) < 1e-15);
    const struct pasta_train_settings constant = {.learning_rate = 2};
    assert_true(pasta_schedule(&constant, 123456) == 2);
}

/* One parameter of a dtype, its gradient, and one step; the result in out. */
static void one_step(struct pasta_optim *(*make)(struct pasta_params *, double), double decay, pt_dtype dtype, int steps, int rank,
                     const int64_t *shape, const double *start, const double *gradients, double rate, double *out)
{
    struct pasta_params params = {0};
    struct pasta_err err = {0};
    pt_scope_open();
    pt w = pt_keep(pt_to_dtype(pt_from_bytes(start, PT_F64, rank, shape), dtype));
    pasta_params_add(&params, "w", w);
    struct pasta_optim *o = make(&params, decay);
    const int64_t n = pt_numel(w);
    for (int s = 0; s < steps; s++) {
        pt_grad_set(w, pt_to_dtype(pt_from_bytes(gradients + s * n, PT_F64, rank, shape), dtype));
        pasta_optim_step(o, rate);
    }
    pt_copy_bytes(pt_to_dtype(w, PT_F64), out);
    if (pt_scope_close(&err) != PASTA_OK)
        fail_msg("%s", err.message);
    pasta_optim_free(o);
    pasta_params_release(&params);
}

static void single_steps_match_published_values(void **state)
{
    (void)state;
    double out[6];
    one_step(pasta_optim_adamw, 1e-2, PT_F64, 1, 1, (int64_t[]){3}, (double[]){1, 1, 1}, (double[]){0.1, 0.1, 0.1}, 1e-3, out);
    assert_true(fabs(out[0] - 0.99899000010) < 1e-11);
    one_step(pasta_optim_adamw, 1e-2, PT_F64, 3, 0, NULL, (double[]){1}, (double[]){0.1, -0.2, 0.3}, 1e-3, out);
    assert_true(fabs(out[0] - 0.99899287917834) < 1e-13);
    static const double start[6] = {1, -2, 3, 0.5, 0.25, -1.5};
    static const double gradients[12] = {0.1, 0.2, -0.3, 0.4, -0.5, 0.6, -0.2, 0.1, 0.05, 0.3, 0.3, -0.1};
    static const double after[2][6] = {{0.999371653, -2.000926864, 3.001110175, 0.498940344, 0.251006861, -1.500957345},
                                       {1.000625169, -2.001476439, 3.000808463, 0.498076353, 0.250229883, -1.500696046}};
    for (int steps = 1; steps <= 2; steps++) {
        one_step(pasta_optim_adafactor, 1e-2, PT_F64, steps, 2, (int64_t[]){2, 3}, start, gradients, 1e-3, out);
        for (int i = 0; i < 6; i++)
            assert_true(fabs(out[i] - after[steps - 1][i]) < 1e-9);
    }
}

/* bf16 has 8 bits: an update of 1e-3 of a weight is lost if it is rounded, the state must not be. 200 steps with the same gradient
 * keep the f32 state exact enough that the weight, which moves by 1e-2 a step, follows the f64 run to its own rounding. */
static void half_precision_keeps_f32_state(void **state)
{
    (void)state;
    double gradients[200], wide, half;
    for (int i = 0; i < 200; i++)
        gradients[i] = 0.001;
    one_step(pasta_optim_adamw, 0, PT_F64, 200, 1, (int64_t[]){1}, (double[]){0}, gradients, 1e-2, &wide);
    one_step(pasta_optim_adamw, 0, PT_BF16, 200, 1, (int64_t[]){1}, (double[]){0}, gradients, 1e-2, &half);
    assert_true(fabs(wide + 2) < 1e-2);
    assert_true(fabs(half - wide) < 0.25);
}

static void parameters_without_gradient_stay(void **state)
{
    (void)state;
    struct pasta_params a = {0}, b = {0};
    pt_scope_open();
    pasta_params_add(&a, "w", pt_keep(pt_full(1, PT_F32, PT_SHAPE(2, 2))));
    pasta_params_add(&b, "w", pt_keep(pt_full(1, PT_F32, PT_SHAPE(3)))); /* the same name in another list */
    struct pasta_optim *o = pasta_optim_adafactor(&a, 0.1);
    pasta_optim_add(o, &b, 0.5);
    pt_grad_set(b.items[0].tensor, pt_full(2, PT_F32, PT_SHAPE(3)));
    assert_true(fabs(pasta_optim_clip(o, 0) - sqrt(12)) < 1e-6);
    assert_true(pt_item(pt_sum(pt_grad(b.items[0].tensor))) == 6); /* measured only */
    assert_true(fabs(pasta_optim_clip(o, 1) - sqrt(12)) < 1e-6);
    assert_true(fabs(pasta_optim_clip(o, 100) - 1) < 1e-6); /* clipped before; below the limit now */
    pasta_optim_step(o, 0.01);
    assert_true(pt_item(pt_sum(a.items[0].tensor)) == 4);
    assert_true(fabs(pt_item(pt_sum(b.items[0].tensor)) - 3 * (1 - 0.005 * 0.1 - 0.005)) < 1e-6); /* at half the rate */
    assert_non_null(pasta_params_get(pasta_optim_state(o), "adafactor.row.w"));
    assert_non_null(pasta_params_get(pasta_optim_state(o), "adafactor.v.1/w"));
    pasta_optim_zero_grad(o);
    assert_null(pt_grad(b.items[0].tensor));
    assert_true(pasta_optim_clip(o, 1) == 0);
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
    pasta_optim_free(o);
    pasta_params_release(&a);
    pasta_params_release(&b);
}

static void a_nan_gradient_is_seen_by_the_caller(void **state)
{
    (void)state;
    struct pasta_params p = {0};
    pt_scope_open();
    pasta_params_add(&p, "w", pt_keep(pt_full(1, PT_F32, PT_SHAPE(2))));
    struct pasta_optim *o = pasta_optim_adamw(&p, 0);
    pt_grad_set(p.items[0].tensor, pt_full(NAN, PT_F32, PT_SHAPE(2)));
    assert_true(isnan(pasta_optim_clip(o, 1)));
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
    pt_scope_open();
    pt_fail("before");
    assert_true(isnan(pasta_optim_clip(o, 1)));
    pasta_optim_step(o, 1);
    assert_int_equal(pt_scope_close(NULL), PASTA_ERR_FAILED);
    pasta_optim_free(o);
    pasta_params_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adamw_follows_pytorch),
        cmocka_unit_test(adamw_with_clipping_follows_pytorch),
        cmocka_unit_test(adafactor_follows_hugging_face),
        cmocka_unit_test(adafactor_with_clipping_follows_hugging_face),
        cmocka_unit_test(the_schedule_is_pytorchs),
        cmocka_unit_test(single_steps_match_published_values),
        cmocka_unit_test(half_precision_keeps_f32_state),
        cmocka_unit_test(parameters_without_gradient_stay),
        cmocka_unit_test(a_nan_gradient_is_seen_by_the_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
