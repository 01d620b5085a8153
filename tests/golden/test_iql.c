/* The losses of implicit Q-learning and their gradients, against the reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "pasta/base/mem.h"
#include "pasta/io/file.h"
#include "pasta/io/safetensors.h"
#include "pasta/value/iql.h"

enum { N = 64, L = 4 };

static struct pasta_safetensors *open_reference(void)
{
    struct pasta_err err = {0};
    struct pasta_safetensors *st = NULL;
    const char *shared = getenv("PASTA_SHARED");
    char *path = pasta_asprintf("%s/parity/iql/losses.safetensors", shared ? shared : "../shared");
    if (!pasta_file_exists(path)) {
        print_message("skipped: no %s\n", path);
        free(path);
        skip();
    }
    if (pasta_safetensors_open(path, &st, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    free(path);
    return st;
}

static const double *data(const struct pasta_safetensors *st, const char *name)
{
    const struct pasta_st_tensor *t = pasta_safetensors_find(st, name);
    assert_non_null(t);
    assert_int_equal(t->dtype, PASTA_ST_F64);
    return t->data;
}

static pt vector(const double *values)
{
    return pt_from_bytes(values, PT_F64, PT_SHAPE(N));
}

static void near(pt found, const double *want, int n)
{
    assert_int_equal(pt_numel(found), n);
    for (int i = 0; i < n; i++) {
        pt one = pt_select(pt_reshape(found, PT_SHAPE(-1)), 0, i);
        if (fabs(pt_item(one) - want[i]) > 1e-12 + 1e-10 * fabs(want[i]))
            fail_msg("entry %d: expected %.15g, found %.15g", i, want[i], pt_item(one));
    }
}

static void v_loss_matches(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_safetensors *st = open_reference();
    static const struct { double expectile; const char *loss, *grad; } cases[] = {
        {0.5, "v_loss_0.5", "v_grad_0.5"}, {0.7, "v_loss_0.7", "v_grad_0.7"}, {0.9, "v_loss_0.9", "v_grad_0.9"}};
    pt_grad_enable(true);
    for (int i = 0; i < 3; i++) {
        pt_scope_open();
        pt v = vector(data(st, "v")), f = pt_from_bytes(data(st, "f"), PT_F64, PT_SHAPE(N, L));
        pt_requires_grad(v, true);
        pt_requires_grad(f, true);
        pt loss = pasta_iql_v_loss(pt_mean_dim(f, 1, false), v, cases[i].expectile);
        pt_backward(loss);
        near(pt_detach(loss), data(st, cases[i].loss), 1);
        near(pt_grad(v), data(st, cases[i].grad), N);
        assert_null(pt_grad(f)); /* no gradient into the target Q */
        assert_int_equal(pt_scope_close(&err), PASTA_OK);
    }
    pasta_safetensors_close(st);
}

static void q_loss_matches(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_safetensors *st = open_reference();
    const struct pasta_st_tensor *done = pasta_safetensors_find(st, "done");
    double v_next[N];
    int dones = 0;
    assert_non_null(done);
    for (int i = 0; i < N; i++) {
        const bool over = ((const uint8_t *)done->data)[i];
        v_next[i] = over ? 0 : data(st, "v_next")[i];
        dones += over;
    }
    assert_true(dones > 0 && dones < N);
    pt_grad_enable(true);
    pt_scope_open();
    pt f = pt_from_bytes(data(st, "f"), PT_F64, PT_SHAPE(N, L)), next = vector(v_next);
    pt_requires_grad(f, true);
    pt_requires_grad(next, true);
    pt loss = pasta_iql_q_loss(pt_mean_dim(f, 1, false), vector(data(st, "reward")), next, 0.99);
    pt_backward(loss);
    near(pt_detach(loss), data(st, "q_loss_gamma0.99"), 1);
    near(pt_grad(f), data(st, "f_grad_gamma0.99"), N * L);
    assert_null(pt_grad(next)); /* no gradient into V */
    assert_int_equal(pt_scope_close(&err), PASTA_OK);
    pasta_safetensors_close(st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(v_loss_matches), cmocka_unit_test(q_loss_matches)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
