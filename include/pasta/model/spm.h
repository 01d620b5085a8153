/* spm.h: SentencePiece tokenizers (tokenizer.model), as Gemma uses them. Safe from several threads. */
#ifndef PASTA_MODEL_SPM_H
#define PASTA_MODEL_SPM_H
#include "pasta/base/err.h"
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
struct pasta_spm;
pasta_status pasta_spm_load(const char *path, struct pasta_spm **out, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_spm_free(struct pasta_spm *spm);
int pasta_spm_vocab(const struct pasta_spm *spm);
/* Ids of `text` without <bos>; *ids is malloc'd, *n its length. Empty text gives n = 0. */
pasta_status pasta_spm_encode(const struct pasta_spm *spm, const char *text, int64_t **ids, int *n, struct pasta_err *err) PASTA_MUST_CHECK;
#ifdef __cplusplus
}
#endif
#endif
