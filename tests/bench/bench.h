/* bench.h: speed as ratios. Ours and its twins (another way to the same result, a peer, or a floor) run in turn, A B A B ..., in one
 * process, so that whatever else the machine does falls on all of them alike.
 *
 *     struct bench_side sides[] = {{draw, &d, 48}, {encode, &d, 48}};       // function, argument, work of one run
 *     struct bench_rounds rounds;
 *     status = bench_measure(b, sides, 2, &rounds, err);
 *     bench_row(b, &rounds, &(struct bench_label){"drawing", "images/s", "PNG"}, 0, 1, 1, 1);
 */
#ifndef PASTA_TESTS_BENCH_H
#define PASTA_TESTS_BENCH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "pasta/base/err.h"
#include "pasta/base/mem.h"

enum { BENCH_SIDES = 6, BENCH_ROUNDS = 15 };

/* Does the work once. *seconds is 0: the caller's clock counts; a side that times itself (in another process) sets it. */
typedef pasta_status (*bench_fn)(void *ctx, double *seconds, struct pasta_err *err);
struct bench_side {
    bench_fn run;
    void *ctx;
    double work; /* units of one run */
    bool wall;   /* timed by the clock on the wall: for work of several threads */
    const double *memory; /* bytes at the peak of a first run in another process, once it has run; NULL: it runs in this one */
};
/* Seconds: the processor time of this thread, which others on the machine disturb less, or the wall's. Sides that are compared use the same. */
double bench_clock(bool wall);
struct bench_rounds {
    int n;
    double rate[BENCH_SIDES][BENCH_ROUNDS]; /* units a second */
    double memory[BENCH_SIDES];             /* bytes that a side's first run took at its peak: beyond what was there, or where a side measures itself what it says; NAN: unknown */
};
struct bench_spread { double median, lo, hi; };
struct bench_label { const char *what, *unit, *against; };
struct bench_row {
    struct bench_label label;
    struct bench_spread ours, theirs;
    struct bench_spread ratio; /* of the rounds' own ratios, ours / theirs: above 1, ours is faster */
    int rounds;
    double memory, their_memory;
};

struct bench {
    bool quick;            /* one round of little work: whether everything runs, not how fast */
    const char *scratch;   /* a folder of our own */
    int processors;
    struct pasta_arena arena;
    struct bench_row *rows;
    size_t n_rows, row_capacity;
    const char **skipped;  /* what could not be measured, and why */
    size_t n_skipped, skipped_capacity;
};

/* Runs the sides in turn until the rounds are enough or the time for one measurement is used up. */
pasta_status bench_measure(const struct bench *b, const struct bench_side *sides, int n, struct bench_rounds *out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Reports side `ours` against side `theirs`; the scales convert units a second into label->unit. Texts are copied. */
void bench_row(struct bench *b, const struct bench_rounds *rounds, const struct bench_label *label, int ours, double scale, int theirs, double their_scale);
void bench_skip(struct bench *b, const char *fmt, ...) PASTA_PRINTF(2, 3);
const char *bench_text(struct bench *b, const char *fmt, ...) PASTA_PRINTF(2, 3); /* lives as long as b */

/* Another process, which measures itself: it says a line about itself, then answers lines with lines. */
struct bench_child { pid_t pid; FILE *ask, *answer; char greeting[64]; };
pasta_status bench_child_start(struct bench_child *c, const char *program, char **argv, char **env, struct pasta_err *err) PASTA_MUST_CHECK;
void bench_child_stop(struct bench_child *c); /* also of one that did not start */

/* A twin to measure against: twin.py's settings, threads (0: as PyTorch is installed), OpenBLAS's kernels (NULL: its own choice where threads are
 * 0, else those that this process runs with), and a word that tells it from others. */
struct bench_rival { int threads; const char *settings, *kernels, *word; };
enum { BENCH_RIVALS = 3, BENCH_TWIN_THREADS = 2 };
/* Rounds of ours, of sgemm (flops of a unit of work; 0: none that it could be held against), of ours one by one (`single`, or NULL) and of the
 * twins that are there; a row for each. */
pasta_status bench_beside_twins(struct bench *b, struct bench_side ours, const char *what, const char *unit, double flops,
                                const struct bench_side *single, const struct bench_rival *rivals, int n_rivals, struct pasta_err *err) PASTA_MUST_CHECK;

/* PASTA_ERR_CHECK unless the values of two ways to the same result agree. */
pasta_status bench_check_close(const char *what, const float *a, const float *b, int n, double tolerance, struct pasta_err *err) PASTA_MUST_CHECK;
struct pasta_clip_shape;
double bench_image_flops(const struct pasta_clip_shape *s); /* multiplications and additions of the products for one image */

/* One product of N x N matrices through the library that the networks use. */
enum { BENCH_SGEMM_N = 2048, BENCH_SGEMM_QUICK = 512 };
struct bench_sgemm;
struct bench_sgemm *bench_sgemm_new(int n);
void bench_sgemm_free(struct bench_sgemm *s); /* NULL is legal */
double bench_sgemm_work(const struct bench_sgemm *s); /* FLOPs */
pasta_status bench_sgemm_run(void *sgemm, double *seconds, struct pasta_err *err) PASTA_MUST_CHECK;
int bench_sgemm_serve(void); /* the main of the child processes that multiply with one choice of kernels or another */

/* The measurements. */
pasta_status bench_products(struct bench *b, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status bench_memory(struct bench *b, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status bench_drawing(struct bench *b, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status bench_records(struct bench *b, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status bench_bootstrap(struct bench *b, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status bench_clip(struct bench *b, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status bench_value(struct bench *b, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status bench_vision_twin(struct bench *b, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status bench_user_twin(struct bench *b, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status bench_gemma_twin(struct bench *b, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status bench_simulate(struct bench *b, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status bench_evaluate(struct bench *b, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
