/* bench_machine.c: what the machine can do: products of matrices, with our choice of kernels and with OpenBLAS's own, and copies of memory. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "pasta/base/str.h"
#include "pasta/base/threads.h"
#include "pasta/tensor/blas.h"
#include "pasta/tensor/pt.h"

/* --- sgemm --- */

struct bench_sgemm {
    int n;
    pt a, b; /* [n,n] f32 */
};

struct bench_sgemm *bench_sgemm_new(int n)
{
    struct bench_sgemm *s = pasta_calloc(1, sizeof *s);
    s->n = n;
    pt_scope_open();
    s->a = pt_keep(pt_full(0.5, PT_F32, PT_SHAPE(n, n)));
    s->b = pt_keep(pt_full(0.25, PT_F32, PT_SHAPE(n, n)));
    if (pt_scope_close(NULL) != PASTA_OK)
        abort(); /* constants of a fixed size */
    return s;
}

void bench_sgemm_free(struct bench_sgemm *s)
{
    if (!s)
        return;
    pt_free(s->a);
    pt_free(s->b);
    free(s);
}

double bench_sgemm_work(const struct bench_sgemm *s)
{
    return 2.0 * s->n * s->n * s->n;
}

pasta_status bench_sgemm_run(void *sgemm, double *seconds, struct pasta_err *err)
{
    const struct bench_sgemm *s = sgemm;
    (void)seconds;
    pt_scope_open();
    pt_matmul(s->a, s->b);
    return pt_scope_close(err);
}

/* --- two child processes: in one the kernels are chosen as in this process, in the other OpenBLAS chose for itself --- */

static void core_of(char *out, size_t size) /* "Prescott" of "OpenBLAS 0.3.21 Prescott, 1 thread, OpenMP" */
{
    char name[64];
    const bool found = sscanf(pasta_blas_describe(), "OpenBLAS %*s %63[^,]", name) == 1;
    snprintf(out, size, "%s", found ? name : pt_uses_mkl() ? "MKL" : "unknown");
}

/* Writes the core's name, then answers lines "THREADS N WALL" with the seconds of a product. */
int bench_sgemm_serve(void)
{
    char core[64];
    int threads, n, wall;
    struct bench_sgemm *s = NULL;
    core_of(core, sizeof core);
    printf("%s\n", core);
    fflush(stdout);
    while (scanf("%d %d %d", &threads, &n, &wall) == 3) {
        double ignored = 0;
        if (!s || s->n != n) {
            bench_sgemm_free(s);
            s = bench_sgemm_new(n);
        }
        pt_threads(threads);
        const double begin = bench_clock(wall);
        if (bench_sgemm_run(s, &ignored, NULL) != PASTA_OK)
            return PASTA_EXIT_FAILED;
        printf("%.9f\n", bench_clock(wall) - begin);
        fflush(stdout);
    }
    bench_sgemm_free(s);
    return PASTA_EXIT_OK;
}

extern char **environ;

/* The environment without a chosen core, and with blas.c's guard set, so that the child keeps what OpenBLAS chooses. */
static char **own_choice(void)
{
    static char guard[] = "PASTA_BLAS_CHOSEN=none";
    size_t n = 0, kept = 0;
    while (environ[n])
        n++;
    char **env = pasta_calloc(n + 2, sizeof *env);
    for (size_t i = 0; i < n; i++)
        if (!pasta_starts_with(environ[i], "OPENBLAS_CORETYPE=") && !pasta_starts_with(environ[i], "PASTA_BLAS_CHOSEN="))
            env[kept++] = environ[i];
    env[kept] = guard;
    return env;
}

struct product {
    struct bench_child *child;
    int n, threads;
    bool wall;
};

static pasta_status multiply(void *ctx, double *seconds, struct pasta_err *err)
{
    const struct product *p = ctx;
    fprintf(p->child->ask, "%d %d %d\n", p->threads, p->n, p->wall);
    fflush(p->child->ask);
    return fscanf(p->child->answer, "%lf", seconds) == 1 ? PASTA_OK : pasta_fail(err, PASTA_ERR_FAILED, "the second process ended");
}

