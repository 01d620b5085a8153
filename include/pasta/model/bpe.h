/* bpe.h: CLIP's tokenizer, a byte-level byte-pair encoding whose word-final symbols end in `</w>`.
 *
 * Text is cleaned (Unicode NFC, runs of white space to one space, lower case) and cut into contractions ('s 't 're 've 'm 'll 'd),
 * runs of letters, single number characters and runs of anything else that is not white space. Each piece becomes byte symbols, the
 * last one with `</w>`, which are merged pair by pair, lowest rank first. The special tokens <|startoftext|> and <|endoftext|> in a
 * text stay whole.
 *
 *     int64_t ids[77]; int n;
 *     pasta_bpe_encode(bpe, "a photo of a cat", 77, ids, &n, &err);   // 49406 320 1125 539 320 2368 49407
 *
 * A tokenizer is read-only after loading and safe from several threads.
 * Source: transformers tokenization_clip.py and its fast twin's tokenizer.json; Sennrich et al., ACL 2016.
 */
#ifndef PASTA_MODEL_BPE_H
#define PASTA_MODEL_BPE_H
#include <stddef.h>
#include <stdint.h>
#include "pasta/base/err.h"

struct pasta_bpe;

/* Reads vocab.json and merges.txt of a model folder or, where vocab.json is absent, tokenizer.json. */
pasta_status pasta_bpe_load(const char *dir, struct pasta_bpe **out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Learns a vocabulary of exactly `vocab` entries (or fewer when the texts hold no further pair that occurs twice) in CLIP's order:
 * 256 bytes, the same with `</w>`, the merges, the two special tokens. Ties go to the pair whose symbols come first in byte order:
 * same texts, same vocabulary. */
pasta_status pasta_bpe_train(const char *const *texts, size_t n, int vocab, struct pasta_bpe **out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Writes vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json; `context` is the model's number of text positions. */
pasta_status pasta_bpe_save(const struct pasta_bpe *bpe, const char *dir, int context, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_bpe_free(struct pasta_bpe *bpe); /* NULL is legal */

int pasta_bpe_vocab(const struct pasta_bpe *bpe); /* number of ids: the largest one plus 1 */
int64_t pasta_bpe_start(const struct pasta_bpe *bpe);
int64_t pasta_bpe_end(const struct pasta_bpe *bpe);
const char *pasta_bpe_token(const struct pasta_bpe *bpe, int64_t id); /* NULL where the vocabulary has a gap */

/* Start token, ids of `text`, end token, cut to `max` (at least 2) entries with the end token kept. ids [max]. Text that is not UTF-8
 * is PASTA_ERR_INPUT. */
pasta_status pasta_bpe_encode(const struct pasta_bpe *bpe, const char *text, int max, int64_t *ids, int *n,
                              struct pasta_err *err) PASTA_MUST_CHECK;
#endif
