/* The assignment against all permutations, up to 7 x 7, and of more rows than columns and the other way round. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdbool.h>

#include "pasta/base/rng.h"
#include "pasta/eval/assignment.h"

/* The best sum over rows from `row` on, where `left` of them may stay without a column. */
static double best_from(const double *value, int rows, int columns, int row, unsigned used, int left)
{
    if (row == rows)
        return 0;
    double best = left > 0 ? best_from(value, rows, columns, row + 1, used, left - 1) : -INFINITY;
    for (int j = 0; j < columns; j++)
        if (!(used >> j & 1))
            best = fmax(best, value[row * columns + j] + best_from(value, rows, columns, row + 1, used | 1u << j, left));
    return best;
}

static void check(const double *value, int rows, int columns)
{
    int column_of[8], given = 0;
    unsigned used = 0;
    double sum = pasta_assignment(value, rows, columns, column_of), again = 0;
    for (int i = 0; i < rows; i++) {
        if (column_of[i] < 0)
            continue;
        assert_true(column_of[i] < columns && !(used >> column_of[i] & 1));
        used |= 1u << column_of[i];
        again += value[i * columns + column_of[i]];
        given++;
    }
    assert_int_equal(given, rows < columns ? rows : columns);
    assert_true(fabs(sum - again) < 1e-12);
    assert_true(fabs(sum - best_from(value, rows, columns, 0, 0, rows > columns ? rows - columns : 0)) < 1e-9);
}

/* Random values of either sign; every third matrix has few different ones, so that there are ties. */
static void agrees_with_brute_force(void **state)
{
    (void)state;
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 0, 0, 0);
    double value[49];
    for (int rows = 1; rows <= 7; rows++)
        for (int columns = 1; columns <= 7; columns++)
            for (int round = 0; round < (rows + columns > 12 ? 6 : 20); round++) {
                for (int i = 0; i < rows * columns; i++)
                    value[i] = round % 3 == 2 ? (double)pasta_rng_below(&rng, 3) - 1 : pasta_rng_normal(&rng);
                check(value, rows, columns);
            }
}

static void finds_a_permutation(void **state)
{
    (void)state;
    enum { N = 64 };
    double value[N * N];
    int column_of[N];
    struct pasta_rng rng = pasta_rng_at(2, PASTA_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            value[i * N + j] = (j == (i * 5 + 3) % N ? 1 : 0) + 0.4 * pasta_rng_uniform(&rng);
    pasta_assignment(value, N, N, column_of);
    for (int i = 0; i < N; i++)
        assert_int_equal(column_of[i], (i * 5 + 3) % N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_brute_force), cmocka_unit_test(finds_a_permutation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
