/* test_blas.c: the choice of OpenBLAS kernels. The test stands in for a library that does not know the processor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "pasta/tensor/blas.h"
#include "pasta/tensor/pt.h"

/* Takes the place of the library's: the SSE3 fall-back, unless told otherwise. */
char *openblas_get_corename(void);
char *openblas_get_corename(void)
{
    static char name[32];
    const char *set = getenv("OPENBLAS_CORETYPE");
    snprintf(name, sizeof name, "%s", set ? set : "Prescott");
    return name;
}

static void wider_kernels_are_chosen_only_where_they_run(void **state)
{
    (void)state;
    static const struct { const char *chosen; bool avx2, avx512; const char *better; } cases[] = {
        {"Prescott", true, true, "SkylakeX"}, {"Prescott", true, false, "Haswell"}, {"Prescott", false, false, NULL},
        {"Haswell", true, true, "SkylakeX"},  {"Zen", true, true, "SkylakeX"},      {"Zen", true, false, NULL},
        {"SkylakeX", true, true, NULL},       {"Cooperlake", true, true, NULL},     {"SapphireRapids", true, true, NULL},
        {"Sandybridge", true, false, "Haswell"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *better = pasta_blas_better_core(cases[i].chosen, cases[i].avx2, cases[i].avx512);
        if (cases[i].better)
            assert_string_equal(better, cases[i].better);
        else
            assert_null(better);
    }
}

/* Runs this program as a child that calls pasta_blas_ensure and prints what it found. */
static void child_output(const char *environment, char *out, size_t size)
{
    char self[4096], command[4400];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    snprintf(command, sizeof command, "env -u OPENBLAS_CORETYPE %s '%s' child 'an argument'", environment, self);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    out[fread(out, 1, size - 1, pipe)] = '\0';
    assert_int_equal(pclose(pipe), 0);
}

static void the_program_is_executed_again_once(void **state)
{
    (void)state;
    char out[200];
#ifdef __x86_64__
    if (!pt_uses_mkl() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        child_output("", out, sizeof out);
        assert_true(strcmp(out, "SkylakeX an argument\n") == 0 || strcmp(out, "Haswell an argument\n") == 0);
    }
#endif
    child_output("OPENBLAS_CORETYPE=Nehalem", out, sizeof out); /* a user's setting stands */
    assert_string_equal(out, "Nehalem an argument\n");
    child_output("PASTA_BLAS_CHOSEN=x", out, sizeof out); /* did not help the first time: go on */
    assert_string_equal(out, "none an argument\n");
}

static void the_description_names_library_and_threads(void **state)
{
    (void)state;
    pt_threads(1);
    const char *text = pasta_blas_describe();
    assert_true(strncmp(text, "OpenBLAS ", 9) == 0 || strncmp(text, "MKL", 3) == 0);
    assert_non_null(strstr(text, ", 1 thread"));
    assert_null(strstr(text, "threads,"));
}

int main(int argc, char **argv)
{
    if (argc == 3) {
        pasta_blas_ensure(argv);
        const char *core = getenv("OPENBLAS_CORETYPE");
        printf("%s %s\n", core ? core : "none", argv[2]);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wider_kernels_are_chosen_only_where_they_run),
        cmocka_unit_test(the_program_is_executed_again_once),
        cmocka_unit_test(the_description_names_library_and_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
