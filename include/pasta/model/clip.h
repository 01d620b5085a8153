/* clip.h: CLIP in the Hugging Face layout, at any size: two towers, their tokenizer and their image preprocessing.
 *
 * Source: transformers modeling_clip.py; Radford et al., ICML 2021.
 */
#ifndef PASTA_MODEL_CLIP_H
#define PASTA_MODEL_CLIP_H
#include "pasta/base/config.h"
#include "pasta/io/image.h"
#include "pasta/tensor/params.h"
struct pasta_clip; /* weights, tokenizer, preprocessing; encoding is safe from several threads at once */

/* Loads a folder: config.json, model.safetensors (or shards), vocab.json + merges.txt (or tokenizer.json), preprocessor_config.json. "" = the embedded encoder. */
pasta_status pasta_clip_load(const char *dir, const char *device, struct pasta_clip **out, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_clip_free(struct pasta_clip *clip);
int pasta_clip_dim(const struct pasta_clip *clip);          /* D */
const char *pasta_clip_hash(const struct pasta_clip *clip); /* the encoder's identity in feature packs */
double pasta_clip_logit_scale(const struct pasta_clip *clip); /* exp already applied */
struct pasta_params *pasta_clip_params(struct pasta_clip *clip);

/* Embeddings [n,D] into out, L2-normalised unless raw. Images of any size are preprocessed; texts are tokenised and truncated to the context. Any batch size gives the same result within 1e-5. */
pasta_status pasta_clip_images(const struct pasta_clip *clip, const struct pasta_image *images, int n, bool raw, float *out, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_clip_texts(const struct pasta_clip *clip, const char *const *texts, int n, bool raw, float *out, struct pasta_err *err) PASTA_MUST_CHECK;

/* The differentiable forward passes; call inside a scope. Results are not normalised. */
pt pasta_clip_image_features(const struct pasta_clip *clip, pt pixels /* f32 [B,3,S,S] */);      /* [B,D] */
pt pasta_clip_text_features(const struct pasta_clip *clip, pt ids /* i64 [B,T], padded */);       /* [B,D] */
#endif
