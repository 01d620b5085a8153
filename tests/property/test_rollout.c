/* Sessions are pure functions of their address: bytes do not depend on threads, order, or on which others are played. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pasta/agent/rollout.h"
#include "unit/fake_world.h"

enum { N = 24 };
static const struct pasta_agent_settings settings = {.horizon = 5, .slate = 4, .images = 2, .candidates = 25, .epsilon = 0.3};
static const char *const prompts[] = {"a red fox", "noodles in a bowl", "happiness"};

static struct pasta_rollout make_rollout(struct pasta_policy policy, uint64_t seed)
{
    return (struct pasta_rollout){.settings = &settings, .generator = fake_generator(), .t2i = fake_t2i(NULL),
                                  .policy = policy, .rater = fake_rater(), .seed = seed};
}

/* The lines of sessions order[0..n-1], each into lines[its index]. */
static void play(const struct pasta_rollout *rollout, const uint32_t *order, int n, int threads, struct pasta_str *lines)
{
    struct pasta_rollout_job jobs[N];
    struct pasta_rollout_result results[N];
    struct pasta_err err = {0};
    for (int i = 0; i < n; i++)
        jobs[i] = pasta_rollout_deal(rollout->seed, order[i], 0, 5, prompts, 3);
    if (pasta_rollout_many(rollout, jobs, n, threads, NULL, results, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    for (int i = 0; i < n; i++) {
        pasta_str_clear(&lines[order[i]]);
        pasta_session_print(&results[i].session, &lines[order[i]]);
    }
    pasta_rollout_release(results, n);
}

static void check_policy(struct pasta_policy policy)
{
    const struct pasta_rollout rollout = make_rollout(policy, 11), other_seed = make_rollout(policy, 12);
    struct pasta_str one[N] = {0}, two[N] = {0};
    uint32_t order[N];
    int different = 0;

    for (uint32_t i = 0; i < N; i++)
        order[i] = i;
    play(&rollout, order, N, 1, one);
    for (int threads = 2; threads <= 3; threads++) {
        struct pasta_rng rng = pasta_rng_at((uint64_t)threads, PASTA_RNG_TEST, 0, 0, 0);
        pasta_rng_shuffle(&rng, order, N);
        play(&rollout, order, N, threads, two);
        for (int i = 0; i < N; i++)
            assert_string_equal(one[i].data, two[i].data);
    }
    play(&rollout, order, 3, 1, two); /* a part of them alone */
    for (int i = 0; i < 3; i++)
        assert_string_equal(one[order[i]].data, two[order[i]].data);

    for (int i = 1; i < N; i++)
        different += strcmp(strchr(one[i].data, '['), strchr(one[i - 1].data, '[')) != 0;
    assert_int_equal(different, N - 1);
    play(&other_seed, order, N, 1, two);
    for (int i = 0; i < N; i++)
        assert_string_not_equal(one[i].data, two[i].data);
    for (int i = 0; i < N; i++) {
        pasta_str_release(&one[i]);
        pasta_str_release(&two[i]);
    }
}

static void baseline_sessions_are_pure(void **state)
{
    (void)state;
    check_policy(pasta_policy_baseline());
}

static void random_sessions_are_pure(void **state)
{
    (void)state;
    check_policy(pasta_policy_random());
}

static pasta_status fail_from_ten(void *ctx, const struct pasta_session *session, uint32_t person, uint64_t seed, uint32_t index,
                                  struct pasta_answer *out, struct pasta_err *err)
{
    if (index >= 10)
        return pasta_fail(err, PASTA_ERR_FAILED, "gone home");
    return fake_answer(ctx, session, person, seed, index, out, err);
}

static void a_failure_ends_the_batch(void **state)
{
    (void)state;
    struct pasta_rollout rollout = make_rollout(pasta_policy_baseline(), 11);
    struct pasta_rollout_job jobs[N];
    struct pasta_rollout_result results[N];
    rollout.rater.answer = fail_from_ten;
    for (uint32_t i = 0; i < N; i++)
        jobs[i] = pasta_rollout_deal(11, i, 0, 5, prompts, 3);
    for (int threads = 1; threads <= 2; threads++) {
        struct pasta_err err = {0};
        assert_int_equal(pasta_rollout_many(&rollout, jobs, N, threads, NULL, results, &err), PASTA_ERR_FAILED);
        assert_non_null(strstr(err.message, "gone home"));
        for (int i = 0; i < N; i++)
            assert_null(results[i].arena.blocks);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(baseline_sessions_are_pure),
        cmocka_unit_test(random_sessions_are_pure),
        cmocka_unit_test(a_failure_ends_the_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
