/* rollout.h: sessions, played turn by turn.
 *
 *   generator -> candidates -> policy -> scores -> selector -> slate -> image seeds and ids -> rater -> answer -> next turn
 *
 * A session is a pure function of the rollout and of (index, person, prompt): it does not matter which sessions run before it, beside it,
 * or in which thread. Random streams: PASTA_RNG_SLATE and PASTA_RNG_IMAGE at (seed, index, turn from 1, slot).
 *
 *     struct pasta_rollout rollout = {.settings = &config.agent, .seed = config.seed, .generator = ..., .t2i = ...,
 *                                     .policy = pasta_policy_baseline(), .rater = ...};
 *     pasta_rollout_session(&rollout, job.index, job.person, job.prompt, &arena, &session, &err);
 *     pasta_session_print(&session, &line);
 *     pasta_arena_release(&arena);
 */
#ifndef PASTA_AGENT_ROLLOUT_H
#define PASTA_AGENT_ROLLOUT_H
#include "pasta/agent/policy.h"
#include "pasta/base/config.h"
#include "pasta/base/progress.h"
#include "pasta/world/backend.h"

/* Slots of the PASTA_RNG_SLATE streams of one turn. Append only. */
enum pasta_slate_slot {
    PASTA_SLATE_EXPLORE,       /* whether to explore, and the random slate */
    PASTA_SLATE_ORDER,         /* the order in which the columns are shown */
    PASTA_SLATE_RANDOM_POLICY, /* scores of the random policy */
    PASTA_SLATE_SAMPLED_TYPE,  /* the user type that a policy believes in for this turn */
};

struct pasta_rollout {
    const struct pasta_agent_settings *settings; /* horizon, slate, images, candidates, epsilon, temperature */
    struct pasta_generator generator;
    struct pasta_t2i t2i;
    struct pasta_policy policy;
    struct pasta_rater rater;
    uint64_t seed;          /* below 2^53 */
    const char *image_root; /* images are saved as image_root/images/ab/ID.png; NULL: not saved */
    int at_once;            /* images of a slate that are drawn and saved at once, for models that are waited for; 0: one after the other */
};

/* PASTA_ERR_USAGE for settings that no session can be played with: a seed that records cannot keep, or candidates that do not fall into
 * equal categories. Every session checks; a command calls it before it makes its folder. */
pasta_status pasta_rollout_check(const struct pasta_rollout *rollout, struct pasta_err *err) PASTA_MUST_CHECK;

/* One session. Everything in *out lives in `arena`: ids, candidates, scores, columns and answers of every turn. Columns stand in
 * random order, so that a rater's bias for a position does not attach to what the agent thinks best.
 * turn_utility is NULL unless the rater knows it (NAN in turns where it does not); user_type is -1; a caller that knows better fills it in.
 * Errors: those of the generator, policy, t2i and rater, with "session ID, turn N: " in front; *out is untouched. */
pasta_status pasta_rollout_session(const struct pasta_rollout *rollout, uint32_t index, uint32_t person, const char *prompt,
                                   struct pasta_arena *arena, struct pasta_session *out, struct pasta_err *err) PASTA_MUST_CHECK;

/* The same in its two halves, for raters who answer in their own time: a session without turns (there is room for all of them), and the
 * slate of the turn that follows the complete turns of `s`, with nothing answered. Both live in `arena`; of the rollout's rater only the
 * source counts. Images are saved before this returns. */
struct pasta_session pasta_rollout_begin(const struct pasta_rollout *rollout, uint32_t index, uint32_t person, const char *prompt,
                                         struct pasta_arena *arena);
pasta_status pasta_rollout_slate(const struct pasta_rollout *rollout, const struct pasta_session *s, uint32_t index, uint32_t person,
                                 struct pasta_arena *arena, struct pasta_turn *out, struct pasta_err *err) PASTA_MUST_CHECK;

struct pasta_rollout_job {
    uint32_t index, person;
    const char *prompt;
};
/* The job of session `index` where `people` raters, numbered from `first_person`, take turns and each session starts from
 * a prompt drawn uniformly (PASTA_RNG_PROMPT). */
struct pasta_rollout_job pasta_rollout_deal(uint64_t seed, uint32_t index, uint32_t first_person, uint32_t people,
                                            const char *const *prompts, uint32_t n_prompts);
/* Seed of an image, below 2^53: turn from 1, slot = column * M + image; from PASTA_IMAGE_PREVIEW on, of images that nobody is shown. */
enum { PASTA_IMAGE_PREVIEW = 1 << 16 };
uint64_t pasta_rollout_image_seed(uint64_t seed, uint32_t index, uint32_t turn, uint32_t slot);
/* "sketch-000123": how records name a person, by source. In arena. */
const char *pasta_rollout_rater_id(struct pasta_arena *arena, enum pasta_source source, uint32_t person);
#endif
