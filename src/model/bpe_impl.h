/* bpe_impl.h: the tokenizer's tables, shared by loading, training, saving and encoding. */
#ifndef PASTA_SRC_BPE_H
#define PASTA_SRC_BPE_H
#include <stdbool.h>
#include "pasta/base/mem.h"
#include "pasta/model/bpe.h"

struct bpe_merge { int32_t left, right, into; }; /* rank = place in the list */

/* Open addressing over a power of two; `at` holds index + 1 into the entries, 0 = empty. */
struct bpe_table { uint32_t *at; size_t mask; };

struct pasta_bpe {
    struct pasta_arena arena; /* the token strings */
    const char **tokens;      /* [n_tokens], NULL in gaps */
    int n_tokens;
    struct bpe_merge *merges; /* [n_merges] */
    int n_merges;
    struct bpe_table by_text, by_pair;
    int32_t byte[2][256];     /* id of a byte's symbol, plain and with </w>; -1: not in the vocabulary */
    int32_t start, end, unknown;
};

#define BPE_START "<|startoftext|>"
#define BPE_END "<|endoftext|>"

struct pasta_bpe *bpe_new(int n_tokens, int n_merges);
/* Fill tokens and merges, then index: byte symbols and special tokens are looked up. `where` names the file in errors. */
void bpe_index_tokens(struct pasta_bpe *bpe);
pasta_status bpe_index_special(struct pasta_bpe *bpe, const char *where, struct pasta_err *err) PASTA_MUST_CHECK;
void bpe_index_merges(struct pasta_bpe *bpe);
/* Rank of a pair, or -1. A pair that is listed twice keeps its first rank, as in the reference. */
int bpe_rank(const struct pasta_bpe *bpe, int32_t left, int32_t right);
/* Ids of one piece of n bytes, which is at most INT32_MAX, in `ids` [n]; returns how many. -1: a byte that is not in the vocabulary. */
size_t bpe_merge_piece(const struct pasta_bpe *bpe, const char *piece, size_t n, int32_t *ids);
int32_t bpe_find(const struct pasta_bpe *bpe, const char *token); /* -1: absent */
#endif
