/* simulate_replay.h: simulated users answer the slates of recorded sessions, whose images a feature pack holds: nothing is drawn or encoded.
 *
 * Session i answers the slates of recorded session i mod n, with its candidates and agent, turn by turn; better, same and worse compare with
 * the simulated user's own choice before. The slates are those of the recorded person's choices, not of its own: that is right for what
 * a user model is to be judged by, and wrong for how an agent would have gone on.
 */
#ifndef PASTA_CMD_SIMULATE_REPLAY_H
#define PASTA_CMD_SIMULATE_REPLAY_H
#include "pasta/user/simulated_user.h"

struct replay; /* read-only after open: safe from several threads */

/* Images and initial prompts that the pack lacks are PASTA_ERR_INPUT. */
pasta_status replay_open(const char *sessions, const char *features, struct replay **out, struct pasta_err *err) PASTA_MUST_CHECK;
void replay_close(struct replay *r); /* NULL is legal */
size_t replay_sessions(const struct replay *r);
const struct pasta_features *replay_features(const struct replay *r);
struct pasta_user_embedder replay_embedder(struct replay *r); /* valid until close */
/* What lies in *out is the arena's and the replay's. */
pasta_status replay_session(const struct replay *r, struct pasta_rater rater, uint64_t seed, uint32_t index, struct pasta_arena *arena,
                            struct pasta_session *out, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
