/* bpe_merge.c: merging the byte symbols of one piece.
 *
 * The reference works in rounds: find the pair with the lowest rank, merge all its occurrences from left to right, look again. Pairs
 * that a round makes are seen from the next one on. A heap of (rank, place) does the same in n log n: a word of a million letters is
 * no reason to wait for days.
 */
#include <stdlib.h>

#include "bpe_impl.h"

enum { GONE = -2 }; /* a symbol that has become part of the one before it */

/* The piece as a list of symbols, each at the place of its first byte; n stands for no symbol. */
struct word {
    const struct pasta_bpe *bpe;
    int32_t *ids, *next, *before;
    uint64_t *heap; /* rank << 32 | place; an entry is stale when the pair at its place has another rank by now */
    size_t n, heap_n;
};

static void heap_push(struct word *w, uint64_t entry)
{
    size_t i = w->heap_n++;
    for (; i && w->heap[(i - 1) / 2] > entry; i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = entry;
}

static uint64_t heap_pop(struct word *w)
{
    uint64_t top = w->heap[0], last = w->heap[--w->heap_n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->heap_n; i = child) {
        child += child + 1 < w->heap_n && w->heap[child + 1] < w->heap[child];
        if (w->heap[child] >= last)
            break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return top;
}

/* Rank of the symbol at `place` with the next one; -1 where there is no such pair. */
static int rank_at(const struct word *w, size_t place)
{
    size_t next = (size_t)w->next[place];
    return next < w->n ? bpe_rank(w->bpe, w->ids[place], w->ids[next]) : -1;
}

static void offer(struct word *w, size_t place)
{
    int rank = rank_at(w, place);
    if (rank >= 0)
        heap_push(w, (uint64_t)rank << 32 | place);
}

/* Merges every pair of the lowest rank; `changed` [2n] gets the places whose pairs are new. Returns how many. */
static size_t merge_round(struct word *w, int32_t *changed)
{
    const uint64_t rank = w->heap[0] >> 32;
    size_t n = 0;
    while (w->heap_n && w->heap[0] >> 32 == rank) {
        size_t place = (uint32_t)heap_pop(w);
        if (rank_at(w, place) != (int)rank)
            continue;
        size_t gone = (size_t)w->next[place];
        w->ids[place] = w->bpe->merges[rank].into;
        w->ids[gone] = GONE;
        w->next[place] = w->next[gone];
        if ((size_t)w->next[place] < w->n)
            w->before[w->next[place]] = (int32_t)place;
        if (place)
            changed[n++] = w->before[place];
        changed[n++] = (int32_t)place;
    }
    return n;
}

size_t bpe_merge_piece(const struct pasta_bpe *bpe, const char *piece, size_t n, int32_t *ids)
{
    /* a merge takes one symbol away and makes at most two pairs: no more than 3 n entries ever */
    int32_t *links = pasta_malloc(4 * n * sizeof *links), *changed = links + 2 * n;
    struct word w = {bpe, ids, links, links + n, pasta_malloc(3 * n * sizeof *w.heap), n, 0};
    for (size_t i = 0; i < n; i++) {
        ids[i] = bpe->byte[i + 1 == n][(uint8_t)piece[i]];
        w.next[i] = (int32_t)i + 1;
        w.before[i] = (int32_t)i - 1;
    }
    for (size_t i = 0; i < n; i++)
        offer(&w, i);
    while (w.heap_n) {
        size_t n_changed = merge_round(&w, changed);
        for (size_t i = 0; i < n_changed; i++)
            if (ids[changed[i]] != GONE)
                offer(&w, (size_t)changed[i]);
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i = (size_t)w.next[i])
        ids[kept++] = ids[i];
    free(w.heap);
    free(links);
    return kept;
}
