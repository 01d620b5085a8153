/* whitening.c: eigenvectors of the second moment, by Jacobi rotations after subspace iteration where there are too many dimensions. */
#include "whitening.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "pasta/base/mem.h"
#include "pasta/base/rng.h"

enum { MAX_ROWS = 20000, ITERATIONS = 12, SWEEPS = 30 };
#define FLOOR 1e-2 /* of the mean eigenvalue */

/* M [D,D] of at most MAX_ROWS rows, evenly spaced. */
static double *second_moment(const float *rows, size_t n, int dim)
{
    size_t D = (size_t)dim, step = n > MAX_ROWS ? n / MAX_ROWS : 1, used = 0;
    double *m = pasta_calloc(D * D, sizeof *m);
    for (size_t i = 0; i < n; i += step, used++) {
        const float *e = rows + i * D;
        for (size_t a = 0; a < D; a++)
            for (size_t b = 0; b < D; b++)
                m[a * D + b] += (double)e[a] * e[b];
    }
    for (size_t i = 0; i < D * D && used > 0; i++)
        m[i] /= (double)used;
    return m;
}

/* Rotates rows p and q of x [n,width] by (c, s). */
static void rotate_rows(double *x, int p, int q, int width, double c, double s)
{
    for (int k = 0; k < width; k++) {
        double y = x[p * width + k], z = x[q * width + k];
        x[p * width + k] = c * y - s * z;
        x[q * width + k] = s * y + c * z;
    }
}

/* Diagonalises symmetric a [n,n] in place by cyclic Jacobi rotations and turns the rows of `vectors` [n,width] along. */
static void jacobi(double *a, int n, double *vectors, int width)
{
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        double off = 0, all = 0;
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                *(i == j ? &all : &off) += a[i * n + j] * a[i * n + j];
        if (off <= 1e-24 * all)
            return;
        for (int p = 0; p < n; p++) {
            for (int q = p + 1; q < n; q++) {
                if (a[p * n + q] == 0)
                    continue;
                double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
                double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1)), c = 1 / sqrt(t * t + 1), s = t * c;
                for (int k = 0; k < n; k++) { /* columns */
                    double y = a[k * n + p], z = a[k * n + q];
                    a[k * n + p] = c * y - s * z;
                    a[k * n + q] = s * y + c * z;
                }
                rotate_rows(a, p, q, n, c, s);
                rotate_rows(vectors, p, q, width, c, s);
            }
        }
    }
}

static double dot(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Rows of q [r,D] become orthonormal (Gram-Schmidt, twice for accuracy). */
static void orthonormalise(double *q, int r, int dim)
{
    for (int i = 0; i < r; i++) {
        double *row = q + (size_t)i * dim;
        for (int pass = 0; pass < 2; pass++) {
            for (int j = 0; j < i; j++) {
                double along = dot(row, q + (size_t)j * dim, dim);
                for (int d = 0; d < dim; d++)
                    row[d] -= along * q[(size_t)j * dim + d];
            }
        }
        double length = sqrt(dot(row, row, dim));
        for (int d = 0; d < dim; d++)
            row[d] = length > 0 ? row[d] / length : d == i;
    }
}

/* out [r,D] = q M */
static void multiply(const double *q, const double *m, int r, int dim, double *out)
{
    memset(out, 0, (size_t)r * (size_t)dim * sizeof *out);
    for (int i = 0; i < r; i++)
        for (int a = 0; a < dim; a++)
            for (int b = 0; b < dim; b++)
                out[(size_t)i * dim + b] += q[(size_t)i * dim + a] * m[(size_t)a * dim + b];
}

/* Rows of basis [r,D]: the leading eigenvectors of M, or a space close to theirs; values [r]. */
static void leading(const double *m, int r, int dim, uint64_t seed, double *basis, double *values)
{
    double *image = pasta_malloc((size_t)r * (size_t)dim * sizeof *image), *small = pasta_malloc((size_t)r * (size_t)r * sizeof *small);
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_INIT, 0, 4, 0);
    for (size_t i = 0; i < (size_t)r * (size_t)dim; i++)
        basis[i] = r == dim ? i % (size_t)(dim + 1) == 0 : pasta_rng_normal(&rng);
    for (int i = 0; i < ITERATIONS && r < dim; i++) {
        orthonormalise(basis, r, dim);
        multiply(basis, m, r, dim, image);
        memcpy(basis, image, (size_t)r * (size_t)dim * sizeof *basis);
    }
    orthonormalise(basis, r, dim);
    multiply(basis, m, r, dim, image);
    for (int i = 0; i < r; i++)
        for (int j = 0; j < r; j++)
            small[i * r + j] = dot(basis + (size_t)i * dim, image + (size_t)j * dim, dim);
    jacobi(small, r, basis, dim);
    for (int i = 0; i < r; i++)
        values[i] = small[i * r + i];
    free(image);
    free(small);
}

void whitening_init(struct whitening *w, const float *rows, size_t n, int dim, uint64_t seed)
{
    int r = dim < WHITENING_RANK ? dim : WHITENING_RANK;
    size_t D = (size_t)dim;
    double *m = second_moment(rows, n, dim), trace = 0, least = INFINITY;
    *w = (struct whitening){.dim = dim, .rank = r, .basis = pasta_malloc((size_t)r * D * sizeof(double)),
                            .gain = pasta_malloc((size_t)r * sizeof(double)), .matrix = pasta_malloc(D * D * sizeof(float))};
    leading(m, r, dim, seed, w->basis, w->gain);
    for (int d = 0; d < dim; d++)
        trace += m[(size_t)d * D + (size_t)d];
    double lowest = FLOOR * (trace > 0 ? trace : 1) / dim;
    for (int i = 0; i < r; i++) {
        double value = fmax(w->gain[i], lowest);
        least = fmin(least, value);
        w->gain[i] = 1 / sqrt(value * dim);
    }
    double rest = r < dim ? 1 / sqrt(least * dim) : 0;
    for (size_t a = 0; a < D; a++) {
        for (size_t b = 0; b < D; b++) {
            double sum = a == b ? rest : 0;
            for (int i = 0; i < r; i++)
                sum += (w->gain[i] - rest) * w->basis[(size_t)i * D + a] * w->basis[(size_t)i * D + b];
            w->matrix[a * D + b] = (float)sum;
        }
    }
    free(m);
}

void whitening_release(struct whitening *w)
{
    free(w->basis);
    free(w->gain);
    free(w->matrix);
    *w = (struct whitening){0};
}
