/* What another agent would get, where that is known: a small problem of two states and three actions over three turns, solved by dynamic
 * programming. Estimates are right on average, and their intervals hold the truth as often as they say. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"
#include "pasta/base/rng.h"
#include "pasta/eval/off_policy.h"

enum { STATES = 2, ACTIONS = 3, H = 3, D = STATES * ACTIONS, SESSIONS = 400, REPEATS = 400 };
static const double reward[STATES][ACTIONS] = {{0.1, 0.5, 0.9}, {0.6, 0.2, 0.3}};
static const double to_second[STATES][ACTIONS] = {{0.2, 0.5, 0.8}, {0.7, 0.4, 0.1}}; /* probability that state 1 follows */
static const double logging[STATES][ACTIONS] = {{0.5, 0.3, 0.2}, {0.2, 0.3, 0.5}};
static const double asked[STATES][ACTIONS] = {{0.2, 0.2, 0.6}, {0.6, 0.3, 0.1}};
static const double discount = 0.9, start_second = 0.3;

static double value_of(const double policy[STATES][ACTIONS])
{
    double v[STATES] = {0};
    for (int t = 0; t < H; t++) {
        double now[STATES] = {0};
        for (int s = 0; s < STATES; s++)
            for (int a = 0; a < ACTIONS; a++)
                now[s] += policy[s][a] * (reward[s][a] + discount * (to_second[s][a] * v[1] + (1 - to_second[s][a]) * v[0]));
        memcpy(v, now, sizeof v);
    }
    return (1 - start_second) * v[0] + start_second * v[1];
}

struct sample {
    float shown[SESSIONS * H * D], policy[SESSIONS * H * D];
    double reward[SESSIONS * H], weight[SESSIONS * H];
    int32_t person[SESSIONS];
};

/* One-hot features, of which a linear Q is exact; `blind`: the state is left out of them, so that it is not. */
static void play(struct sample *s, uint32_t repeat, bool blind)
{
    struct pasta_rng rng = pasta_rng_at(3, PASTA_RNG_TEST, repeat, 0, 0);
    memset(s, 0, sizeof *s);
    for (int i = 0; i < SESSIONS; i++) {
        int state = pasta_rng_uniform(&rng) < start_second;
        s->person[i] = i;
        for (int t = 0; t < H; t++) {
            const int at = i * H + t, action = pasta_rng_categorical(&rng, logging[state], ACTIONS), seen = blind ? 0 : state;
            s->shown[at * D + seen * ACTIONS + action] = 1;
            for (int a = 0; a < ACTIONS; a++)
                s->policy[at * D + seen * ACTIONS + a] = (float)asked[state][a];
            s->reward[at] = reward[state][action] + 0.3 * pasta_rng_normal(&rng);
            s->weight[at] = asked[state][action] / logging[state][action];
            state = pasta_rng_uniform(&rng) < to_second[state][action];
        }
    }
}

static struct pasta_logged logged_of(const struct sample *s)
{
    return (struct pasta_logged){.n = SESSIONS, .horizon = H, .features = D, .shown = s->shown, .policy = s->policy, .reward = s->reward,
                                 .weight = s->weight, .person = s->person, .discount = discount, .ridge = 1e-6};
}

struct tally { double sum, squares; int covered; };

static void count(struct tally *t, const double *values, double truth)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < SESSIONS; i++)
        sum += values[i];
    const double mean = sum / SESSIONS;
    for (int i = 0; i < SESSIONS; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    t->sum += mean - truth;
    t->squares += (mean - truth) * (mean - truth);
    t->covered += fabs(mean - truth) < 1.96 * sqrt(squares) / SESSIONS;
}

enum { FITTED, WEIGHTED, DOUBLY, METHODS };

