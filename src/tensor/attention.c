/* attention.c: fused attention for many small matrices (see attention.h). */
#include "attention.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "pasta/base/mem.h"
#include "pasta/base/threads.h"

enum { BLOCK_ROWS = 48 }; /* rows of scores in the cache at a time; a multiple of the register tile's 6 */
static const float HIDDEN = -1e29f;

struct run { int64_t from, to; }; /* columns, multiples of 16 */

/* Rows [first, first + rows) of a job's (h / g) Tq query rows. */
struct block {
    int64_t b, head, first, rows; /* head: the first one of the group; first counts from its row 0 */
    const float *bias[BLOCK_ROWS]; /* NULL without a bias */
};

/* One worker's memory; rows are padded with zeros to whole vectors. */
struct scratch {
    float *k_columns, *v_columns;         /* [d,Tp], [dv,Tp] */
    float *k_rows, *v_rows;               /* [Tp,dp], [Tp,dvp] */
    float *dk_rows, *dv_rows;             /* as k_rows, v_rows */
    float *q, *dq, *out;                  /* [BLOCK_ROWS,dp], the same, [BLOCK_ROWS,dvp] */
    float *scores, *dscores;              /* [BLOCK_ROWS,Tp] */
    struct run *runs;
};

static int64_t round16(int64_t n)
{
    return (n + 15) / 16 * 16;
}

/* The row of a [B,h,Tq,...] array that is row r of the block. */
static float *row_of(const struct attention *a, struct attention_array x, const struct block *block, int64_t r)
{
    const int64_t row = block->first + r;
    return x.at + block->b * x.batch + (block->head + row / a->Tq) * x.head + row % a->Tq * x.row;
}

/* --- kernels, once for each instruction set; products and sums may be fused as the libraries do --- */

#pragma GCC push_options
#pragma GCC optimize("fp-contract=fast")
#ifdef __x86_64__
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,fma,prefer-vector-width=512")
#define KERNEL(name) name##_avx512
#define KERNEL_LANES 16
#define KERNEL_ROWS 6
#define KERNEL_UNITS 4
#include "attention_kernels.h"
#undef KERNEL
#undef KERNEL_LANES
#undef KERNEL_UNITS
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define KERNEL(name) name##_avx2
#define KERNEL_LANES 8
#define KERNEL_UNITS 1
#include "attention_kernels.h"
#undef KERNEL
#undef KERNEL_LANES
#undef KERNEL_ROWS
#undef KERNEL_UNITS
#pragma GCC pop_options
#endif
#define KERNEL(name) name##_any
#define KERNEL_LANES 4
#define KERNEL_ROWS 3
#define KERNEL_UNITS 1
#include "attention_kernels.h"
#pragma GCC pop_options

struct kernels {
    void (*forward)(const struct attention *, const struct scratch *, const struct block *, struct attention_array, float *);
    void (*backward)(const struct attention *, const struct scratch *, const struct block *, struct attention_array, const float *,
                     struct attention_array);
};

static struct kernels kernels_choose(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
        return (struct kernels){forward_block_avx512, backward_block_avx512};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (struct kernels){forward_block_avx2, backward_block_avx2};
#endif
    return (struct kernels){forward_block_any, backward_block_any};
}

/* --- one job: all rows of one batch and key head --- */

struct work {
    const struct attention *a;
    struct kernels kernels;
    bool derivative;
    struct attention_array out, dout, dq, dk, dv;
    float *log_sum;
    struct scratch *scratch; /* one a worker */
};

static void load_rows(float *to, int64_t padded, const float *from, int64_t stride, int64_t rows, int64_t width)
{
    for (int64_t r = 0; r < rows; r++) {
        memcpy(to + r * padded, from + r * stride, (size_t)width * sizeof *to);
        memset(to + r * padded + width, 0, (size_t)(padded - width) * sizeof *to);
    }
}

