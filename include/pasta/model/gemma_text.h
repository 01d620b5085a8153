/* gemma_text.h: what a Gemma makes of whole texts: the last token's hidden state, and the log-probability of the text.
 *
 *     struct pasta_gemma_text *t;
 *     pasta_gemma_text_load("models/gemma-2b", "cpu", PT_F32, &t, &err);
 *     pasta_gemma_text_ids(t, "a photo of a cat", &ids, &n, &err);                 // <bos> first
 *     pasta_gemma_text_read(t, 1, (const int64_t *const[]){ids}, &n, hidden, &log_prob, &err);
 *     free(ids);
 *     pasta_gemma_text_free(t);
 *
 * Read-only after loading and safe from several threads. Letters as in gemma.h; V pieces of the vocabulary.
 * Source: transformers modeling_gemma.py (GemmaForCausalLM).
 */
#ifndef PASTA_MODEL_GEMMA_TEXT_H
#define PASTA_MODEL_GEMMA_TEXT_H
#include "pasta/model/gemma.h"
#include "pasta/model/spm.h"

/* tokenizer.model of a folder. A missing or broken one, one of more pieces than the network's vocab_size, or without <bos>:
 * PASTA_ERR_INPUT. */
pasta_status pasta_gemma_tokenizer(const struct pasta_gemma *g, const char *dir, struct pasta_spm **out,
                                   struct pasta_err *err) PASTA_MUST_CHECK;

struct pasta_gemma_text; /* a network and its tokenizer */

/* A folder with config.json, weights (else PASTA_ERR_INPUT: a random network says nothing of texts) and tokenizer.model. */
pasta_status pasta_gemma_text_load(const char *dir, const char *device, pt_dtype dtype, struct pasta_gemma_text **out,
                                   struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_gemma_text_free(struct pasta_gemma_text *t);              /* NULL is legal */
int pasta_gemma_text_dim(const struct pasta_gemma_text *t);          /* D */
int pasta_gemma_text_context(const struct pasta_gemma_text *t);      /* tokens that a text may have, <bos> included */
const char *pasta_gemma_text_hash(const struct pasta_gemma_text *t); /* SHA-256 of weights, config.json and tokenizer.model: 64 digits */

/* Ids of `text`, <bos> first; *ids is malloc'd (caller frees), *n >= 1 its length. More than the context: PASTA_ERR_INPUT, for the
 * log-probability of a part of a text would be none of the text. */
pasta_status pasta_gemma_text_ids(const struct pasta_gemma_text *t, const char *text, int64_t **ids, int *n,
                                  struct pasta_err *err) PASTA_MUST_CHECK;
/* Of `rows` texts, ids[i] of length lengths[i] in 1..context: hidden [rows,D], of the last token after the final norm; log_prob [rows], the
 * sum over tokens 2..n of log p(token | tokens before it), 0 where n = 1. The softmax over the vocabulary is taken in float32, and of few
 * tokens and few pieces at a time: no [tokens,V] is ever stored. Neighbours share a pass, so texts of like length side by side waste
 * least; padded, they give what they give alone within 1e-5 (relative, for log_prob) in float32. */
pasta_status pasta_gemma_text_read(const struct pasta_gemma_text *t, int rows, const int64_t *const *ids, const int *lengths, float *hidden,
                                   double *log_prob, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
