/* Whitened coordinates: P M P = I / D where the data fill the space, floors where they do not, and many dimensions. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/user/whitening.h"
#include "pasta/base/mem.h"
#include "pasta/base/rng.h"

/* Rows whose coordinate i, in a rotated basis, has deviation sd(i); the mean is not zero. */
static float *rows_of(size_t n, int D, double (*sd)(int), struct pasta_rng *rng)
{
    float *rows = pasta_malloc(n * (size_t)D * sizeof *rows);
    for (size_t i = 0; i < n; i++) {
        double *x = pasta_malloc((size_t)D * sizeof *x);
        for (int d = 0; d < D; d++)
            x[d] = sd(d) * (pasta_rng_normal(rng) + 0.3);
        for (int d = 0; d + 1 < D; d++) { /* mixes neighbours: a fixed rotation */
            double a = x[d], b = x[d + 1];
            x[d] = 0.8 * a - 0.6 * b;
            x[d + 1] = 0.6 * a + 0.8 * b;
        }
        for (int d = 0; d < D; d++)
            rows[i * (size_t)D + (size_t)d] = (float)x[d];
        free(x);
    }
    return rows;
}

/* Mean of z z^T with z = P e, times D. */
static double *spread(const struct whitening *w, const float *rows, size_t n)
{
    size_t D = (size_t)w->dim;
    double *m = pasta_calloc(D * D, sizeof *m), *z = pasta_malloc(D * sizeof *z);
    for (size_t i = 0; i < n; i++) {
        for (size_t a = 0; a < D; a++) {
            z[a] = 0;
            for (size_t b = 0; b < D; b++)
                z[a] += (double)w->matrix[a * D + b] * rows[i * D + b];
        }
        for (size_t a = 0; a < D; a++)
            for (size_t b = 0; b < D; b++)
                m[a * D + b] += z[a] * z[b] * (double)D / (double)n;
    }
    free(z);
    return m;
}

static double falling(int d) { return pow(0.8, d); }
static double three_only(int d) { return d < 3 ? 1 : 0; }
static double few_large(int d) { return d < 40 ? 1 : 0.05; }

static void every_direction_spreads_alike(void **state)
{
    (void)state;
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 0, 0, 0);
    float *rows = rows_of(500, 8, falling, &rng);
    struct whitening w;
    whitening_init(&w, rows, 500, 8, 1);
    assert_int_equal(w.rank, 8);
    double *m = spread(&w, rows, 500);
    for (int a = 0; a < 8; a++)
        for (int b = 0; b < 8; b++) {
            assert_true(fabs(m[a * 8 + b] - (a == b)) < 1e-4);
            assert_true(fabs(w.matrix[a * 8 + b] - w.matrix[b * 8 + a]) < 1e-6);
        }
    free(m);
    free(rows);
    whitening_release(&w);
}

static void what_is_level_stays(void **state)
{
    (void)state;
    struct whitening w;
    float rows[4 * 4] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}; /* M = I / 4 */
    whitening_init(&w, rows, 4, 4, 1);
    for (int i = 0; i < 16; i++)
        assert_true(fabs(w.matrix[i] - (i % 5 == 0)) < 1e-6);
    whitening_release(&w);
}

/* Directions without any spread get the floor's gain, not an infinite one. */
static void empty_directions_have_a_floor(void **state)
{
    (void)state;
    struct pasta_rng rng = pasta_rng_at(2, PASTA_RNG_TEST, 0, 0, 0);
    float *rows = rows_of(300, 10, three_only, &rng);
    struct whitening w;
    whitening_init(&w, rows, 300, 10, 1);
    double largest = 0, smallest = INFINITY;
    for (int i = 0; i < 10; i++) {
        assert_true(isfinite(w.gain[i]) && w.gain[i] > 0);
        largest = fmax(largest, w.gain[i]);
        smallest = fmin(smallest, w.gain[i]);
    }
    assert_true(largest > 10 * smallest && largest < 100 * smallest);
    free(rows);
    whitening_release(&w);
    memset(&w, 0, sizeof w);
    whitening_release(&w);
}

/* Beyond the rank: the leading directions spread alike, the others share one gain, and the same rows give the same bytes. */
static void many_dimensions(void **state)
{
    (void)state;
    enum { D = 100 };
    struct pasta_rng rng = pasta_rng_at(3, PASTA_RNG_TEST, 0, 0, 0);
    float *rows = rows_of(2000, D, few_large, &rng);
    struct whitening w, again;
    whitening_init(&w, rows, 2000, D, 1);
    whitening_init(&again, rows, 2000, D, 1);
    assert_int_equal(w.rank, WHITENING_RANK);
    assert_memory_equal(w.matrix, again.matrix, D * D * sizeof(float));
    for (int i = 0; i < w.rank; i++)
        for (int j = 0; j <= i; j++) {
            double sum = 0;
            for (int d = 0; d < D; d++)
                sum += w.basis[i * D + d] * w.basis[j * D + d];
            assert_true(fabs(sum - (i == j)) < 1e-9);
        }
    double *m = spread(&w, rows, 2000), trace = 0;
    for (int i = 0; i < w.rank; i++) { /* along every found direction the spread is 1 or, at the floor, less */
        double along = 0;
        for (int a = 0; a < D; a++)
            for (int b = 0; b < D; b++)
                along += w.basis[i * D + a] * m[a * D + b] * w.basis[i * D + b];
        assert_true(along > 0.15 && along < 1.05);
    }
    for (int d = 0; d < D; d++)
        trace += m[d * D + d];
    assert_true(trace > 40 && trace < 1.05 * D);
    free(m);
    free(rows);
    whitening_release(&w);
    whitening_release(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_direction_spreads_alike),
        cmocka_unit_test(what_is_level_stays),
        cmocka_unit_test(empty_directions_have_a_floor),
        cmocka_unit_test(many_dimensions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