/* to[i padded + j] = from[j stride + i] for i, j in 0..3 */
static inline void transpose_4x4(float *to, int64_t padded, const float *from, int64_t stride)
{
    typedef float vec4 __attribute__((vector_size(16), aligned(4), may_alias));
    typedef int32_t ivec4 __attribute__((vector_size(16)));
    const vec4 a = *(const vec4 *)from, b = *(const vec4 *)(from + stride), c = *(const vec4 *)(from + 2 * stride),
               d = *(const vec4 *)(from + 3 * stride);
    const ivec4 low = {0, 4, 1, 5}, high = {2, 6, 3, 7}, first = {0, 1, 4, 5}, second = {2, 3, 6, 7};
    const vec4 ab_low = __builtin_shuffle(a, b, low), ab_high = __builtin_shuffle(a, b, high);
    const vec4 cd_low = __builtin_shuffle(c, d, low), cd_high = __builtin_shuffle(c, d, high);
    *(vec4 *)to = __builtin_shuffle(ab_low, cd_low, first);
    *(vec4 *)(to + padded) = __builtin_shuffle(ab_low, cd_low, second);
    *(vec4 *)(to + 2 * padded) = __builtin_shuffle(ab_high, cd_high, first);
    *(vec4 *)(to + 3 * padded) = __builtin_shuffle(ab_high, cd_high, second);
}

static void load_columns(float *to, int64_t padded, const float *from, int64_t stride, int64_t rows, int64_t width)
{
    const int64_t whole_rows = rows / 4 * 4, whole_width = width / 4 * 4;
    for (int64_t r = 0; r < whole_rows; r += 4)
        for (int64_t i = 0; i < whole_width; i += 4)
            transpose_4x4(to + i * padded + r, padded, from + r * stride + i, stride);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = r < whole_rows ? whole_width : 0; i < width; i++)
            to[i * padded + r] = from[r * stride + i];
    for (int64_t i = 0; i < width; i++)
        memset(to + i * padded + rows, 0, (size_t)(padded - rows) * sizeof *to);
}

static void store_rows(struct attention_array to, int64_t b, int64_t head, const float *from, int64_t padded, int64_t rows, int64_t width)
{
    for (int64_t r = 0; r < rows; r++)
        memcpy(to.at + b * to.batch + head * to.head + r * to.row, from + r * padded, (size_t)width * sizeof *from);
}

static void job_load(const struct work *w, const struct scratch *s, int64_t b, int64_t g)
{
    const struct attention *a = w->a;
    const int64_t Tp = round16(a->Tk), narrow = round16(a->d), wide = round16(a->dv);
    const float *k = a->k.at + b * a->k.batch + g * a->k.head, *v = a->v.at + b * a->v.batch + g * a->v.head;
    load_columns(s->k_columns, Tp, k, a->k.row, a->Tk, a->d);
    if (!w->derivative) {
        load_rows(s->v_rows, wide, v, a->v.row, a->Tk, a->dv);
        memset(s->v_rows + a->Tk * wide, 0, (size_t)((Tp - a->Tk) * wide) * sizeof *s->v_rows);
        return;
    }
    load_columns(s->v_columns, Tp, v, a->v.row, a->Tk, a->dv);
    load_rows(s->k_rows, narrow, k, a->k.row, a->Tk, a->d);
    memset(s->k_rows + a->Tk * narrow, 0, (size_t)((Tp - a->Tk) * narrow) * sizeof *s->k_rows);
    memset(s->dk_rows, 0, (size_t)(Tp * narrow) * sizeof *s->dk_rows);
    memset(s->dv_rows, 0, (size_t)(Tp * wide) * sizeof *s->dv_rows);
}

static void block_load(const struct work *w, const struct scratch *s, struct block *block)
{
    const struct attention *a = w->a;
    const int64_t narrow = round16(a->d), wide = round16(a->dv);
    for (int64_t r = 0; r < block->rows; r++) {
        const float *q = row_of(a, a->q, block, r);
        for (int64_t i = 0; i < a->d; i++)
            s->q[r * narrow + i] = q[i] * a->scale;
        memset(s->q + r * narrow + a->d, 0, (size_t)(narrow - a->d) * sizeof *s->q);
        block->bias[r] = a->bias.at ? row_of(a, a->bias, block, r) : NULL;
        if (w->derivative)
            load_rows(s->out + r * wide, wide, row_of(a, w->dout, block, r), 0, 1, a->dv);
    }
}

