/* packing.c: rows of histories and candidates, padded on the right to one shape. */
#include "packing.h"

#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void fill_row(struct pasta_pack *pack, const struct pasta_row *row, int64_t b)
{
    const struct pasta_gemma_pack *p = &pack->layout;
    const int64_t T = p->prefix + p->branches * p->width;
    int64_t *ids = pack->ids + b * T, *fork = pack->fork + b * p->branches, *read = pack->read + b * p->reads;
    int64_t branch = 0;
    memcpy(ids, row->prefix, (size_t)row->n_prefix * sizeof *ids);
    for (int f = 0; f < row->n_forks; f++) {
        const struct pasta_fork *at = &row->forks[f];
        if (pack->reads_of_forks)
            read[f] = at->length - 1;
        for (int c = 0; p->branches && c < at->n_candidates; c++, branch++) {
            const int64_t start = p->prefix + branch * p->width;
            memcpy(ids + start, at->candidates[c].ids, (size_t)at->candidates[c].n * sizeof *ids);
            fork[branch] = at->length;
            read[pack->reads_of_forks + branch] = start + at->candidates[c].n - 1;
        }
    }
    for (; branch < p->branches; branch++)
        fork[branch] = 1; /* padding has to see something */
}

void pasta_pack_init(struct pasta_pack *pack, const struct pasta_row *const *rows, int n, enum pasta_pack_reads reads)
{
    int64_t P = 1, N = 0, W = 0, F = 0;
    for (int b = 0; b < n; b++) {
        int64_t candidates = 0;
        P = max_of(P, rows[b]->n_prefix);
        F = max_of(F, rows[b]->n_forks);
        for (int f = 0; f < rows[b]->n_forks; f++) {
            candidates += rows[b]->forks[f].n_candidates;
            for (int c = 0; c < rows[b]->forks[f].n_candidates; c++)
                W = max_of(W, rows[b]->forks[f].candidates[c].n);
        }
        N = max_of(N, candidates);
    }
    if (!(reads & PASTA_PACK_BRANCHES))
        N = W = 0;
    *pack = (struct pasta_pack){.reads_of_forks = reads & PASTA_PACK_FORKS ? F : 0};
    const int64_t R = pack->reads_of_forks + N;
    pack->ids = pasta_calloc((size_t)(n * (P + N * W)), sizeof *pack->ids); /* 0, a valid id, where nothing is written */
    pack->fork = pasta_calloc((size_t)(n * N), sizeof *pack->fork);
    pack->read = pasta_calloc((size_t)(n * R), sizeof *pack->read);
    pack->layout = (struct pasta_gemma_pack){n, P, N, W, R, pack->ids, pack->fork, pack->read};
    for (int b = 0; b < n; b++)
        fill_row(pack, rows[b], b);
}

void pasta_pack_release(struct pasta_pack *pack)
{
    free(pack->read);
    free(pack->fork);
    free(pack->ids);
    *pack = (struct pasta_pack){0};
}

void pasta_row_release(struct pasta_row *row)
{
    for (int f = 0; f < row->n_forks; f++) {
        for (int c = 0; c < row->forks[f].n_candidates; c++)
            pasta_tokens_release(&row->forks[f].candidates[c]);
        free(row->forks[f].candidates);
    }
    free(row->forks);
    free(row->prefix);
    *row = (struct pasta_row){0};
}
