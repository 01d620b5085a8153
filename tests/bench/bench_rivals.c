/* bench_rivals.c: PyTorch's twins (twin.py) in processes of their own, and rounds beside them and the machine's sgemm. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "pasta/base/str.h"
#include "pasta/base/threads.h"
#include "pasta/tensor/blas.h"
#include "pasta/tensor/pt.h"

struct twin { struct bench_child child; double memory; };

extern char **environ;

/* The environment with OpenBLAS left to its own choice of kernels, or with `entry`. */
static char **environment(char *entry)
{
    size_t n = 0, kept = 0;
    while (environ[n])
        n++;
    char **env = pasta_calloc(n + 2, sizeof *env);
    for (size_t i = 0; i < n; i++)
        if (!pasta_starts_with(environ[i], "OPENBLAS_CORETYPE="))
            env[kept++] = environ[i];
    env[kept] = entry;
    return env;
}


/* False, and a word why, where there is no PyTorch. */
static bool twin_start(struct bench *b, struct twin *t, const struct bench_rival *r)
{
    const char *named = getenv("PASTA_PYTHON"), *ours = getenv("OPENBLAS_CORETYPE"), *kernels = r->kernels ? r->kernels : r->threads ? ours : NULL;
    char *json = pasta_asprintf("{\"threads\": %d, %s}", r->threads, r->settings), *entry = kernels ? pasta_asprintf("OPENBLAS_CORETYPE=%s", kernels) : NULL;
    char *python = pasta_strdup(named && *named ? named : "/usr/bin/python3"); /* Python looks for its modules where argv[0] is */
    char *argv[] = {python, "tests/bench/twin.py", json, NULL}, **env = environment(entry);
    struct pasta_err err = {0};
    const bool started = bench_child_start(&t->child, python, argv, env, &err) == PASTA_OK;
    if (!started) {
        bench_child_stop(&t->child);
        bench_skip(b, "PyTorch's twin of it: no Python with torch (package python3-torch; PASTA_PYTHON names another interpreter)");
    }
    free(env);
    free(python);
    free(entry);
    free(json);
    return started;
}

static pasta_status twin_run(void *ctx, double *seconds, struct pasta_err *err)
{
    struct twin *t = ctx;
    fputs("run\n", t->child.ask);
    fflush(t->child.ask);
    return fscanf(t->child.answer, "%lf %lf", seconds, &t->memory) == 2 ? PASTA_OK : pasta_fail(err, PASTA_ERR_FAILED, "PyTorch's twin ended");
}

/* One product on each thread: OpenBLAS's own division of one product among threads loses up to a third. */
static pasta_status sgemm_part(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    double seconds;
    (void)item;
    (void)worker;
    pt_threads(1);
    return bench_sgemm_run(ctx, &seconds, err);
}

static pasta_status sgemm_threads(void *ctx, double *seconds, struct pasta_err *err)
{
    (void)seconds;
    return pasta_parallel_for(BENCH_TWIN_THREADS, BENCH_TWIN_THREADS, sgemm_part, ctx, err);
}

pasta_status bench_beside_twins(struct bench *b, struct bench_side ours, const char *what, const char *unit, double flops,
                                const struct bench_side *single, const struct bench_rival *rivals, int n_rivals, struct pasta_err *err)
{
    struct twin twins[BENCH_RIVALS] = {{.memory = NAN}, {.memory = NAN}, {.memory = NAN}};
    struct bench_sgemm *s = flops > 0 ? bench_sgemm_new(b->quick ? BENCH_SGEMM_QUICK : BENCH_SGEMM_N) : NULL;
    struct bench_side sides[BENCH_SIDES] = {ours, {sgemm_threads, s, s ? BENCH_TWIN_THREADS * bench_sgemm_work(s) : 0, true, NULL}};
    const char *against[BENCH_SIDES] = {NULL, bench_text(b, "sgemm on each of %d threads (floor)", BENCH_TWIN_THREADS)};
    struct bench_rounds r;
    int n = flops > 0 ? 2 : 1, floors = n;
    if (single) {
        sides[n] = *single;
        against[n++] = "one by one";
    }
    for (int i = 0; i < n_rivals && i < BENCH_RIVALS && !b->quick; i++)
        if (twin_start(b, &twins[i], &rivals[i])) {
            sides[n] = (struct bench_side){twin_run, &twins[i], ours.work, true, &twins[i].memory};
            against[n++] = bench_text(b, "%s%s", twins[i].child.greeting, rivals[i].word);
        }
    const pasta_status status = bench_measure(b, sides, n, &r, err);
    if (status == PASTA_OK && n == 1)
        bench_row(b, &r, &(struct bench_label){what, unit, "itself: no PyTorch here, or --quick"}, 0, 1, 0, 1);
    for (int i = floors; i < n && status == PASTA_OK; i++)
        bench_row(b, &r, &(struct bench_label){what, unit, against[i]}, 0, 1, i, 1);
    if (status == PASTA_OK && flops > 0)
        bench_row(b, &r, &(struct bench_label){bench_text(b, "  the same, %.3g GFLOP each", flops * 1e-9), "GFLOP/s", against[1]}, 0, flops * 1e-9, 1, 1e-9);
    for (int i = 0; i < BENCH_RIVALS; i++)
        bench_child_stop(&twins[i].child);
    bench_sgemm_free(s);
    return status;
}
