/* embed_encoder.h: the model that pasta-embed was given, and encoding with it in batches, side by side.
 *
 * Batches are cut by position and each is computed by one thread: the bytes do not depend on the number of threads.
 */
#ifndef PASTA_CMD_EMBED_ENCODER_H
#define PASTA_CMD_EMBED_ENCODER_H
#include "pasta/base/options.h"
#include "pasta/base/progress.h"
#include "pasta/model/clip.h"
#include "pasta/model/gemma_text.h"

struct embed_encoder {
    const struct pasta_context *context;
    struct pasta_clip *clip;        /* one of these two */
    struct pasta_gemma_text *gemma;
    bool raw;                       /* CLIP's vectors as they are, not L2-normalised */
    const char *stopped;            /* what a stop by signal says */
    struct pasta_progress progress;
};
/* Whether the folder embed.model holds a Gemma or else a CLIP, which "", the embedded one, is too. Another architecture is
 * PASTA_ERR_INPUT. */
pasta_status embed_is_gemma(const struct pasta_context *context, bool *gemma, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status embed_encoder_load(const struct pasta_context *context, bool gemma, struct embed_encoder *out,
                                struct pasta_err *err) PASTA_MUST_CHECK; /* release in any case */
void embed_encoder_release(struct embed_encoder *e);
int embed_dim(const struct embed_encoder *e);          /* D */
const char *embed_hash(const struct embed_encoder *e); /* the model's identity, 64 digits */

/* Vectors [n,D] of n files, by CLIP. */
pasta_status embed_images(struct embed_encoder *e, const char *const *paths, size_t n, float *out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Vectors [n,D] of n texts; log_prob [n] is Gemma's, with CLIP NULL. Texts of like length side by side waste the least. */
pasta_status embed_texts(struct embed_encoder *e, const char *const *texts, size_t n, float *out, float *log_prob,
                         struct pasta_err *err) PASTA_MUST_CHECK;
#endif
