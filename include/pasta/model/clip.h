/* clip.h: CLIP in the Hugging Face layout, at any size: two towers, their tokenizer and their image preprocessing.
 *
 * Source: transformers modeling_clip.py; Radford et al., ICML 2021.
 */
#ifndef PASTA_MODEL_CLIP_H
#define PASTA_MODEL_CLIP_H
#include "pasta/base/config.h"
#include "pasta/io/image.h"
#include "pasta/model/bpe.h"
#include "pasta/model/preprocess.h"
#include "pasta/tensor/params.h"
/* Shape of one tower, as its section of config.json gives it. */
struct pasta_clip_tower {
    int64_t width;     /* hidden_size, a multiple of heads */
    int64_t mlp;       /* intermediate_size */
    int64_t layers, heads;
    bool quick_gelu;   /* hidden_act: x sigmoid(1.702 x), else the exact gelu */
    double eps;        /* layer_norm_eps */
};
struct pasta_clip_shape {
    struct pasta_clip_tower text, vision;
    int64_t vocab, context;      /* text: ids, positions */
    int64_t end;                 /* the id at whose first place the text is pooled */
    int64_t image_size, patch;   /* vision: pixels; patches = (image_size / patch)^2 */
    int64_t projection;          /* D */
    double logit_scale_init;
};

struct pasta_clip; /* weights, tokenizer, preprocessing; encoding is safe from several threads at once */

/* Loads a folder: config.json, model.safetensors (or shards), vocab.json + merges.txt (or tokenizer.json), preprocessor_config.json. The
 * tensors may have OpenCLIP's names, in model.safetensors or open_clip_model.safetensors. "" = the embedded encoder. Weights and
 * activations are of `dtype`, PT_F32 or PT_BF16; logit_scale is f32 in any case. What does not fit together, tensors that config.json
 * does not know among it, is PASTA_ERR_INPUT. */
pasta_status pasta_clip_load(const char *dir, const char *device, pt_dtype dtype, struct pasta_clip **out,
                             struct pasta_err *err) PASTA_MUST_CHECK;
/* A network of that shape with random weights (transformers' initialisation, streams (seed, PASTA_RNG_INIT, index of the parameter);
 * the vision tower's patches start as whitened cosines and its positions as sines, which saves much of a short training), for
 * training. Takes ownership of `bpe`, also on error; vocab and end come from it. Images are preprocessed in CLIP's own way. */
pasta_status pasta_clip_new(const struct pasta_clip_shape *shape, struct pasta_bpe *bpe, uint64_t seed, const char *device,
                            struct pasta_clip **out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Writes a folder that pasta_clip_load and transformers open: config.json, model.safetensors in `dtype` (PT_F32, PT_F16), vocab.json,
 * merges.txt, tokenizer_config.json, special_tokens_map.json, preprocessor_config.json. */
pasta_status pasta_clip_save(const struct pasta_clip *clip, const char *dir, pt_dtype dtype, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_clip_free(struct pasta_clip *clip);
const struct pasta_clip_shape *pasta_clip_shape_of(const struct pasta_clip *clip);
const struct pasta_bpe *pasta_clip_bpe(const struct pasta_clip *clip);
int pasta_clip_dim(const struct pasta_clip *clip);          /* D */
const char *pasta_clip_hash(const struct pasta_clip *clip); /* the encoder's identity in feature packs */
double pasta_clip_logit_scale(const struct pasta_clip *clip); /* exp already applied */
struct pasta_params *pasta_clip_params(struct pasta_clip *clip);

/* Embeddings [n,D] into out, L2-normalised unless raw. Images of any size are preprocessed; texts are tokenised and truncated to the
 * context. Any batch size gives the same result within 1e-5. */
pasta_status pasta_clip_images(const struct pasta_clip *clip, const struct pasta_image *images, int n, bool raw, float *out,
                               struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_clip_texts(const struct pasta_clip *clip, const char *const *texts, int n, bool raw, float *out,
                              struct pasta_err *err) PASTA_MUST_CHECK;

/* Another way of preprocessing than the folder's, which gives images of the same size. */
void pasta_clip_set_preprocess(struct pasta_clip *clip, struct pasta_preprocess preprocess);
/* The two halves of pasta_clip_images, for whoever holds many images: pixel values [3,S,S] f32 of one, S the shape's image_size; and
 * embeddings of pixels [n,3,S,S]. */
pasta_status pasta_clip_preprocess(const struct pasta_clip *clip, const struct pasta_image *image, float *pixels,
                                   struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_clip_pixels(const struct pasta_clip *clip, const float *pixels, int n, bool raw, float *out,
                               struct pasta_err *err) PASTA_MUST_CHECK;

/* Add to the gradients of the parameters those of the sum of `by` [n,D] times the L2-normalised embeddings of n images or texts: the way
 * back from a loss whose gradients by the embeddings are `by`, pass by pass, so that memory does not grow with n. Outside of any scope or
 * inside of one; not for several threads. Parameters that want no gradient get none. */
pasta_status pasta_clip_pixels_backward(struct pasta_clip *clip, const float *pixels, int n, const float *by,
                                        struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_clip_texts_backward(struct pasta_clip *clip, const char *const *texts, int n, const float *by,
                                       struct pasta_err *err) PASTA_MUST_CHECK;

/* The differentiable forward passes, [B,D]; call inside a scope. Results are not normalised. */
pt pasta_clip_image_features(const struct pasta_clip *clip, pt pixels /* [B,3,S,S], of the network's dtype */);
pt pasta_clip_text_features(const struct pasta_clip *clip, pt ids /* i64 [B,T], padded behind the end token, T <= context */);
pt pasta_clip_scale(const struct pasta_clip *clip); /* exp(logit_scale), rank 0 */
#endif
