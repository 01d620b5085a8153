/* lmm_request.h: requests to an OpenAI-compatible chat service, as canonical JSON: the same history gives the same bytes.
 *
 * The conversation of a turn: system, user (initial prompt, history, images of chosen columns), and in further requests the model's reply
 * and what was wrong with it. Prompts and critique are JSON strings within the messages, so that nothing in them can pass for words of the
 * template.
 */
#ifndef PASTA_SRC_WORLD_LMM_REQUEST_H
#define PASTA_SRC_WORLD_LMM_REQUEST_H
#include "lmm_reply.h"
#include "lmm_template.h"
#include "pasta/base/config.h"
#include "pasta/world/backend.h"

struct lmm_asking {                 /* what all requests of a run share; borrowed */
    const struct lmm_template *prompt_template;
    const struct pasta_generator_settings *settings;
    struct pasta_t2i t2i;           /* draws the images that are shown */
    int horizon, max_words;
};
struct lmm_turn {                   /* what all requests of a turn share */
    const struct lmm_asking *asking;
    char numbers[5][24];            /* LMM_CANDIDATES .. LMM_HORIZON as text */
    struct pasta_str head;          /* system and user message, as JSON */
};
/* Draws the images of the columns that were chosen, if any are to be shown. `n` candidates are to be asked for. */
pasta_status lmm_turn_begin(const struct lmm_asking *asking, const struct pasta_session *session, int n, struct lmm_turn *out,
                            struct pasta_err *err) PASTA_MUST_CHECK;
void lmm_turn_release(struct lmm_turn *turn); /* legal on a zeroed struct */

/* The body of a request, into `out`, which is replaced. `said` is the assistant's message that `section` (LMM_REPAIR, LMM_MISSING) answers;
 * NULL: the first request. wanted[c]: prompts of each category; those of 0 are not in the JSON schema. seed -1: not sent. */
void lmm_request_put(const struct lmm_turn *turn, const char *said, enum lmm_section section, const char *problem,
                     const int wanted[PASTA_CATEGORIES], int64_t seed, struct pasta_str *out);
#endif
