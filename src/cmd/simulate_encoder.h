/* simulate_encoder.h: what a simulated user sees: images drawn and encoded, texts encoded.
 *
 * A kernel may round differently for another batch size, so what is encoded together must depend on the session alone, or bytes would
 * depend on the order of sessions: the new images of one request, and texts one by one. Text embeddings are kept for the run, for sessions
 * share their prompts; image embeddings from one request to the next of a session, for a user compares with the column chosen before.
 */
#ifndef PASTA_CMD_SIMULATE_ENCODER_H
#define PASTA_CMD_SIMULATE_ENCODER_H
#include "pasta/model/clip.h"
#include "pasta/user/simulated_user.h"

struct text_memory; /* shared by the eyes of all workers */
struct text_memory *text_memory_new(void);
void text_memory_free(struct text_memory *memory);

/* One worker's; not for two threads at once. Everything is borrowed. */
struct eyes;
struct eyes *eyes_new(const struct pasta_clip *clip, struct pasta_t2i t2i, struct text_memory *texts);
void eyes_free(struct eyes *eyes);
void eyes_close(struct eyes *eyes); /* before a session: forgets the images of the last one */
struct pasta_user_embedder eyes_embedder(struct eyes *eyes);
#endif
