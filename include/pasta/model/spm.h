/* spm.h: SentencePiece tokenizers (tokenizer.model), as Gemma uses them.
 *
 *     struct pasta_spm *spm;
 *     pasta_spm_load("models/gemma/tokenizer.model", &spm, &err);
 *     pasta_spm_encode(spm, "a photo of a cat", &ids, &n, &err);   // without <bos>
 *     free(ids);
 *     pasta_spm_free(spm);
 *
 * Read-only after loading and safe from several threads. Text is taken as text: the names of special tokens in it
 * (`<bos>`) are encoded like any other characters. The ids of the special tokens are those that the file names.
 * Source: google/sentencepiece; the C++ library is linked by libpasta-spm.so alone (src/model/spm_module.h).
 */
#ifndef PASTA_MODEL_SPM_H
#define PASTA_MODEL_SPM_H
#include "pasta/base/err.h"
#include "pasta/base/str.h"
#include <stdint.h>
struct pasta_spm;
/* A missing or broken file is PASTA_ERR_INPUT naming it. */
pasta_status pasta_spm_load(const char *path, struct pasta_spm **out, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_spm_free(struct pasta_spm *spm); /* NULL is legal */
int pasta_spm_vocab(const struct pasta_spm *spm); /* number of pieces: ids are below it */
int pasta_spm_bos(const struct pasta_spm *spm);   /* id of <bos>, -1 where the model has none */
/* Ids of `text` without <bos>; *ids is malloc'd (caller frees), *n its length. Empty text gives n = 0. */
pasta_status pasta_spm_encode(const struct pasta_spm *spm, const char *text, int64_t **ids, int *n, struct pasta_err *err) PASTA_MUST_CHECK;
/* Appends what tokenizer_config.json calls added_tokens_decoder, of the special and the user-defined pieces in the bytes of a
 * tokenizer.model that loads: without it transformers takes the latter apart. */
void pasta_spm_added_tokens(const struct pasta_str *model, struct pasta_str *out);
#endif
