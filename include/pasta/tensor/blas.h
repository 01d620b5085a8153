/* blas.h: which OpenBLAS is in use, and whether it chose kernels that fit this processor.
 *
 * Debian's OpenBLAS 0.3.21 does not know newer processors and falls back to SSE3 kernels, five times slower. pasta_blas_ensure compares the
 * chosen core with the CPU's flags and, when a wider one fits, sets OPENBLAS_CORETYPE and re-executes the program once. A user's own
 * setting is never overridden.
 */
#ifndef PASTA_TENSOR_BLAS_H
#define PASTA_TENSOR_BLAS_H
#include <stdbool.h>
void pasta_blas_ensure(char **argv); /* call first thing in main; returns when nothing is to be done */
const char *pasta_blas_describe(void); /* "OpenBLAS 0.3.21 SkylakeX, 2 threads, OpenMP"; static */
/* The core that fits better than the one OpenBLAS chose, or NULL. avx2: with FMA; avx512: F, DQ, BW and VL. */
const char *pasta_blas_better_core(const char *chosen, bool avx2, bool avx512);
#endif