static pasta_status measure_products(struct bench *b, struct bench_child *ours, struct bench_child *own, struct pasta_err *err)
{
    const int n = b->quick ? BENCH_SGEMM_QUICK : BENCH_SGEMM_N;
    const double work = 2.0 * n * n * n;
    struct product one[] = {{ours, n, 1, false}, {own, n, 1, false}}, two[] = {{ours, n, 2, true}, {own, n, 2, true}, {ours, n, 1, true}};
    const struct bench_side sides[] = {{multiply, &one[0], work, false, NULL}, {multiply, &one[1], work, false, NULL}};
    const struct bench_side sides_2[] = {{multiply, &two[0], work, true, NULL}, {multiply, &two[1], work, true, NULL}, {multiply, &two[2], work, true, NULL}};
    const char *against = bench_text(b, "OpenBLAS's own choice, %s", own->greeting);
    struct bench_rounds r;
    pasta_status status = bench_measure(b, sides, 2, &r, err);
    r.memory[0] = r.memory[1] = NAN; /* it is in the other processes */
    if (status == PASTA_OK)
        bench_row(b, &r, &(struct bench_label){bench_text(b, "sgemm N=%d, %s, 1 thread", n, ours->greeting), "GFLOP/s", against}, 0, 1e-9, 1, 1e-9);
    if (b->processors == 1) {
        bench_skip(b, "sgemm on 2 threads: one processor");
        return status;
    }
    if (status == PASTA_OK)
        status = bench_measure(b, sides_2, 3, &r, err);
    r.memory[0] = r.memory[1] = r.memory[2] = NAN;
    if (status == PASTA_OK) {
        const char *what = bench_text(b, "sgemm N=%d, %s, 2 threads", n, ours->greeting);
        bench_row(b, &r, &(struct bench_label){what, "GFLOP/s", against}, 0, 1e-9, 1, 1e-9);
        bench_row(b, &r, &(struct bench_label){what, "GFLOP/s", "1 thread"}, 0, 1e-9, 2, 1e-9);
    }
    return status;
}

pasta_status bench_products(struct bench *b, struct pasta_err *err)
{
    struct bench_child ours = {0}, own = {0};
    char *argv[] = {"bench", "--serve-products", NULL}, **env = own_choice();
    pasta_status status = bench_child_start(&ours, "/proc/self/exe", argv, environ, err);
    if (status == PASTA_OK)
        status = bench_child_start(&own, "/proc/self/exe", argv, env, err);
    if (status == PASTA_OK)
        status = measure_products(b, &ours, &own, err);
    bench_child_stop(&own);
    bench_child_stop(&ours);
    free(env);
    return status;
}

/* --- memory bandwidth --- */

struct copy {
    char *from, *to;
    size_t size;
    int threads;
};

static pasta_status copy_part(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    const struct copy *c = ctx;
    const size_t part = c->size / (size_t)c->threads, at = (size_t)item * part;
    (void)worker;
    (void)err;
    memcpy(c->to + at, c->from + at, part);
    return PASTA_OK;
}

static pasta_status copy_all(void *ctx, double *seconds, struct pasta_err *err)
{
    struct copy *c = ctx;
    (void)seconds;
    return pasta_parallel_for(c->threads, c->threads, copy_part, c, err);
}

pasta_status bench_memory(struct bench *b, struct pasta_err *err)
{
    const size_t size = (size_t)(b->quick ? 16 : 256) << 20;
    struct copy one = {.from = pasta_malloc(size), .to = pasta_malloc(size), .size = size, .threads = 1}, two = one;
    const double work = 2.0 * (double)size; /* read and written */
    const struct bench_side sides[] = {{copy_all, &two, work, true, NULL}, {copy_all, &one, work, true, NULL}};
    struct bench_rounds r;
    if (b->processors > 1)
        two.threads = 2;
    memset(one.from, 1, size); /* pages that are there */
    memset(one.to, 2, size);
    const pasta_status status = bench_measure(b, sides, 2, &r, err);
    if (status == PASTA_OK)
        bench_row(b, &r, &(struct bench_label){bench_text(b, "copy of %zu MiB, %d threads", size >> 20, two.threads), "GB/s", "1 thread"}, 0, 1e-9, 1, 1e-9);
    free(one.from);
    free(one.to);
    return status;
}
