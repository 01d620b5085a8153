/* gemma.h: Gemma in the Hugging Face layout, at any size.
 *
 * RMSNorm (1 + w), RoPE (rotate-half), grouped-query attention, GeGLU, embedding scaled by sqrt(D) in the model's dtype, tied head.
 *
 *     pasta_gemma_load(dir, "cpu", PT_F32, seed, &initialised, &g, &err);
 *     pt_scope_open();
 *     pt hidden = pasta_gemma_packed(g, &pack);      // [B,R,D]
 *     ...
 *     status = pt_scope_close(&err);
 *     pasta_gemma_free(g);
 *
 * Forward passes read the weights only: several threads may run them at once. Further letters here: I inner width of the
 * MLP, h query heads, g key heads, d width of a head, P prefix tokens, N branches, W tokens of a branch, R tokens read out.
 * Source: transformers modeling_gemma.py (GemmaModel, GemmaForSequenceClassification); Gemma Team, arXiv 2403.08295.
 */
#ifndef PASTA_MODEL_GEMMA_H
#define PASTA_MODEL_GEMMA_H
#include <stdint.h>
#include "pasta/tensor/params.h"
struct pasta_gemma_config {
    int64_t vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim;
    int64_t max_position_embeddings;
    double rms_norm_eps, rope_theta;
    double initializer_range; /* s.d. of the random start, where a folder has no weights */
    bool matching_start;      /* config.json's own key pasta_start: "matching" instead of "normal" (gemma_init.c) */
    int64_t pad_token_id, eos_token_id, bos_token_id;
};
struct pasta_gemma; /* weights and shape */

/* Loads config.json and the weights of a folder, names with or without their "model." prefix; without weights the network is
 * initialised at random from `seed` (gemma_init.c: matrices N(0, initializer_range), row of the padding token and norms 0).
 * *initialised tells which. A missing or contradictory config.json, another generation of Gemma, missing tensors: PASTA_ERR_INPUT. */
pasta_status pasta_gemma_load(const char *dir, const char *device, pt_dtype dtype, uint64_t seed, bool *initialised,
                              struct pasta_gemma **out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Writes config.json and model.safetensors into an existing folder; `architecture` is the name for config.json, extra: further
 * tensors (score.weight) or NULL. */
pasta_status pasta_gemma_save(const struct pasta_gemma *g, const char *dir, const char *architecture, const struct pasta_params *extra,
                              struct pasta_err *err) PASTA_MUST_CHECK;
struct pasta_gemma *pasta_gemma_copy(const struct pasta_gemma *g); /* own weights, e.g. a target network */
void pasta_gemma_free(struct pasta_gemma *g); /* NULL is legal */
const struct pasta_gemma_config *pasta_gemma_shape(const struct pasta_gemma *g);
const char *pasta_gemma_device(const struct pasta_gemma *g);
struct pasta_params *pasta_gemma_params(struct pasta_gemma *g); /* in the names of the published checkpoints */

/* Many continuations of shared prefixes in one pass. Every row is a prefix of P tokens followed by N branches of W tokens each. A prefix
 * token sees the prefix up to itself. A token of branch n sees the first fork[n] prefix tokens and its own branch up to itself, at
 * positions that continue from fork[n]: as if the branch had been run alone after that much of the prefix. Rows with shorter
 * prefixes, fewer or shorter branches are padded on the right with any valid id; padding is seen by padding only. */
struct pasta_gemma_pack {
    int64_t rows, prefix, branches, width, reads; /* B, P, N, W, R; N may be 0 */
    const int64_t *ids;  /* [B,P+N*W] */
    const int64_t *fork; /* [B,N], 1..P */
    const int64_t *read; /* [B,R], index into the row: the tokens whose hidden states are wanted; NULL: all, and R = P + N*W */
};
/* Hidden states after the final norm of the tokens read out [B,R,D]; the last layer computes no others. Equal within 1e-5 to those of the
 * branches run one by one, each after its prefix as a plain sequence (N = 0). Call inside a scope. */
pt pasta_gemma_packed(const struct pasta_gemma *g, const struct pasta_gemma_pack *pack);
#endif
