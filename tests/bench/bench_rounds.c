/* bench_rounds.c: rounds, medians and memory. */
#include <malloc.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/bench.h"
#include "pasta/base/progress.h"

enum { LEAST_ROUNDS = 3, MOST_ROUNDS = 9 };
static const double BUDGET = 4; /* seconds for the rounds of one measurement, once there are LEAST_ROUNDS */

/* --- memory --- */

/* Bytes of a line of /proc/self/status ("VmHWM", "VmRSS"); NAN where there is none. */
static double status_bytes(const char *key)
{
    char line[200];
    double kilobytes = NAN;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            kilobytes = atof(line + strlen(key) + 1);
    if (f)
        fclose(f);
    return kilobytes * 1024;
}

/* Lowers the mark of the peak to what is in use now and returns that; NAN where the system cannot. getrusage's mark follows it. */
static double peak_reset(void)
{
    malloc_trim(0);
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f)
        return NAN;
    const bool written = fputs("5", f) >= 0;
    return fclose(f) == 0 && written ? status_bytes("VmRSS") : NAN;
}

/* --- rounds --- */

double bench_clock(bool wall)
{
    struct timespec t;
    clock_gettime(wall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static pasta_status run_once(const struct bench_side *side, double *rate, struct pasta_err *err)
{
    double seconds = 0;
    const double begin = bench_clock(side->wall);
    const pasta_status status = side->run(side->ctx, &seconds, err);
    if (seconds == 0)
        seconds = bench_clock(side->wall) - begin;
    *rate = side->work / seconds;
    return status;
}

pasta_status bench_measure(const struct bench *b, const struct bench_side *sides, int n, struct bench_rounds *out, struct pasta_err *err)
{
    struct bench_rounds r = {0};
    pasta_status status = PASTA_OK;
    double ignored;

    for (int s = 0; s < n; s++)
        r.memory[s] = NAN;
    for (int s = 0; s < n && status == PASTA_OK && !b->quick; s++) { /* warm up, and see what memory each takes */
        const double before = peak_reset();
        status = run_once(&sides[s], &ignored, err);
        r.memory[s] = sides[s].memory ? *sides[s].memory : status_bytes("VmHWM") - before;
    }
    const double begin = pasta_now();
    const int most = b->quick ? 1 : MOST_ROUNDS;
    while (status == PASTA_OK && r.n < most && (r.n < LEAST_ROUNDS || pasta_now() - begin < BUDGET)) {
        for (int s = 0; s < n && status == PASTA_OK; s++)
            status = run_once(&sides[s], &r.rate[s][r.n], err);
        r.n++;
    }
    if (status == PASTA_OK)
        *out = r;
    return status;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct bench_spread spread_of(const double *values, int n)
{
    double sorted[BENCH_ROUNDS];
    memcpy(sorted, values, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    return (struct bench_spread){(sorted[(n - 1) / 2] + sorted[n / 2]) / 2, sorted[0], sorted[n - 1]};
}

void bench_row(struct bench *b, const struct bench_rounds *rounds, const struct bench_label *label, int ours, double scale, int theirs, double their_scale)
{
    double mine[BENCH_ROUNDS], other[BENCH_ROUNDS], ratio[BENCH_ROUNDS];
    for (int i = 0; i < rounds->n; i++) {
        mine[i] = rounds->rate[ours][i] * scale;
        other[i] = rounds->rate[theirs][i] * their_scale;
        ratio[i] = mine[i] / other[i];
    }
    PASTA_GROW(b->rows, b->n_rows + 1, b->row_capacity);
    b->rows[b->n_rows++] = (struct bench_row){
        .label = {bench_text(b, "%s", label->what), bench_text(b, "%s", label->unit), bench_text(b, "%s", label->against)},
        .ours = spread_of(mine, rounds->n), .theirs = spread_of(other, rounds->n), .ratio = spread_of(ratio, rounds->n),
        .rounds = rounds->n, .memory = rounds->memory[ours], .their_memory = rounds->memory[theirs]};
}

/* --- texts --- */

static const char *text_of(struct bench *b, const char *fmt, va_list args)
{
    char text[300];
    vsnprintf(text, sizeof text, fmt, args);
    return pasta_arena_strdup(&b->arena, text);
}

const char *bench_text(struct bench *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = text_of(b, fmt, args);
    va_end(args);
    return text;
}

void bench_skip(struct bench *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    PASTA_GROW(b->skipped, b->n_skipped + 1, b->skipped_capacity);
    b->skipped[b->n_skipped++] = text_of(b, fmt, args);
    va_end(args);
}
