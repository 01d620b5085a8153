/* test_weights.c: weight folders, parameter files and training checkpoints. */
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "pasta/base/mem.h"
#include "pasta/io/file.h"
#include "pasta/io/sha256.h"
#include "pasta/model/weights.h"

static char root[64]; /* a temporary folder */

static int folder_make(void **state)
{
    (void)state;
    strcpy(root, "/tmp/pasta-test-weights-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int folder_remove(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

struct path { char text[200]; };
static struct path in_root(const char *name)
{
    struct path p;
    snprintf(p.text, sizeof p.text, "%s/%s", root, name);
    return p;
}

static void must(pasta_status status, const struct pasta_err *err)
{
    if (status != PASTA_OK)
        fail_msg("%s", err->message);
}

/* Fails with the status and a message that holds every given part. */
static void must_fail(pasta_status status, const struct pasta_err *err, const char *first, const char *second)
{
    assert_int_equal(status, PASTA_ERR_INPUT);
    if (!strstr(err->message, first) || !strstr(err->message, second))
        fail_msg("expected '%s' and '%s' in: %s", first, second, err->message);
}

static void add(struct pasta_params *p, const char *name, double first, int rank, const int64_t *shape)
{
    pt_scope_open();
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= shape[i];
    pt ramp = pt_add_scalar(pt_mul_scalar(pt_to_dtype(pt_arange(n), PT_F32), 0.1), first);
    pasta_params_add(p, name, pt_keep(pt_reshape(ramp, rank, shape)));
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
}

static double distance(pt a, pt b)
{
    pt_scope_open();
    const double d = pt_item(pt_norm(pt_sub(pt_to_dtype(a, PT_F64), pt_to_dtype(b, PT_F64))));
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
    return d;
}

/* --- folders --- */

static void one_file_loads_in_any_dtype(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_params p = {0}, loaded = {0};
    add(&p, "linear.weight", 1, 2, (int64_t[]){2, 3});
    add(&p, "scale", 5, 0, NULL);
    must(pasta_mkdirs(in_root("one").text, &err), &err);
    const struct path path = in_root("one/model.safetensors");
    must(pasta_params_save(&p, path.text, PT_F32, &err), &err);
    struct pasta_weights *w;
    must(pasta_weights_open(in_root("one").text, &w, &err), &err);
    char hex[65];
    must(pasta_sha256_file(path.text, hex, &err), &err);
    assert_string_equal(pasta_weights_hash(w), hex);
    assert_true(pasta_weights_has(w, "scale"));
    assert_false(pasta_weights_has(w, "scales"));
    must(pasta_weights_load(w, "linear.weight", "a", PT_SHAPE(2, 3), PT_F32, "cpu", &loaded, &err), &err);
    must(pasta_weights_load(w, "linear.weight", "b", PT_SHAPE(2, 3), PT_F64, "cpu", &loaded, &err), &err);
    must(pasta_weights_load(w, "scale", "scale", 0, NULL, PT_F16, "cpu", &loaded, &err), &err);
    pasta_weights_close(w);
    pasta_weights_close(NULL);
    assert_int_equal(unlink(path.text), 0); /* what was loaded does not need the file */
    assert_true(distance(pasta_params_get(&loaded, "a"), pasta_params_get(&p, "linear.weight")) == 0);
    assert_int_equal(pt_dtype_of(pasta_params_get(&loaded, "b")), PT_F64);
    assert_true(distance(pasta_params_get(&loaded, "b"), pasta_params_get(&p, "linear.weight")) == 0);
    assert_int_equal(pt_rank(pasta_params_get(&loaded, "scale")), 0);
    assert_true(pt_item(pasta_params_get(&loaded, "scale")) == 5);
    pasta_params_release(&p);
    pasta_params_release(&loaded);
}

static void shards_load_through_their_index(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_params a = {0}, b = {0}, loaded = {0};
    add(&a, "x", 1, 1, (int64_t[]){3});
    add(&b, "y", 2, 1, (int64_t[]){4});
    must(pasta_mkdirs(in_root("shards").text, &err), &err);
    must(pasta_params_save(&a, in_root("shards/m-1.safetensors").text, PT_F32, &err), &err);
    must(pasta_params_save(&b, in_root("shards/m-2.safetensors").text, PT_BF16, &err), &err);
    const struct path index = in_root("shards/model.safetensors.index.json");
    static const struct { const char *text, *first, *second; } bad[] = {
        {"{\"weight_map\": {\"x\": \"m-2.safetensors\"}}", "index.json: weight_map: x: expected it in m-2.safetensors", "no such tensor"},
        {"{\"weight_map\": {\"x\": \"../m-1.safetensors\"}}", "x: expected the name of a file in this folder", "a path: ../m-1"},
        {"{\"weight_map\": {\"x\": 3}}", "x: expected the name of a file in this folder", "a number"},
        {"{\"weight_map\": {}}", "expected at least one tensor", "none"},
        {"{\"weight_map\": {\"x\": \"m-3.safetensors\"}}", "m-3.safetensors", ""},
        {"{\"weight_map\": {\"x\": \"m-1.safetensors\", \"y\": \"m-2.safetensors\", \"x\": \"m-1.safetensors\"}}", "x: expected each key once", ""},
        {"{\"weight_map\": {\"y\": \"m-2.safetensors\", \"z\": \"m-2.safetensors\"}}", "weight_map: z: expected it in m-2", "no such tensor"},
        {"{}", "weight_map", "index.json"},
        {"", "index.json", ""},
    };
    struct pasta_weights *w = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct pasta_err refused = {0};
        must(pasta_file_write(index.text, bad[i].text, strlen(bad[i].text), &err), &err);
        must_fail(pasta_weights_open(in_root("shards").text, &w, &refused), &refused, bad[i].first, bad[i].second);
        assert_null(w);
    }
    /* a tensor that two shards hold, or one that the index forgot */
    struct pasta_err twice = {0};
    struct pasta_params both = {0};
    add(&both, "x", 9, 1, (int64_t[]){3});
    add(&both, "y", 2, 1, (int64_t[]){4});
    const char one[] = "{\"weight_map\": {\"y\": \"m-3.safetensors\", \"x\": \"m-1.safetensors\"}}";
    must(pasta_params_save(&both, in_root("shards/m-3.safetensors").text, PT_F32, &err), &err);
    must(pasta_file_write(index.text, one, strlen(one), &err), &err);
    must_fail(pasta_weights_open(in_root("shards").text, &w, &twice), &twice, "m-3.safetensors: tensor 'x': expected",
              "to name this file for it, found m-1.safetensors");
    pasta_params_release(&both);
    const char good[] = "{\"metadata\": {\"total_size\": 20}, \"weight_map\": {\"y\": \"m-2.safetensors\", \"x\": \"m-1.safetensors\"}}";
    must(pasta_file_write(index.text, good, strlen(good), &err), &err);
    must(pasta_weights_open(in_root("shards").text, &w, &err), &err);
    must(pasta_weights_load(w, "x", "x", PT_SHAPE(3), PT_F32, "cpu", &loaded, &err), &err);
    must(pasta_weights_load(w, "y", "y", PT_SHAPE(4), PT_F32, "cpu", &loaded, &err), &err);
    assert_true(distance(pasta_params_get(&loaded, "x"), pasta_params_get(&a, "x")) == 0);
    assert_true(distance(pasta_params_get(&loaded, "y"), pasta_params_get(&b, "y")) < 0.02);
    char first[65];
    strcpy(first, pasta_weights_hash(w));
    assert_int_equal(strlen(first), 64);
    pasta_weights_close(w);
    must(pasta_params_save(&b, in_root("shards/m-2.safetensors").text, PT_F32, &err), &err);
    must(pasta_weights_open(in_root("shards").text, &w, &err), &err);
    assert_string_not_equal(pasta_weights_hash(w), first);
    pasta_weights_close(w);
    pasta_params_release(&a);
    pasta_params_release(&b);
    pasta_params_release(&loaded);
}

static bool is_ids(const void *ctx, const char *name)
{
    return strcmp(name, ctx) == 0;
}

/* Rows of a tensor that holds several, in place or converted; and what a model does not know is named. */
static void parts_and_strangers(void **state)
{
    (void)state;
    struct pasta_err err = {0}, shape = {0}, stranger = {0};
    struct pasta_params p = {0}, loaded = {0};
    add(&p, "qkv", 1, 2, (int64_t[]){6, 3});
    must(pasta_mkdirs(in_root("parts").text, &err), &err);
    must(pasta_params_save(&p, in_root("parts/open_clip_model.safetensors").text, PT_F32, &err), &err);
    struct pasta_weights *w;
    must(pasta_weights_open(in_root("parts").text, &w, &err), &err);
    for (int i = 0; i < 3; i++)
        for (int wide = 0; wide < 2; wide++) {
            char as[20];
            snprintf(as, sizeof as, "%d.%d", i, wide);
            must(pasta_weights_load_part(w, "qkv", i, 3, as, PT_SHAPE(2, 3), wide ? PT_F64 : PT_F32, "cpu", &loaded, &err), &err);
            pt_scope_open();
            assert_true(pt_item(pt_norm(pt_sub(pt_to_dtype(pasta_params_get(&loaded, as), PT_F64),
                                               pt_to_dtype(pt_narrow(p.items[0].tensor, 0, 2 * i, 2), PT_F64)))) == 0);
            assert_int_equal(pt_scope_close(NULL), PASTA_OK);
        }
    must_fail(pasta_weights_load_part(w, "qkv", 0, 3, "q", PT_SHAPE(3, 3), PT_F32, "cpu", &loaded, &shape), &shape,
              "parts/open_clip_model.safetensors': tensor 'qkv'", "expected shape [9,3], found [6,3]");
    must(pasta_weights_expect(w, is_ids, "qkv", &err), &err);
    must_fail(pasta_weights_expect(w, is_ids, "kv", &stranger), &stranger, "parts/open_clip_model.safetensors': tensor 'qkv'", "config.json");
    pasta_weights_close(w);
    pasta_params_release(&p);
    pasta_params_release(&loaded);
}

static void misfits_are_named(void **state)
{
    (void)state;
    struct pasta_err err = {0}, missing = {0}, shape = {0}, kind = {0}, device = {0}, folder = {0};
    struct pasta_params p = {0}, loaded = {0};
    add(&p, "w", 1, 2, (int64_t[]){2, 3});
    pt_scope_open();
    pasta_params_add(&p, "ids", pt_keep(pt_arange(4)));
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
    must(pasta_mkdirs(in_root("misfit").text, &err), &err);
    must(pasta_params_save(&p, in_root("misfit/model.safetensors").text, PT_F16, &err), &err);
    struct pasta_weights *w;
    must(pasta_weights_open(in_root("misfit").text, &w, &err), &err);
    must_fail(pasta_weights_load(w, "v", "v", PT_SHAPE(7), PT_F32, "cpu", &loaded, &missing), &missing, "misfit/model.safetensors': tensor 'v'",
              "expected shape [7], found no such tensor");
    must_fail(pasta_weights_load(w, "w", "w", PT_SHAPE(3, 2), PT_F32, "cpu", &loaded, &shape), &shape, "tensor 'w'",
              "expected shape [3,2], found [2,3]");
    must_fail(pasta_weights_load(w, "ids", "ids", PT_SHAPE(4), PT_F32, "cpu", &loaded, &kind), &kind, "tensor 'ids'", "found I64");
    assert_int_equal(pasta_weights_load(w, "w", "w", PT_SHAPE(2, 3), PT_F32, "nowhere", &loaded, &device), PASTA_ERR_FAILED);
    assert_int_equal(loaded.n, 0);
    must(pasta_weights_load(w, "ids", "ids", PT_SHAPE(4), PT_I32, "cpu", &loaded, &err), &err);
    pasta_weights_close(w);
    must_fail(pasta_weights_open(root, &w, &folder), &folder, root, "expected model.safetensors");
    pasta_params_release(&p);
    pasta_params_release(&loaded);
}

/* --- checkpoints --- */

static pasta_status params_save(struct pasta_params *p, const char *path, struct pasta_err *err)
{
    return pasta_checkpoint_save(path, 1, &(struct pasta_checkpoint_list){"p", p}, 1, NULL, 0, err);
}

static pasta_status params_restore(struct pasta_params *p, const char *path, struct pasta_err *err)
{
    int64_t step;
    return pasta_checkpoint_restore(path, &step, &(struct pasta_checkpoint_list){"p", p}, 1, NULL, 0, err);
}

static void parameters_survive_a_round_trip_or_stay_untouched(void **state)
{
    (void)state;
    struct pasta_err err = {0}, shape = {0}, name = {0}, count = {0};
    struct pasta_params p = {0}, q = {0}, other = {0}, fewer = {0};
    const struct path path = in_root("params.safetensors");
    add(&p, "a", 1, 2, (int64_t[]){2, 3});
    add(&p, "b", -4, 1, (int64_t[]){5});
    add(&q, "b", 0, 1, (int64_t[]){5}); /* order does not matter */
    add(&q, "a", 0, 2, (int64_t[]){2, 3});
    add(&other, "b", 7, 1, (int64_t[]){5});
    add(&other, "a", 7, 2, (int64_t[]){3, 2});
    add(&fewer, "a", 0, 2, (int64_t[]){2, 3});
    must(params_save(&p, path.text, &err), &err);
    pasta_params_requires_grad(&q, true);
    must(params_restore(&q, path.text, &err), &err);
    assert_true(distance(p.items[0].tensor, q.items[1].tensor) == 0 && distance(p.items[1].tensor, q.items[0].tensor) == 0);
    must_fail(params_restore(&other, path.text, &shape), &shape, "params.safetensors': tensor 'p/a'", "expected shape [3,2], found [2,3]");
    pt_scope_open();
    assert_true(fabs(pt_item(pt_select(other.items[0].tensor, 0, 0)) - 7) < 1e-6); /* 'b' fits but was not written */
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
    must_fail(params_restore(&fewer, path.text, &count), &count, "expected 1 tensors, found 2", "");
    add(&fewer, "c", 0, 1, (int64_t[]){5});
    must_fail(params_restore(&fewer, path.text, &name), &name, "tensor 'p/c'", "no such tensor");
    pasta_params_release(&p);
    pasta_params_release(&q);
    pasta_params_release(&other);
    pasta_params_release(&fewer);
}

enum kind { ADAMW, ADAFACTOR, N_KINDS };

/* A network of two lists, a target copy, and two optimisers: one over both lists, one over the second again. */
struct run {
    struct pasta_params trunk, head, target;
    struct pasta_optim *optims[2];
    int64_t step;
};

static void run_init(struct run *r, enum kind kind)
{
    *r = (struct run){0};
    add(&r->trunk, "w", 0.3, 2, (int64_t[]){4, 3});
    add(&r->trunk, "b", 0.1, 1, (int64_t[]){4});
    add(&r->head, "w", -0.2, 2, (int64_t[]){2, 4});
    add(&r->target, "w", 0, 2, (int64_t[]){2, 4});
    pasta_params_requires_grad(&r->trunk, true);
    pasta_params_requires_grad(&r->head, true);
    r->optims[0] = kind == ADAMW ? pasta_optim_adamw(&r->trunk, 0.01) : pasta_optim_adafactor(&r->trunk, 0.01);
    pasta_optim_add(r->optims[0], &r->head, 1);
    r->optims[1] = pasta_optim_adamw(&r->head, 0);
}

static void run_release(struct run *r)
{
    pasta_optim_free(r->optims[0]);
    pasta_optim_free(r->optims[1]);
    pasta_params_release(&r->trunk);
    pasta_params_release(&r->head);
    pasta_params_release(&r->target);
}

static void run_step(struct run *r)
{
    pt_scope_open();
    float inputs[15];
    for (int i = 0; i < 15; i++)
        inputs[i] = sinf((float)(i * (r->step + 1)));
    pt x = pt_from_f32(inputs, PT_SHAPE(5, 3));
    pt h = pt_gelu(pt_linear(x, r->trunk.items[0].tensor, r->trunk.items[1].tensor));
    pt y = pt_linear(h, r->head.items[0].tensor, NULL);
    pt_backward(pt_mean(pt_square(pt_add_scalar(y, -1))));
    for (int i = 0; i < 2; i++) {
        pasta_optim_clip(r->optims[i], 0.5);
        pasta_optim_step(r->optims[i], 0.01);
    }
    pasta_optim_zero_grad(r->optims[0]);
    pasta_params_lerp(&r->target, &r->head, 0.05);
    r->step++;
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
}

static pasta_status run_save(struct run *r, const char *path, struct pasta_err *err)
{
    const struct pasta_checkpoint_list lists[] = {{"trunk", &r->trunk}, {"head", &r->head}, {"target", &r->target}};
    return pasta_checkpoint_save(path, r->step, lists, 3, r->optims, 2, err);
}

static pasta_status run_restore(struct run *r, const char *path, struct pasta_err *err)
{
    const struct pasta_checkpoint_list lists[] = {{"trunk", &r->trunk}, {"head", &r->head}, {"target", &r->target}};
    return pasta_checkpoint_restore(path, &r->step, lists, 3, r->optims, 2, err);
}

static void files_equal(const char *a, const char *b)
{
    char one[65], two[65];
    assert_int_equal(pasta_sha256_file(a, one, NULL), PASTA_OK);
    assert_int_equal(pasta_sha256_file(b, two, NULL), PASTA_OK);
    assert_string_equal(one, two);
}

static void a_resumed_run_equals_an_uninterrupted_one(void **state)
{
    (void)state;
    const struct path middle = in_root("middle"), end = in_root("end"), resumed_end = in_root("resumed"), again = in_root("again");
    for (enum kind kind = ADAMW; kind < N_KINDS; kind++) {
        struct pasta_err err = {0};
        struct run whole, resumed;
        run_init(&whole, kind);
        while (whole.step < 20) {
            if (whole.step == 7)
                must(run_save(&whole, middle.text, &err), &err);
            run_step(&whole);
        }
        must(run_save(&whole, end.text, &err), &err);
        must(run_save(&whole, again.text, &err), &err);
        files_equal(end.text, again.text);
        run_init(&resumed, kind);
        must(run_restore(&resumed, middle.text, &err), &err);
        assert_int_equal(resumed.step, 7);
        assert_int_equal(pasta_optim_steps(resumed.optims[1]), 7);
        while (resumed.step < 20)
            run_step(&resumed);
        must(run_save(&resumed, resumed_end.text, &err), &err);
        files_equal(end.text, resumed_end.text);
        run_release(&whole);
        run_release(&resumed);
    }
}

static void a_checkpoint_of_another_run_is_refused(void **state)
{
    (void)state;
    struct pasta_err err = {0}, adafactor = {0}, plain = {0}, dtype = {0};
    const struct path path = in_root("checkpoint");
    struct run r;
    run_init(&r, ADAFACTOR);
    run_step(&r);
    must(run_save(&r, path.text, &err), &err);
    struct run other;
    run_init(&other, ADAMW);
    must_fail(run_restore(&other, path.text, &adafactor), &adafactor, "tensor 'optim0/adamw.m.w'", "no such tensor");
    assert_int_equal(other.step, 0);
    must(pasta_params_save(&r.trunk, path.text, PT_F32, &err), &err);
    must_fail(run_restore(&r, path.text, &plain), &plain, "metadata 'step'", "found 'nothing'");
    const struct pasta_checkpoint_list list = {"t", &r.trunk};
    int64_t step = -1;
    must(pasta_checkpoint_save(path.text, 3, &list, 1, NULL, 0, &err), &err);
    must(pasta_checkpoint_restore(path.text, &step, &list, 1, NULL, 0, &err), &err);
    assert_int_equal(step, 3);
    pt_scope_open();
    struct pasta_params wide = {0};
    for (int i = 0; i < r.trunk.n; i++)
        pasta_params_add(&wide, r.trunk.items[i].name, pt_keep(pt_to_dtype(pt_detach(r.trunk.items[i].tensor), PT_F64)));
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
    const struct pasta_checkpoint_list wide_list = {"t", &wide};
    must_fail(pasta_checkpoint_restore(path.text, &step, &wide_list, 1, NULL, 0, &dtype), &dtype, "tensor 't/w'", "expected f64, found F32");
    pasta_params_release(&wide);
    run_release(&other);
    run_release(&r);
}

/* --- memory --- */

static double megabytes(const char *key)
{
    char line[200];
    double kilobytes = NAN;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            kilobytes = atof(line + strlen(key) + 1);
    if (f)
        fclose(f);
    return kilobytes / 1024;
}

static bool forget_peak(void)
{
    malloc_trim(0);
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f)
        return false;
    const bool written = fputs("5", f) >= 0;
    return fclose(f) == 0 && written;
}

