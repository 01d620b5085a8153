/* embed.h: the three forms of pasta-embed. */
#ifndef PASTA_CMD_EMBED_H
#define PASTA_CMD_EMBED_H
#include "embed_encoder.h"

enum embed_score { EMBED_NO_SCORE, EMBED_COSINE, EMBED_SCALED_COSINE };
struct embed_inputs {
    const char *prompts, *images, *image_root; /* NULL where not given */
    const char *scorer;                        /* the name of the score, or NULL */
    enum embed_score score;
    struct pasta_strings sessions, preferences, ratings, rankings;
};

/* Everything that records name, into a feature pack: a folder. CLIP only. */
pasta_status embed_records(const struct pasta_context *context, const struct embed_inputs *in, struct embed_encoder *e,
                           struct pasta_err *err) PASTA_MUST_CHECK;
/* Listed prompts and images, into one safetensors file `path`, in memory that does not grow with the lists: `text_embeds` [N,D] and
 * `image_embeds` [M,D] by CLIP, `last_token_hidden` [N,D] and `sequence_log_prob` [N] by Gemma; or, where a score is asked for,
 * `scores` [N] of line i of both. --resume goes on with what an earlier run began. */
pasta_status embed_lists(const struct pasta_context *context, const struct embed_inputs *in, struct embed_encoder *e, const char *path,
                         struct pasta_err *err) PASTA_MUST_CHECK;
/* The same for scores, where --out may also end in .jsonl: a line with text, image and score for each pair, and beside them
 * PATH.jsonl.safetensors, of which they are made. */
pasta_status embed_scores(const struct pasta_context *context, const struct embed_inputs *in, struct embed_encoder *e,
                          struct pasta_err *err) PASTA_MUST_CHECK;
#endif