static void repeat_often(bool blind, struct tally tallies[METHODS])
{
    struct sample *s = pasta_malloc(sizeof *s);
    double values[SESSIONS], left;
    const double truth = value_of(asked);
    for (uint32_t k = 0; k < REPEATS; k++) {
        play(s, k, blind);
        const struct pasta_logged logged = logged_of(s);
        pasta_off_policy_fitted(&logged, values);
        count(&tallies[FITTED], values, truth);
        pasta_off_policy_weighted(&logged, values, &left);
        assert_true(left > 20 && left < SESSIONS);
        count(&tallies[WEIGHTED], values, truth);
        pasta_off_policy_doubly(&logged, values, &left);
        count(&tallies[DOUBLY], values, truth);
    }
    free(s);
}

static void assert_right(const struct tally *t, const char *name)
{
    const double bias = t->sum / REPEATS, error = sqrt(t->squares) / REPEATS, covered = (double)t->covered / REPEATS;
    if (fabs(bias) > 4 * error || covered < 0.91 || covered > 0.985)
        fail_msg("%s: bias %g (standard error %g), covered %g", name, bias, error, covered);
}

static void all_are_right_where_values_are_linear(void **state)
{
    (void)state;
    struct tally tallies[METHODS] = {{0}};
    assert_true(fabs(value_of(asked) - value_of(logging)) > 0.3);
    repeat_often(false, tallies);
    assert_right(&tallies[FITTED], "fitted");
    assert_right(&tallies[WEIGHTED], "weighted");
    assert_right(&tallies[DOUBLY], "doubly robust");
    assert_true(tallies[FITTED].squares < tallies[DOUBLY].squares); /* and the more is assumed, the more precise */
    assert_true(tallies[DOUBLY].squares < tallies[WEIGHTED].squares);
}

static void weights_mend_what_features_miss(void **state)
{
    (void)state;
    struct tally tallies[METHODS] = {{0}};
    repeat_often(true, tallies);
    assert_true(fabs(tallies[FITTED].sum / REPEATS) > 8 * sqrt(tallies[FITTED].squares / REPEATS) / sqrt(REPEATS) ||
                tallies[FITTED].covered < REPEATS * 0.8);
    assert_right(&tallies[WEIGHTED], "weighted");
    assert_right(&tallies[DOUBLY], "doubly robust");
}

/* The agent that was logged has the mean of its own sessions, also where these are of unequal length. */
static void the_same_agent_gets_what_it_got(void **state)
{
    (void)state;
    struct sample *s = pasta_malloc(sizeof *s);
    double values[SESSIONS], left, mean = 0;
    play(s, 0, false);
    memcpy(s->policy, s->shown, sizeof s->shown);
    for (int i = 0; i < SESSIONS; i++) {
        if (i % 3 == 0)
            s->reward[i * H + 2] = NAN;
        double factor = 1;
        for (int t = 0; t < H; t++, factor *= discount) {
            s->weight[i * H + t] = 1;
            mean += isnan(s->reward[i * H + t]) ? 0 : factor * s->reward[i * H + t] / SESSIONS;
        }
    }
    const struct pasta_logged logged = logged_of(s);
    void (*const methods[])(const struct pasta_logged *, double *, double *) = {pasta_off_policy_weighted, pasta_off_policy_doubly};
    for (int m = 0; m < 2; m++) {
        double found = 0;
        methods[m](&logged, values, &left);
        for (int i = 0; i < SESSIONS; i++)
            found += values[i] / SESSIONS;
        assert_true(fabs(found - mean) < (m ? 2e-2 : 1e-12)); /* the doubly robust one is fitted on other people */
        assert_true(fabs(left - SESSIONS) < 1e-9);
    }
    pasta_off_policy_fitted(&logged, values);
    double found = 0;
    for (int i = 0; i < SESSIONS; i++)
        found += values[i] / SESSIONS;
    assert_true(fabs(found - mean) < 1e-6);
    free(s);
}

static double mean_of(const double *values, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += values[i];
    return sum / n;
}

