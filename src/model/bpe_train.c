/* bpe_train.c: learns a byte-pair vocabulary from texts.
 *
 * The words of the texts are counted once; then the most frequent pair of neighbouring symbols becomes a symbol, until the vocabulary
 * is full. Source: Sennrich, Haddow & Birch, ACL 2016, algorithm 1.
 */
#include <stdlib.h>
#include <string.h>

#include "bpe_impl.h"
#include "bpe_text.h"

struct word { int32_t *ids; int n; int64_t count; };
struct words { struct word *items; size_t n, capacity; };
struct piece { const char *text; size_t length; };
struct pair_count { int32_t left, right; int64_t count; };
struct pair_counts { struct pair_count *at; size_t mask; };

static int compare_pieces(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    size_t shorter = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->text, y->text, shorter);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* The distinct pieces of the texts in byte order, as byte symbols, with their counts. */
static pasta_status count_words(const struct pasta_bpe *bpe, const char *const *texts, size_t n, struct words *words, struct pasta_err *err)
{
    struct pasta_str *clean = pasta_calloc(n, sizeof *clean);
    struct piece *pieces = NULL;
    size_t n_pieces = 0, capacity = 0;
    pasta_status status = PASTA_OK;
    for (size_t i = 0; i < n && status == PASTA_OK; i++) {
        struct piece p;
        size_t position = 0;
        status = bpe_clean(texts[i], strlen(texts[i]), &clean[i], err);
        while (status == PASTA_OK && bpe_next_piece(&clean[i], &position, &p.text, &p.length)) {
            PASTA_GROW(pieces, n_pieces + 1, capacity);
            pieces[n_pieces++] = p;
        }
    }
    if (n_pieces)
        qsort(pieces, n_pieces, sizeof *pieces, compare_pieces); /* equal pieces are the same word: ties do not matter */
    for (size_t i = 0; i < n_pieces && status == PASTA_OK; i++) {
        if (i > 0 && compare_pieces(&pieces[i - 1], &pieces[i]) == 0) {
            words->items[words->n - 1].count++;
            continue;
        }
        PASTA_GROW(words->items, words->n + 1, words->capacity);
        struct word *w = &words->items[words->n++];
        *w = (struct word){pasta_malloc(pieces[i].length * sizeof *w->ids), (int)pieces[i].length, 1};
        for (int b = 0; b < w->n; b++)
            w->ids[b] = bpe->byte[b + 1 == w->n][(uint8_t)pieces[i].text[b]];
    }
    for (size_t i = 0; i < n; i++)
        pasta_str_release(&clean[i]);
    free(clean);
    free(pieces);
    return status;
}

static struct pair_count *pair_slot(const struct pair_counts *t, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    size_t slot = (h ^ h >> 32) & t->mask;
    while (t->at[slot].count && (t->at[slot].left != left || t->at[slot].right != right))
        slot = (slot + 1) & t->mask;
    return &t->at[slot];
}

/* Whether pair a comes before pair b where both occur equally often. */
static bool comes_first(const struct pasta_bpe *bpe, const struct pair_count *a, const struct pair_count *b)
{
    int order = strcmp(bpe->tokens[a->left], bpe->tokens[b->left]);
    return order < 0 || (order == 0 && strcmp(bpe->tokens[a->right], bpe->tokens[b->right]) < 0);
}

/* The pair that occurs most often; false if none occurs twice. */
static bool best_pair(const struct pasta_bpe *bpe, const struct words *words, struct pair_counts *t, struct pair_count *best)
{
    memset(t->at, 0, (t->mask + 1) * sizeof *t->at);
    for (size_t w = 0; w < words->n; w++)
        for (int i = 0; i + 1 < words->items[w].n; i++) {
            struct pair_count *p = pair_slot(t, words->items[w].ids[i], words->items[w].ids[i + 1]);
            p->left = words->items[w].ids[i];
            p->right = words->items[w].ids[i + 1];
            p->count += words->items[w].count;
        }
    *best = (struct pair_count){0, 0, 1};
    for (size_t s = 0; s <= t->mask; s++)
        if (t->at[s].count > best->count || (t->at[s].count == best->count && best->count > 1 && comes_first(bpe, &t->at[s], best)))
            *best = t->at[s];
    return best->count > 1;
}

