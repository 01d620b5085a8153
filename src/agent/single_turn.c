/* single_turn.c: see single_turn.h. */
#include "pasta/agent/single_turn.h"

#include <string.h>

#include "pasta/agent/image_store.h"
#include "pasta/base/rng.h"

/* Streams of one item: what is shown. Seeds of its images are pasta_rollout_image_seed at turn 0. */
static struct pasta_rng shown(const struct pasta_single_turn *maker, uint32_t index)
{
    return pasta_rng_at(maker->seed, PASTA_RNG_PROMPT, index, 0, 1);
}

static pasta_status expand(const struct pasta_single_turn *maker, struct pasta_rollout_job job, struct pasta_arena *arena,
                           struct pasta_candidate **out, struct pasta_err *err)
{
    const struct pasta_session blank = {.initial_prompt = job.prompt, .user_type = -1, .seed = maker->seed};
    struct pasta_candidate *candidates = pasta_arena_alloc(arena, (size_t)maker->candidates * sizeof *candidates);
    const pasta_status status = maker->generator.candidates(maker->generator.ctx, &blank, maker->seed, job.index, maker->candidates,
                                                            arena, candidates, err);
    if (status == PASTA_OK)
        *out = candidates;
    return status;
}

static pasta_status make_image(const struct pasta_single_turn *maker, const char *prompt, uint64_t seed, struct pasta_arena *arena,
                               const char **id, struct pasta_err *err)
{
    char hex[65];
    pasta_image_id(&maker->t2i, prompt, seed, hex);
    *id = pasta_arena_strdup(arena, hex);
    return maker->image_root ? pasta_image_save(&maker->t2i, prompt, seed, hex, maker->image_root, err) : PASTA_OK;
}

/* A candidate with another prompt than `not_this`, at random; the last one looked at where there is no other. */
static const char *other_prompt(struct pasta_rng *rng, const struct pasta_candidate *candidates, int n, const char *not_this)
{
    const int start = (int)pasta_rng_below(rng, (uint32_t)n);
    for (int i = 0; i < n; i++) {
        const char *prompt = candidates[(start + i) % n].prompt;
        if (!not_this || strcmp(prompt, not_this) != 0)
            return prompt;
    }
    return candidates[start].prompt;
}

pasta_status pasta_single_pair(const struct pasta_single_turn *maker, struct pasta_rollout_job job, struct pasta_arena *arena,
                               struct pasta_preference *out, struct pasta_err *err)
{
    struct pasta_rng rng = shown(maker, job.index);
    struct pasta_preference pair = {.prompt = job.prompt,
                                    .user_id = pasta_rollout_rater_id(arena, PASTA_SOURCE_SKETCH, job.person)};
    const char *prompts[2] = {job.prompt, job.prompt};
    uint64_t seeds[2];
    pasta_status status;

    if (pasta_rng_below(&rng, 2) == 0) {
        struct pasta_candidate *candidates;
        if ((status = expand(maker, job, arena, &candidates, err)) != PASTA_OK)
            return status;
        prompts[0] = other_prompt(&rng, candidates, maker->candidates, NULL);
        prompts[1] = other_prompt(&rng, candidates, maker->candidates, prompts[0]);
    }
    for (uint32_t i = 0; i < 2; i++) {
        seeds[i] = pasta_rollout_image_seed(maker->seed, job.index, 0, i);
        if ((status = make_image(maker, prompts[i], seeds[i], arena, &pair.image[i], err)) != PASTA_OK)
            return status;
    }
    pair.label = pasta_sketch_prefer(maker->sketch, maker->seed, job.person, job.index, job.prompt, prompts, seeds);
    *out = pair;
    return PASTA_OK;
}

pasta_status pasta_single_rating(const struct pasta_single_turn *maker, struct pasta_rollout_job job, struct pasta_arena *arena,
                                 struct pasta_rating *out, struct pasta_err *err)
{
    struct pasta_rng rng = shown(maker, job.index);
    struct pasta_rating rating = {.prompt = job.prompt, .lo = 1, .hi = 10,
                                  .user_id = pasta_rollout_rater_id(arena, PASTA_SOURCE_SKETCH, job.person)};
    pasta_status status;

    if (pasta_rng_below(&rng, 2) == 0) {
        struct pasta_candidate *candidates;
        if ((status = expand(maker, job, arena, &candidates, err)) != PASTA_OK)
            return status;
        rating.prompt = other_prompt(&rng, candidates, maker->candidates, NULL);
    }
    const uint64_t seed = pasta_rollout_image_seed(maker->seed, job.index, 0, 0);
    if ((status = make_image(maker, rating.prompt, seed, arena, &rating.image, err)) != PASTA_OK)
        return status;
    rating.rating = pasta_sketch_rate(maker->sketch, maker->seed, job.person, job.index, rating.prompt, seed);
    *out = rating;
    return PASTA_OK;
}
