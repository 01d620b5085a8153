/* Chi-square probabilities: two degrees in closed form, and the table's values at 5 %. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "pasta/eval/chi_square.h"

static void known_values(void **state)
{
    (void)state;
    static const double at_5_percent[] = {3.841458820694124, 5.991464547107979, 7.814727903251179, 9.487729036781154, 11.070497693516351,
                                          12.591587243743977};
    for (int degrees = 1; degrees <= 6; degrees++)
        assert_true(fabs(pasta_chi_square_above(at_5_percent[degrees - 1], degrees) - 0.05) < 1e-12);
    for (double x = 0.1; x < 40; x *= 2)
        assert_true(fabs(pasta_chi_square_above(x, 2) - exp(-x / 2)) < 1e-15);
    assert_true(pasta_chi_square_above(0, 3) == 1);
    assert_true(isnan(pasta_chi_square_above(NAN, 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
