/* blas.h: which OpenBLAS is in use, and whether it chose kernels that fit this processor.
 *
 * Debian's OpenBLAS 0.3.21 does not know newer processors and falls back to SSE3 kernels, five times slower. pasta_blas_ensure compares the
 * chosen core with the CPU's flags and, when a wider one fits, sets OPENBLAS_CORETYPE and re-executes the program once. A user's own setting is never
 * overridden.
 */
#ifndef PASTA_TENSOR_BLAS_H
#define PASTA_TENSOR_BLAS_H
void pasta_blas_ensure(char **argv); /* call first thing in main; returns when nothing is to be done */
const char *pasta_blas_describe(void); /* "OpenBLAS 0.3.21 SkylakeX, 2 threads, OpenMP"; static */
#endif