static void merge_everywhere(struct words *words, int32_t left, int32_t right, int32_t into)
{
    for (size_t w = 0; w < words->n; w++) {
        struct word *word = &words->items[w];
        int kept = 0;
        for (int i = 0; i < word->n; kept++) {
            bool here = i + 1 < word->n && word->ids[i] == left && word->ids[i + 1] == right;
            word->ids[kept] = here ? into : word->ids[i];
            i += here ? 2 : 1;
        }
        word->n = kept;
    }
}

/* The 512 byte symbols in OpenAI's order, before any merge. */
static void add_bytes(struct pasta_bpe *bpe)
{
    for (int final = 0; final < 2; final++)
        for (int place = 0; place < 256; place++) {
            uint8_t byte = bpe_byte_at(place);
            char symbol[3];
            bpe_byte_symbol(byte, symbol);
            bpe->tokens[256 * final + place] = pasta_arena_printf(&bpe->arena, "%s%s", symbol, final ? "</w>" : "");
            bpe->byte[final][byte] = 256 * final + place;
        }
}

/* The id of a symbol; two merges may lead to the same one ("ab" + "c", "a" + "bc"). */
static int32_t token_of(struct pasta_bpe *bpe, const char *symbol)
{
    for (int i = 0; i < bpe->n_tokens; i++)
        if (strcmp(bpe->tokens[i], symbol) == 0)
            return i;
    bpe->tokens[bpe->n_tokens] = symbol;
    return bpe->n_tokens++;
}

/* Merges until there are `wanted` tokens. */
static void learn_merges(struct pasta_bpe *bpe, struct words *words, int wanted)
{
    struct pair_counts table = {0};
    size_t pairs = 0, size = 16;
    for (size_t w = 0; w < words->n; w++)
        pairs += (size_t)words->items[w].n;
    while (size < 2 * pairs)
        size *= 2;
    table.at = pasta_calloc(size, sizeof *table.at);
    table.mask = size - 1;
    struct pair_count best;
    size_t capacity = 0;
    while (bpe->n_tokens < wanted && best_pair(bpe, words, &table, &best)) {
        int32_t into = token_of(bpe, pasta_arena_printf(&bpe->arena, "%s%s", bpe->tokens[best.left], bpe->tokens[best.right]));
        PASTA_GROW(bpe->merges, (size_t)bpe->n_merges + 1, capacity);
        bpe->merges[bpe->n_merges++] = (struct bpe_merge){best.left, best.right, into};
        merge_everywhere(words, best.left, best.right, into);
    }
    free(table.at);
}

pasta_status pasta_bpe_train(const char *const *texts, size_t n, int vocab, struct pasta_bpe **out, struct pasta_err *err)
{
    if (vocab < 512 + 2)
        return pasta_fail(err, PASTA_ERR_USAGE, "vocabulary size %d: expected at least 514, for 512 byte symbols and two special tokens",
                          vocab);
    struct words words = {0};
    struct pasta_bpe *bpe = bpe_new(vocab, 0);
    add_bytes(bpe);
    bpe->n_tokens = 512;
    pasta_status status = count_words(bpe, texts, n, &words, err);
    if (status == PASTA_OK) {
        learn_merges(bpe, &words, vocab - 2);
        bpe->tokens[bpe->n_tokens++] = BPE_START;
        bpe->tokens[bpe->n_tokens++] = BPE_END;
        bpe_index_tokens(bpe);
        bpe_index_merges(bpe);
        status = bpe_index_special(bpe, "trained vocabulary", err);
    }
    for (size_t w = 0; w < words.n; w++)
        free(words.items[w].ids);
    free(words.items);
    if (status == PASTA_OK)
        *out = bpe;
    else
        pasta_bpe_free(bpe);
    return status;
}
