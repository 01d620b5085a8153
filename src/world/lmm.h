/* lmm.h: candidates by a large multimodal model, behind any OpenAI-compatible chat service (generator.kind=openai).
 *
 * A turn takes the first request; when its reply cannot be read, one that shows the model its reply and what was wrong with it; then
 * requests for what is lacking: generator.attempts replies altogether. What is lacking after them fails the turn; nothing is ever padded.
 *
 * Each attempt has a number of its own, 31 bits drawn at (run's seed, session, turn, attempt), so that sessions with the same history are
 * different questions. It is sent as `seed`; with generator.seed=false (Gemini's endpoint refuses the field) it tells them apart as their
 * `repeat`.
 * A turn's replies are kept when all of it succeeded, or when the run was stopped within it, so that they need not be paid for again.
 */
#ifndef PASTA_SRC_WORLD_LMM_H
#define PASTA_SRC_WORLD_LMM_H
#include "pasta/io/service.h"
#include "pasta/world/backend.h"

struct lmm;
/* The settings, the service and what t2i points to stay the caller's, until lmm_close. `authorization` as in pasta_question. */
pasta_status lmm_open(const struct pasta_config *config, struct pasta_service *service, const char *url, const char *authorization,
                      struct pasta_t2i t2i, struct lmm **out, struct pasta_err *err) PASTA_MUST_CHECK;
void lmm_close(struct lmm *lmm); /* NULL is legal */
struct pasta_generator lmm_generator(struct lmm *lmm); /* valid until then */
void lmm_counts(const struct lmm *lmm, struct pasta_str *json); /* appends one object */
#endif
