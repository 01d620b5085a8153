/* Rewards of turns, by either rule. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "../../src/value/episodes.h"
#include "pasta/value/reward.h"

static void rewards_follow_the_rule(void **state)
{
    (void)state;
    const struct { double rating; enum pasta_versus versus; int choice; double by_rating, by_versus; } turns[] = {
        {10, PASTA_WORSE, 0, 1, 0}, {1, PASTA_BETTER, 2, 0, 1}, {5.5, PASTA_SAME, 1, 0.5, 0.5}, {4, PASTA_VERSUS_NONE, 0, 1.0 / 3, 1.0 / 3},
        {NAN, PASTA_BETTER, 0, 1, 1}, {NAN, PASTA_SAME, 0, 0.5, 0.5}, {NAN, PASTA_WORSE, 0, 0, 0}, {NAN, PASTA_VERSUS_NONE, 0, 0.5, 0.5},
        {NAN, PASTA_VERSUS_NONE, -1, 0, 0}, {NAN, PASTA_BETTER, -1, 0, 0}};
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        const struct pasta_turn turn = {.rating = turns[i].rating, .versus = turns[i].versus, .choice = turns[i].choice};
        assert_true(fabs(pasta_turn_reward(&turn, false) - turns[i].by_rating) < 1e-12);
        assert_true(fabs(pasta_turn_reward(&turn, true) - turns[i].by_versus) < 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rewards_follow_the_rule)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