static void weights_are_in_memory_once(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    print_message("skipped: the sanitizer's own memory is counted\n");
    skip();
#endif
    static const struct { const char *name; pt_dtype stored, run; } cases[] = {
        {"f32", PT_F32, PT_F32}, {"bf16", PT_BF16, PT_BF16}, {"f16 to f32", PT_F16, PT_F32}, {"f32 to bf16", PT_F32, PT_BF16}};
    const int64_t shape[2] = {8192, 2048};
    struct pasta_err err = {0};
    must(pasta_mkdirs(in_root("large").text, &err), &err);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_params p = {0}, loaded = {0};
        struct pasta_weights *w;
        pt_scope_open();
        pasta_params_add(&p, "a", pt_keep(pt_full(1, cases[i].stored, 2, shape)));
        pasta_params_add(&p, "b", pt_keep(pt_full(2, cases[i].stored, 2, shape)));
        assert_int_equal(pt_scope_close(NULL), PASTA_OK);
        must(pasta_params_save(&p, in_root("large/model.safetensors").text, cases[i].stored, &err), &err);
        pasta_params_release(&p);
        if (!forget_peak()) {
            print_message("skipped: the peak cannot be reset here\n");
            skip();
        }
        const double before = megabytes("VmRSS"), weights = 2.0 * 8192 * 2048 * (double)pt_dtype_size(cases[i].run) / (1 << 20);
        must(pasta_weights_open(in_root("large").text, &w, &err), &err);
        must(pasta_weights_load(w, "a", "a", 2, shape, cases[i].run, "cpu", &loaded, &err), &err);
        must(pasta_weights_load(w, "b", "b", 2, shape, cases[i].run, "cpu", &loaded, &err), &err);
        pasta_weights_close(w);
        for (int j = 0; j < 2; j++) { /* every page is read */
            const unsigned char *bytes = pt_data(loaded.items[j].tensor);
            volatile unsigned sum = 0;
            for (int64_t k = 0; k < 8192 * 2048 * pt_dtype_size(cases[i].run); k += 512)
                sum += bytes[k];
            (void)sum;
        }
        const double taken = megabytes("VmHWM") - before;
        if (taken > 1.15 * weights || taken < 0.9 * weights)
            fail_msg("%s: expected %.0f MB of weights to take at most 1.15 times that, found %.0f MB", cases[i].name, weights, taken);
        print_message("%s: %.2f times the weights\n", cases[i].name, taken / weights);
        pt_scope_open();
        pt_fill_(loaded.items[0].tensor, 3); /* training writes in place; the file stays as it is */
        assert_int_equal(pt_scope_close(NULL), PASTA_OK);
        pasta_params_release(&loaded);
        must(pasta_weights_open(in_root("large").text, &w, &err), &err);
        must(pasta_weights_load(w, "a", "a", 2, shape, cases[i].run, "cpu", &loaded, &err), &err);
        pt_scope_open();
        assert_true(pt_item(pt_mean(pt_to_dtype(pt_narrow(loaded.items[0].tensor, 0, 0, 4), PT_F32))) == 1);
        assert_int_equal(pt_scope_close(NULL), PASTA_OK);
        pasta_weights_close(w);
        pasta_params_release(&loaded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_file_loads_in_any_dtype),
        cmocka_unit_test(shards_load_through_their_index),
        cmocka_unit_test(parts_and_strangers),
        cmocka_unit_test(misfits_are_named),
        cmocka_unit_test(parameters_survive_a_round_trip_or_stay_untouched),
        cmocka_unit_test(a_resumed_run_equals_an_uninterrupted_one),
        cmocka_unit_test(a_checkpoint_of_another_run_is_refused),
        cmocka_unit_test(weights_are_in_memory_once),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