/* Without a session the fitted value moves as far as that session's number lies from the mean, divided by the sessions left. */
static void a_session_counts_as_its_number_says(void **state)
{
    (void)state;
    struct sample *s = pasta_malloc(sizeof *s), *less = pasta_malloc(sizeof *less);
    double values[SESSIONS], without[SESSIONS], errors = 0, sizes = 0;
    play(s, 0, false);
    struct pasta_logged logged = logged_of(s);
    logged.discount = 0.5;
    pasta_off_policy_fitted(&logged, values);
    const double all = mean_of(values, SESSIONS);
    for (int i = 0; i < 100; i++) {
        *less = *s; /* the last one in place of the i-th */
        memcpy(less->shown + i * H * D, s->shown + (SESSIONS - 1) * H * D, H * D * sizeof *s->shown);
        memcpy(less->policy + i * H * D, s->policy + (SESSIONS - 1) * H * D, H * D * sizeof *s->policy);
        memcpy(less->reward + i * H, s->reward + (SESSIONS - 1) * H, H * sizeof *s->reward);
        struct pasta_logged rest = logged_of(less);
        rest.discount = 0.5;
        rest.n = SESSIONS - 1;
        pasta_off_policy_fitted(&rest, without);
        const double moved = all - mean_of(without, SESSIONS - 1), said = (values[i] - all) / (SESSIONS - 1);
        errors += (moved - said) * (moved - said);
        sizes += said * said;
    }
    if (!(errors < 0.003 * sizes))
        fail_msg("numbers of sessions are off by %g of their size", sqrt(errors / sizes));
    free(s);
    free(less);
}

/* A window of one turn asks what the agent's own slate would have brought, the history being the logging agent's. */
static void a_window_of_one_turn_takes_histories_as_logged(void **state)
{
    (void)state;
    struct sample *s = pasta_malloc(sizeof *s);
    double values[SESSIONS], left, all, found = 0, want = 0, factor = 1;
    play(s, 0, false);
    struct pasta_logged logged = logged_of(s);
    pasta_off_policy_weighted(&logged, values, &all);
    for (int i = 0; i < SESSIONS; i++)
        found += values[i] / SESSIONS;
    logged.window = H;
    pasta_off_policy_weighted(&logged, values, &left);
    for (int i = 0; i < SESSIONS; i++)
        want += values[i] / SESSIONS;
    assert_true(found == want && left == all);
    logged.window = 1;
    pasta_off_policy_weighted(&logged, values, &left);
    found = want = 0;
    for (int i = 0; i < SESSIONS; i++)
        found += values[i] / SESSIONS;
    for (int t = 0; t < H; t++, factor *= discount) {
        double sum = 0, weights = 0;
        for (int i = 0; i < SESSIONS; i++) {
            sum += s->weight[i * H + t] * s->reward[i * H + t];
            weights += s->weight[i * H + t];
        }
        want += factor * sum / weights;
    }
    assert_true(fabs(found - want) < 1e-12);
    assert_true(left > all);
    free(s);
}

static void without_overlap_there_is_no_estimate(void **state)
{
    (void)state;
    struct sample *s = pasta_malloc(sizeof *s);
    double values[SESSIONS], left;
    play(s, 0, false);
    s->weight[7] = NAN;
    struct pasta_logged logged = logged_of(s);
    pasta_off_policy_weighted(&logged, values, &left);
    assert_true(isnan(values[0]) && left == 0);
    memset(s->weight, 0, sizeof s->weight);
    pasta_off_policy_doubly(&logged, values, &left);
    assert_true(isnan(values[0]) && left == 0);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_right_where_values_are_linear),
        cmocka_unit_test(weights_mend_what_features_miss),
        cmocka_unit_test(the_same_agent_gets_what_it_got),
        cmocka_unit_test(a_session_counts_as_its_number_says),
        cmocka_unit_test(a_window_of_one_turn_takes_histories_as_logged),
        cmocka_unit_test(without_overlap_there_is_no_estimate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
