/* bpe.c: encoding with a byte-pair vocabulary, and the tables that it needs. */
#include "bpe_impl.h"

#include <stdlib.h>
#include <string.h>

#include "bpe_text.h"
#include "pasta/base/rng.h"

struct pasta_bpe *bpe_new(int n_tokens, int n_merges)
{
    struct pasta_bpe *bpe = pasta_calloc(1, sizeof *bpe);
    bpe->tokens = pasta_calloc((size_t)n_tokens, sizeof *bpe->tokens);
    bpe->merges = pasta_calloc((size_t)n_merges, sizeof *bpe->merges);
    bpe->n_tokens = n_tokens;
    bpe->n_merges = n_merges;
    return bpe;
}

void pasta_bpe_free(struct pasta_bpe *bpe)
{
    if (!bpe)
        return;
    pasta_arena_release(&bpe->arena);
    free(bpe->tokens);
    free(bpe->merges);
    free(bpe->by_text.at);
    free(bpe->by_pair.at);
    free(bpe);
}

static void table_init(struct bpe_table *t, int n)
{
    size_t size = 16;
    while (size < 2 * (size_t)n)
        size *= 2;
    t->at = pasta_calloc(size, sizeof *t->at);
    t->mask = size - 1;
}

static uint64_t pair_hash(int32_t left, int32_t right)
{
    uint64_t h = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    h = (h ^ h >> 31) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

void bpe_index_tokens(struct pasta_bpe *bpe)
{
    table_init(&bpe->by_text, bpe->n_tokens);
    for (int i = 0; i < bpe->n_tokens; i++) {
        if (!bpe->tokens[i])
            continue;
        size_t slot = pasta_hash64(bpe->tokens[i]) & bpe->by_text.mask;
        while (bpe->by_text.at[slot])
            slot = (slot + 1) & bpe->by_text.mask;
        bpe->by_text.at[slot] = (uint32_t)i + 1;
    }
}

int32_t bpe_find(const struct pasta_bpe *bpe, const char *token)
{
    size_t slot = pasta_hash64(token) & bpe->by_text.mask;
    for (; bpe->by_text.at[slot]; slot = (slot + 1) & bpe->by_text.mask)
        if (strcmp(bpe->tokens[bpe->by_text.at[slot] - 1], token) == 0)
            return (int32_t)bpe->by_text.at[slot] - 1;
    return -1;
}

pasta_status bpe_index_special(struct pasta_bpe *bpe, const char *where, struct pasta_err *err)
{
    for (int b = 0; b < 256; b++) {
        char symbol[8];
        bpe_byte_symbol((uint8_t)b, symbol);
        bpe->byte[0][b] = bpe_find(bpe, symbol);
        strcat(symbol, "</w>");
        bpe->byte[1][b] = bpe_find(bpe, symbol);
    }
    bpe->start = bpe_find(bpe, BPE_START);
    bpe->end = bpe->unknown = bpe_find(bpe, BPE_END);
    if (bpe->start < 0 || bpe->end < 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: expected the tokens " BPE_START " and " BPE_END ", found no %s", where,
                          bpe->start < 0 ? BPE_START : BPE_END);
    return PASTA_OK;
}

int bpe_rank(const struct pasta_bpe *bpe, int32_t left, int32_t right)
{
    size_t slot = pair_hash(left, right) & bpe->by_pair.mask;
    for (; bpe->by_pair.at[slot]; slot = (slot + 1) & bpe->by_pair.mask) {
        const struct bpe_merge *m = &bpe->merges[bpe->by_pair.at[slot] - 1];
        if (m->left == left && m->right == right)
            return (int)bpe->by_pair.at[slot] - 1;
    }
    return -1;
}

void bpe_index_merges(struct pasta_bpe *bpe)
{
    table_init(&bpe->by_pair, bpe->n_merges);
    for (int i = 0; i < bpe->n_merges; i++) {
        if (bpe_rank(bpe, bpe->merges[i].left, bpe->merges[i].right) >= 0)
            continue;
        size_t slot = pair_hash(bpe->merges[i].left, bpe->merges[i].right) & bpe->by_pair.mask;
        while (bpe->by_pair.at[slot])
            slot = (slot + 1) & bpe->by_pair.mask;
        bpe->by_pair.at[slot] = (uint32_t)i + 1;
    }
}

int pasta_bpe_vocab(const struct pasta_bpe *bpe)
{
    return bpe->n_tokens;
}

int64_t pasta_bpe_start(const struct pasta_bpe *bpe)
{
    return bpe->start;
}

int64_t pasta_bpe_end(const struct pasta_bpe *bpe)
{
    return bpe->end;
}

const char *pasta_bpe_token(const struct pasta_bpe *bpe, int64_t id)
{
    return id >= 0 && id < bpe->n_tokens ? bpe->tokens[id] : NULL;
}

struct id_list { int64_t *ids; int n, max; };

static void put_id(struct id_list *list, int64_t id)
{
    if (list->n < list->max)
        list->ids[list->n++] = id;
}

static pasta_status encode_plain(const struct pasta_bpe *bpe, const char *text, size_t length, struct id_list *list, struct pasta_err *err)
{
    struct pasta_str clean = {0};
    if (bpe_clean(text, length, &clean, err) != PASTA_OK) {
        pasta_str_release(&clean);
        return PASTA_ERR_INPUT;
    }
    int32_t *word = pasta_malloc((clean.length + 1) * sizeof *word);
    const char *piece;
    size_t position = 0, n;
    while (list->n < list->max && bpe_next_piece(&clean, &position, &piece, &n)) {
        n = bpe_merge_piece(bpe, piece, n, word);
        for (size_t i = 0; i < n; i++)
            put_id(list, word[i] < 0 ? bpe->unknown : word[i]);
    }
    free(word);
    pasta_str_release(&clean);
    return PASTA_OK;
}

/* The first special token in `text`, or its end; *id tells which (-1: none) and *length how long it is. */
static const char *next_special(const struct pasta_bpe *bpe, const char *text, int64_t *id, size_t *length)
{
    const char *start = strstr(text, BPE_START), *end = strstr(text, BPE_END);
    bool is_start = start && (!end || start < end);
    *id = is_start ? bpe->start : end ? bpe->end : -1;
    *length = is_start ? strlen(BPE_START) : end ? strlen(BPE_END) : 0;
    return is_start ? start : end ? end : text + strlen(text);
}

pasta_status pasta_bpe_encode(const struct pasta_bpe *bpe, const char *text, int max, int64_t *ids, int *n, struct pasta_err *err)
{
    struct id_list list = {ids, 0, max - 1}; /* the last place is the end token's */
    if (!pasta_utf8_valid(text, strlen(text)))
        return pasta_fail(err, PASTA_ERR_INPUT, "text '%.60s': expected UTF-8, found other bytes", text);
    put_id(&list, bpe->start);
    for (int64_t id = 0; id >= 0 && list.n < list.max;) {
        size_t length;
        const char *special = next_special(bpe, text, &id, &length);
        pasta_status status = encode_plain(bpe, text, (size_t)(special - text), &list, err);
        if (status != PASTA_OK)
            return status;
        if (id >= 0)
            put_id(&list, id);
        text = special + length;
    }
    list.ids[list.n++] = bpe->end;
    *n = list.n;
    return PASTA_OK;
}
