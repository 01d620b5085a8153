/* Sessions are pure functions of their address: bytes do not depend on threads, order, or on which others are played. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pasta/agent/rollout.h"
#include "pasta/base/threads.h"
#include "unit/fake_world.h"

enum { N = 24 };
static const struct pasta_agent_settings settings = {.horizon = 5, .slate = 4, .images = 2, .candidates = 25, .epsilon = 0.3};
static const char *const prompts[] = {"a red fox", "noodles in a bowl", "happiness"};

static struct pasta_rollout make_rollout(struct pasta_policy policy, uint64_t seed)
{
    return (struct pasta_rollout){.settings = &settings, .generator = fake_generator(), .t2i = fake_t2i(NULL),
                                  .policy = policy, .rater = fake_rater(), .seed = seed};
}

struct played {
    const struct pasta_rollout *rollout;
    const uint32_t *order;
    struct pasta_str *lines;
};

static pasta_status play_one(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    const struct played *p = ctx;
    const struct pasta_rollout_job job = pasta_rollout_deal(p->rollout->seed, p->order[item], 0, 5, prompts, 3);
    struct pasta_arena arena = {0};
    struct pasta_session session;
    (void)worker;
    const pasta_status status = pasta_rollout_session(p->rollout, job.index, job.person, job.prompt, &arena, &session, err);
    pasta_str_clear(&p->lines[job.index]);
    if (status == PASTA_OK)
        pasta_session_print(&session, &p->lines[job.index]);
    pasta_arena_release(&arena);
    return status;
}

/* The lines of sessions order[0..n-1], each into lines[its index]. */
static void play(const struct pasta_rollout *rollout, const uint32_t *order, int n, int threads, struct pasta_str *lines)
{
    struct played played = {rollout, order, lines};
    struct pasta_err err = {0};
    if (pasta_parallel_for(n, threads, play_one, &played, &err) != PASTA_OK)
        fail_msg("%s", err.message);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(baseline_sessions_are_pure),
        cmocka_unit_test(random_sessions_are_pure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
