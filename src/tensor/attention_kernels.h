/* attention_kernels.h: the inner loops of attention.c, included there once for each instruction set.
 *
 * KERNEL(name) names what belongs to this inclusion, KERNEL_LANES is the number of floats in a vector register, and a register tile of the
 * product has up to KERNEL_ROWS rows and 16 KERNEL_UNITS columns. Vectors are GCC's, so that the same code becomes AVX-512, AVX2 or SSE2.
 */
enum { KERNEL(L) = KERNEL_LANES };
typedef float KERNEL(vec) __attribute__((vector_size(4 * KERNEL_LANES), aligned(4), may_alias));
typedef int32_t KERNEL(ivec) __attribute__((vector_size(4 * KERNEL_LANES), aligned(4), may_alias));
#define vec KERNEL(vec)
#define ivec KERNEL(ivec)
#define LANES KERNEL(L)
#define VEC(pointer) (*(vec *)(pointer))

/* C[MR, NV vectors] = (add ? C : 0) + A B with A[r,p] at a[r row + p column], B[p,...] at b[p ldb]. MR and NV are constants where
 * inlined. */
static inline __attribute__((always_inline)) void KERNEL(tile)(const int MR, const int NV, bool add, int64_t k, const float *a, int64_t row,
                                                               int64_t column, const float *b, int64_t ldb, float *c, int64_t ldc)
{
    vec sum[6][4];
#pragma GCC unroll 6
    for (int r = 0; r < MR; r++)
#pragma GCC unroll 4
        for (int j = 0; j < NV; j++)
            sum[r][j] = add ? VEC(c + r * ldc + LANES * j) : (vec){0};
    for (int64_t p = 0; p < k; p++) {
        vec bp[4];
#pragma GCC unroll 4
        for (int j = 0; j < NV; j++)
            bp[j] = VEC(b + p * ldb + LANES * j);
#pragma GCC unroll 6
        for (int r = 0; r < MR; r++) {
            const float ap = a[r * row + p * column];
#pragma GCC unroll 4
            for (int j = 0; j < NV; j++)
                sum[r][j] += ap * bp[j];
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < MR; r++)
#pragma GCC unroll 4
        for (int j = 0; j < NV; j++)
            VEC(c + r * ldc + LANES * j) = sum[r][j];
}

/* C[m,n] = (add ? C : 0) + A[m,k] B[k,n]; n a multiple of 16. */
static void KERNEL(product)(bool add, int64_t m, int64_t n, int64_t k, const float *a, int64_t row, int64_t column, const float *b,
                            int64_t ldb, float *c, int64_t ldc)
{
    for (int64_t j = 0; j < n;) {
        const int64_t left = (n - j) / 16, units = KERNEL_UNITS >= 4 && left >= 4 ? 4 : KERNEL_UNITS >= 2 && left >= 2 ? 2 : 1;
        for (int64_t i = 0; i < m;) {
            const int64_t rows = KERNEL_ROWS >= 6 && m - i >= 6 ? 6 : m - i >= 3 ? 3 : 1;
            const float *ai = a + i * row, *bj = b + j;
            float *cij = c + i * ldc + j;
#define TILE(MR, UNITS) KERNEL(tile)(MR, (UNITS) * 16 / LANES, add, k, ai, row, column, bj, ldb, cij, ldc)
#define TILES(MR) (KERNEL_UNITS >= 4 && units == 4 ? TILE(MR, 4) : KERNEL_UNITS >= 2 && units == 2 ? TILE(MR, 2) : TILE(MR, 1))
            KERNEL_ROWS >= 6 && rows == 6 ? TILES(6) : rows == 3 ? TILES(3) : TILES(1);
#undef TILES
#undef TILE
            i += rows;
        }
        j += 16 * units;
    }
}

/* exp(x - shift) for one vector in place, 0 where that is below the normal numbers. Cephes' expf: error below 2 units in the last place. */
static inline __attribute__((always_inline)) void KERNEL(exp)(float *x, float shift)
{
    const vec v = VEC(x) - shift;
    const vec magic = (vec){0} + 12582912.0f; /* adding it rounds to a whole number, found in the low bits */
    const vec t = v * 1.44269504088896341f + magic, n = t - magic;
    const vec r = (v - n * 0.693359375f) - n * -2.12194440e-4f;
    vec p = (vec){0} + 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    const ivec power = ((ivec)t - (ivec)magic + 127) << 23;
    const ivec result = (ivec)(p * (vec)power);
    VEC(x) = (vec)(result & ~(v < -87.33f)); /* a comparison with NaN is false: NaN stays */
}

/* scores <- scores + bias for one row over a run of columns, and -inf beyond the last key; returns the row's maximum, at least `top`. */
static inline float KERNEL(add_bias)(float *scores, const float *bias, int64_t from, int64_t to, int64_t Tk, float top)
{
    vec best = (vec){0} + top;
    for (int64_t c = from; c < to; c += LANES) {
        vec s = VEC(scores + c);
        if (c + LANES <= Tk) {
            if (bias)
                s += VEC(bias + c);
        } else {
            vec tail = (vec){0} - INFINITY;
            const size_t bytes = c < Tk ? (size_t)(Tk - c) * sizeof *bias : 0;
            if (bias)
                memcpy(&tail, bias + c, bytes);
            else
                memset(&tail, 0, bytes);
            s += tail;
        }
        VEC(scores + c) = s;
        const ivec larger = s > best;
        best = (vec)(((ivec)s & larger) | ((ivec)best & ~larger));
    }
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            best[i] = best[i + half] > best[i] ? best[i + half] : best[i];
    return best[0];
}

/* Sum of the lanes of a vector, halves first. */
static inline float KERNEL(lanes)(const float *x)
{
    float sum[LANES];
    memcpy(sum, x, sizeof sum);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            sum[i] += sum[i + half];
    return sum[0];
}

/* Columns that some row of the block sees, as runs of whole vectors; returns their number. */
static int KERNEL(find_runs)(const struct attention *a, const struct block *block, struct run *runs)
{
    const int64_t Tp = round16(a->Tk);
    if (!a->bias.at) {
        runs[0] = (struct run){0, Tp};
        return 1;
    }
    int n = 0;
    for (int64_t c = 0; c < Tp; c += 16) {
        ivec seen = {0};
        bool any = false;
        for (int64_t r = 0; r < block->rows; r++) {
            const float *bias = block->bias[r];
            if (r > 0 && bias == block->bias[r - 1])
                continue; /* broadcast over the rows */
            if (c + 16 <= a->Tk)
                for (int64_t i = c; i < c + 16; i += LANES)
                    seen |= VEC(bias + i) > HIDDEN;
            else
                for (int64_t i = c; i < a->Tk; i++)
                    any |= bias[i] > HIDDEN;
        }
        for (int i = 0; i < LANES; i++)
            any |= seen[i] != 0;
        if (any && n > 0 && runs[n - 1].to == c)
            runs[n - 1].to = c + 16;
        else if (any)
            runs[n++] = (struct run){c, c + 16};
    }
    if (n == 0) /* rows that see nothing: whatever the formula gives */
        runs[n++] = (struct run){0, Tp};
    return n;
}

/* The scores of a block of rows over its runs, bias added; and each row's maximum. */
static void KERNEL(scores)(const struct attention *a, const struct scratch *s, const struct block *block, const struct run *runs,
                           int n_runs, float *maximum)
{
    const int64_t Tp = round16(a->Tk);
    for (int i = 0; i < n_runs; i++)
        KERNEL(product)(false, block->rows, runs[i].to - runs[i].from, a->d, s->q, round16(a->d), 1, s->k_columns + runs[i].from, Tp,
                        s->scores + runs[i].from, Tp);
    for (int64_t r = 0; r < block->rows; r++) {
        maximum[r] = -INFINITY;
        for (int i = 0; i < n_runs; i++)
            maximum[r] = KERNEL(add_bias)(s->scores + r * Tp, block->bias[r], runs[i].from, runs[i].to, a->Tk, maximum[r]);
    }
}

static void KERNEL(forward_block)(const struct attention *a, const struct scratch *s, const struct block *block, struct attention_array out,
                                  float *log_sum)
{
    const int64_t Tp = round16(a->Tk), wide = round16(a->dv);
    struct run *runs = s->runs;
    float maximum[BLOCK_ROWS], inverse[BLOCK_ROWS];
    const int n = KERNEL(find_runs)(a, block, runs);
    KERNEL(scores)(a, s, block, runs, n, maximum);
    for (int64_t r = 0; r < block->rows; r++) {
        vec sums = {0};
        for (int i = 0; i < n; i++)
            for (int64_t c = runs[i].from; c < runs[i].to; c += LANES) {
                KERNEL(exp)(s->scores + r * Tp + c, maximum[r]);
                sums += VEC(s->scores + r * Tp + c);
            }
        const float sum = KERNEL(lanes)((const float *)&sums);
        inverse[r] = 1 / sum;
        if (log_sum)
            log_sum[block->first + r] = maximum[r] + logf(sum);
    }
    for (int i = 0; i < n; i++)
        KERNEL(product)(i > 0, block->rows, wide, runs[i].to - runs[i].from, s->scores + runs[i].from, Tp, 1,
                        s->v_rows + runs[i].from * wide, wide, s->out, wide);
    for (int64_t r = 0; r < block->rows; r++) {
        float *to = row_of(a, out, block, r);
        for (int64_t i = 0; i < a->dv; i++)
            to[i] = s->out[r * wide + i] * inverse[r];
    }
}

/* With P the weights and G the derivative in the result: dV += P^T G;  dS = P o (G V^T - (G o O) 1);  dQ = scale dS K;  dK += dS^T Q,
 * Q being scaled. dout's rows are in s->out. */
static void KERNEL(backward_block)(const struct attention *a, const struct scratch *s, const struct block *block,
                                   struct attention_array out, const float *log_sum, struct attention_array dq)
{
    const int64_t Tp = round16(a->Tk), narrow = round16(a->d), wide = round16(a->dv);
    struct run *runs = s->runs;
    float maximum[BLOCK_ROWS];
    const int n = KERNEL(find_runs)(a, block, runs);
    KERNEL(scores)(a, s, block, runs, n, maximum);
    for (int i = 0; i < n; i++)
        KERNEL(product)(false, block->rows, runs[i].to - runs[i].from, a->dv, s->out, wide, 1, s->v_columns + runs[i].from, Tp,
                        s->dscores + runs[i].from, Tp);
    for (int64_t r = 0; r < block->rows; r++) {
        const float *o = row_of(a, out, block, r), *g = s->out + r * wide;
        vec dots = {0};
        for (int64_t i = 0; i + LANES <= a->dv; i += LANES)
            dots += VEC(o + i) * VEC(g + i);
        float dot = KERNEL(lanes)((const float *)&dots);
        for (int64_t i = a->dv / LANES * LANES; i < a->dv; i++)
            dot += o[i] * g[i];
        for (int i = 0; i < n; i++)
            for (int64_t c = runs[i].from; c < runs[i].to; c += LANES) {
                float *p = s->scores + r * Tp + c, *ds = s->dscores + r * Tp + c;
                KERNEL(exp)(p, log_sum[block->first + r]);
                VEC(ds) = (VEC(ds) - dot) * VEC(p);
            }
    }
    for (int i = 0; i < n; i++) {
        const int64_t from = runs[i].from, count = runs[i].to - from;
        KERNEL(product)(true, count, wide, block->rows, s->scores + from, 1, Tp, s->out, wide, s->dv_rows + from * wide, wide);
        KERNEL(product)(true, count, narrow, block->rows, s->dscores + from, 1, Tp, s->q, narrow, s->dk_rows + from * narrow, narrow);
        KERNEL(product)(i > 0, block->rows, narrow, count, s->dscores + from, Tp, 1, s->k_rows + from * narrow, narrow, s->dq, narrow);
    }
    for (int64_t r = 0; r < block->rows; r++) {
        float *to = row_of(a, dq, block, r);
        for (int64_t i = 0; i < a->d; i++)
            to[i] = s->dq[r * narrow + i] * a->scale;
    }
}
#undef vec
#undef ivec
#undef LANES
#undef VEC
