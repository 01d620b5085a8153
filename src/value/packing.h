/* packing.h: histories and candidates laid out for Gemma's packed pass.
 *
 * A row is the longest history needed and, at each fork (a history of fewer turns, a beginning of it), the candidates whose f is wanted
 * there. V is read at the forks themselves.
 *
 *     pasta_pack_init(&pack, rows, n, PASTA_PACK_BRANCHES);
 *     pt hidden = pasta_gemma_packed(g, &pack.layout);        // [B,R,D]; reads of fork i, candidate j: pasta_pack_read
 *     pasta_pack_release(&pack);
 */
#ifndef PASTA_SRC_VALUE_PACKING_H
#define PASTA_SRC_VALUE_PACKING_H
#include "pasta/model/gemma.h"
#include "pasta/value/history.h"

struct pasta_fork {
    int length;                     /* prefix tokens of this history, >= 1 */
    int n_candidates;               /* 0: V only */
    struct pasta_tokens *candidates; /* [n_candidates] */
};
struct pasta_row {
    int n_prefix;
    int64_t *prefix;                /* [n_prefix], the history of the longest fork */
    int n_forks;
    struct pasta_fork *forks;
};
enum pasta_pack_reads { PASTA_PACK_FORKS = 1, PASTA_PACK_BRANCHES = 2 };
struct pasta_pack {
    struct pasta_gemma_pack layout;
    int64_t *ids, *fork, *read;     /* owned; layout points to them */
    int64_t reads_of_forks;         /* reads 0..this-1 of a row are its forks, the others its candidates in order */
};
/* Lays out n rows (borrowed until the call returns). Without PASTA_PACK_BRANCHES no candidate is laid out at all. */
void pasta_pack_init(struct pasta_pack *pack, const struct pasta_row *const *rows, int n, enum pasta_pack_reads reads);
void pasta_pack_release(struct pasta_pack *pack);
void pasta_row_release(struct pasta_row *row); /* frees what it points to */
#endif
