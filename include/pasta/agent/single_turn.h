/* single_turn.h: single-turn preferences and ratings from sketch raters, in the manner of Pick-a-Pic and SAC.
 *
 * A pair: a prompt and two images, with equal chance of two different candidate expansions of the prompt (which stay hidden, as in a
 * session), or of the prompt itself drawn twice. A rating: a prompt and one image of it; with equal chance the prompt is one of
 * the list, or an expansion of one, as many prompts in SAC are. Expansions are drawn uniformly from the generator's first turn.
 *
 * Records are pure functions of the maker and the job. Job indices share one address space with sessions, so they start at
 * PASTA_PAIR_INDEX and PASTA_RATING_INDEX and every random stream of a run is distinct.
 */
#ifndef PASTA_AGENT_SINGLE_TURN_H
#define PASTA_AGENT_SINGLE_TURN_H
#include "pasta/agent/rollout.h"
#include "pasta/world/sketch.h"

#define PASTA_PAIR_INDEX UINT32_C(0x80000000)
#define PASTA_RATING_INDEX UINT32_C(0xC0000000)

struct pasta_single_turn {
    const struct pasta_sketch *sketch; /* answers */
    struct pasta_generator generator;
    struct pasta_t2i t2i;
    int candidates;         /* L_C */
    uint64_t seed;
    const char *image_root; /* as in struct pasta_rollout */
};
/* Strings in arena or borrowed from the job. */
pasta_status pasta_single_pair(const struct pasta_single_turn *maker, struct pasta_rollout_job job, struct pasta_arena *arena,
                               struct pasta_preference *out, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_single_rating(const struct pasta_single_turn *maker, struct pasta_rollout_job job, struct pasta_arena *arena,
                                 struct pasta_rating *out, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