static pasta_status job(void *context, int64_t item, int worker, struct pasta_err *err)
{
    (void)err;
    const struct work *w = context;
    const struct attention *a = w->a;
    const struct scratch *s = &w->scratch[worker];
    const int64_t b = item / a->g, g = item % a->g, group = a->h / a->g, rows = group * a->Tq;
    float *log_sum = w->log_sum ? w->log_sum + (b * a->h + g * group) * a->Tq : NULL;
    job_load(w, s, b, g);
    for (int64_t first = 0; first < rows; first += BLOCK_ROWS) {
        struct block block = {.b = b, .head = g * group, .first = first, .rows = rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS};
        block_load(w, s, &block);
        if (w->derivative)
            w->kernels.backward(a, s, &block, w->out, log_sum, w->dq);
        else
            w->kernels.forward(a, s, &block, w->out, log_sum);
    }
    if (w->derivative) {
        store_rows(w->dk, b, g, s->dk_rows, round16(a->d), a->Tk, a->d);
        store_rows(w->dv, b, g, s->dv_rows, round16(a->dv), a->Tk, a->dv);
    }
    return PASTA_OK;
}

/* --- all jobs --- */

static void work_run(struct work *w)
{
    const struct attention *a = w->a;
    const int64_t Tp = round16(a->Tk), narrow = round16(a->d), wide = round16(a->dv), jobs = a->B * a->g;
    /* below some 2 million products a second thread costs more than it saves */
    const int wanted = (double)a->B * (double)(a->h * a->Tq) * (double)(a->Tk * (a->d + a->dv)) < 2e6 ? 1 : a->threads;
    const int threads = wanted < 1 ? 1 : wanted > jobs ? (int)jobs : wanted;
    const int64_t back = w->derivative ? 1 : 0; /* what only the derivative needs */
    const int64_t sizes[] = {a->d * Tp, back * a->dv * Tp, back * Tp * narrow, (1 - back) * Tp * wide, back * Tp * narrow, back * Tp * wide,
                             BLOCK_ROWS * narrow, back * BLOCK_ROWS * narrow, BLOCK_ROWS * wide, BLOCK_ROWS * Tp, back * BLOCK_ROWS * Tp};
    enum { N_SIZES = sizeof sizes / sizeof *sizes };
    struct pasta_arena arena = {0};
    w->scratch = pasta_arena_alloc(&arena, (size_t)threads * sizeof *w->scratch);
    for (int i = 0; i < threads; i++) {
        struct scratch *s = &w->scratch[i];
        float **parts[N_SIZES] = {&s->k_columns, &s->v_columns, &s->k_rows, &s->v_rows, &s->dk_rows, &s->dv_rows,
                                  &s->q,         &s->dq,        &s->out,    &s->scores, &s->dscores};
        for (int j = 0; j < N_SIZES; j++)
            *parts[j] = pasta_arena_alloc(&arena, (size_t)sizes[j] * sizeof(float));
        s->runs = pasta_arena_alloc(&arena, (size_t)(Tp / 16) * sizeof *s->runs);
    }
    if (threads == 1)
        for (int64_t i = 0; i < jobs; i++)
            (void)job(w, i, 0, NULL);
    else if (pasta_parallel_for(jobs, threads, job, w, NULL) != PASTA_OK)
        abort(); /* jobs do not fail */
    pasta_arena_release(&arena);
}

void attention_forward(const struct attention *a, struct attention_array out, float *log_sum)
{
    struct work w = {.a = a, .kernels = kernels_choose(), .out = out, .log_sum = log_sum};
    work_run(&w);
}

void attention_backward(const struct attention *a, struct attention_array out, const float *log_sum, struct attention_array dout,
                        struct attention_array dq, struct attention_array dk, struct attention_array dv)
{
    struct work w = {.a = a, .kernels = kernels_choose(), .derivative = true, .out = out, .dout = dout, .dq = dq, .dk = dk, .dv = dv,
                     .log_sum = (float *)log_sum};
    work_run(&w);
}
