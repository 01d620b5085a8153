/* policy.c: the two policies that learn nothing. */
#include "pasta/agent/policy.h"

#include <string.h>

#include "pasta/agent/rollout.h"
#include "pasta/base/rng.h"

static pasta_status score_random(void *ctx, const struct pasta_session *session, uint32_t person, uint64_t seed, uint32_t index,
                                 const struct pasta_candidate *candidates, int n, double *scores, struct pasta_err *err)
{
    (void)ctx, (void)person, (void)candidates, (void)err;
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_SLATE, index, (uint32_t)session->n_turns + 1, PASTA_SLATE_RANDOM_POLICY);
    for (int i = 0; i < n; i++)
        scores[i] = pasta_rng_uniform(&rng);
    return PASTA_OK;
}

/* Candidates come best first, so falling scores in (0, 1] reproduce the generator's own order. */
static pasta_status score_baseline(void *ctx, const struct pasta_session *session, uint32_t person, uint64_t seed, uint32_t index,
                                   const struct pasta_candidate *candidates, int n, double *scores, struct pasta_err *err)
{
    (void)ctx, (void)session, (void)person, (void)seed, (void)index, (void)candidates, (void)err;
    for (int i = 0; i < n; i++)
        scores[i] = (double)(n - i) / n;
    return PASTA_OK;
}

struct pasta_policy pasta_policy_random(void)
{
    return (struct pasta_policy){.name = "random", .score = score_random, .at_random = true};
}

struct pasta_policy pasta_policy_baseline(void)
{
    return (struct pasta_policy){.name = "baseline", .score = score_baseline};
}

struct pasta_policy pasta_policy_named(const char *name)
{
    return strcmp(name, "random") == 0 ? pasta_policy_random() : pasta_policy_baseline();
}
