/* gemma.h: Gemma in the Hugging Face layout, at any size.
 *
 * RMSNorm (1 + w), RoPE (rotate-half), grouped-query attention, GeGLU, embedding scaled by sqrt(D) in the model's dtype, tied head.
 * Source: transformers modeling_gemma.py; Gemma Team, 2024.
 */
#ifndef PASTA_MODEL_GEMMA_H
#define PASTA_MODEL_GEMMA_H
#include <stdint.h>
#include "pasta/tensor/params.h"
struct pasta_gemma_config {
    int64_t vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim, max_position_embeddings;
    double rms_norm_eps, rope_theta;
};
struct pasta_gemma; /* weights and shape */
/* Loads config.json and weights of a folder; without weights the network is initialised at random from `seed` (N(0, 0.02), norms 0). `init` tells which. */
pasta_status pasta_gemma_load(const char *dir, const char *device, pt_dtype dtype, uint64_t seed, bool *initialised, struct pasta_gemma **out, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_gemma_save(const struct pasta_gemma *g, const char *dir, const char *architecture, const struct pasta_params *extra, struct pasta_err *err) PASTA_MUST_CHECK; /* config.json and model.safetensors; extra: further tensors (score.weight) or NULL */
struct pasta_gemma *pasta_gemma_copy(const struct pasta_gemma *g); /* own weights, e.g. a target network */
void pasta_gemma_free(struct pasta_gemma *g);
const struct pasta_gemma_config *pasta_gemma_shape(const struct pasta_gemma *g);
struct pasta_params *pasta_gemma_params(struct pasta_gemma *g);
/* Hidden states after the final norm [B,T,D]. ids, positions i64 [B,T]; bias additive f32 [B,1,T,T] (0 or a large negative number), NULL = causal. Call inside a scope. */
pt pasta_gemma_hidden(const struct pasta_gemma *g, pt ids, pt positions, pt bias);
pt pasta_gemma_logits(const struct pasta_gemma *g, pt hidden); /* tied head */
#endif
