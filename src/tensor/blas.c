/* blas.c: which OpenBLAS is in use, and whether it chose kernels that fit this processor. */
#include "pasta/tensor/blas.h"
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "pasta/tensor/pt.h"

static const char GUARD[] = "PASTA_BLAS_CHOSEN"; /* set in the re-executed program, which must not do it again */

/* Width of the vectors that a core's kernels use. */
static int core_width(const char *core)
{
    static const struct { const char *name; int width; } cores[] = {
        {"Haswell", 256}, {"Zen", 256}, {"SkylakeX", 512}, {"Cooperlake", 512}, {"Sapphirerapids", 512},
    };
    for (size_t i = 0; i < sizeof cores / sizeof *cores; i++)
        if (strcasecmp(core, cores[i].name) == 0)
            return cores[i].width;
    return 128;
}

const char *pasta_blas_better_core(const char *chosen, bool avx2, bool avx512)
{
    if (avx512)
        return core_width(chosen) < 512 ? "SkylakeX" : NULL;
    if (avx2)
        return core_width(chosen) < 256 ? "Haswell" : NULL;
    return NULL;
}

void pasta_blas_ensure(char **argv)
{
#ifdef __x86_64__
    if (getenv("OPENBLAS_CORETYPE") || getenv(GUARD) || pt_uses_mkl())
        return;
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    const char *core = pasta_blas_better_core(openblas_get_corename(), avx2, avx512);
    if (!core || setenv("OPENBLAS_CORETYPE", core, 1) != 0 || setenv(GUARD, core, 1) != 0)
        return;
    execv("/proc/self/exe", argv); /* returns only if it could not: then slow kernels it is */
    unsetenv("OPENBLAS_CORETYPE");
#else
    (void)argv; /* the fall-back to old kernels is a matter of x86 */
#endif
}

const char *pasta_blas_describe(void)
{
    static char text[200];
    const int threads = pt_threads_get();
    const char *plural = threads == 1 ? "" : "s";
    if (pt_uses_mkl()) {
        snprintf(text, sizeof text, "MKL, %d thread%s", threads, plural);
        return text;
    }
    static const char *const parallel[] = {"sequential", "pthreads", "OpenMP"};
    const int kind = openblas_get_parallel();
    char version[32] = "";
    sscanf(openblas_get_config(), "OpenBLAS %31s", version);
    snprintf(text, sizeof text, "OpenBLAS %s %s, %d thread%s, %s", version, openblas_get_corename(), threads, plural,
             kind >= 0 && kind < 3 ? parallel[kind] : "unknown threading");
    return text;
}
