/* history.c: the template of history.h, and its tokens. */
#include "pasta/value/history.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pasta/base/mem.h"

/* --- words that two prompts share --------------------------------------------------------------------------------- */

struct word { const char *text; int length; const char *core; int core_length; }; /* core: without punctuation at its ends */
enum { MAX_WORDS = 512 }; /* of a prompt; further ones are dropped */

static int split_words(const char *text, struct word *words)
{
    int n = 0;
    while (n < MAX_WORDS) {
        text += strspn(text, " \t\r\n");
        if (!*text)
            break;
        struct word w = {.text = text, .length = (int)strcspn(text, " \t\r\n")};
        w.core = w.text;
        w.core_length = w.length;
        while (w.core_length > 1 && ispunct((unsigned char)*w.core))
            w.core++, w.core_length--;
        while (w.core_length > 1 && ispunct((unsigned char)w.core[w.core_length - 1]))
            w.core_length--;
        words[n++] = w;
        text += w.length;
    }
    return n;
}

static bool same_word(const struct word *a, const struct word *b)
{
    return a->core_length == b->core_length && strncasecmp(a->core, b->core, (size_t)a->core_length) == 0;
}

void pasta_history_shorten(const char *prompt, const char *base, struct pasta_str *out)
{
    struct word *a = pasta_malloc(2 * MAX_WORDS * sizeof *a), *b = a + MAX_WORDS;
    const int n = split_words(prompt, a), m = split_words(base, b);
    /* longest[i][j]: length of the longest common subsequence of a[i..] and b[j..] */
    uint16_t *longest = pasta_calloc((size_t)(n + 1) * (size_t)(m + 1), sizeof *longest);
#define LONGEST(i, j) longest[(i) * (m + 1) + (j)]
    for (int i = n - 1; i >= 0; i--)
        for (int j = m - 1; j >= 0; j--) {
            const uint16_t skip = LONGEST(i + 1, j) > LONGEST(i, j + 1) ? LONGEST(i + 1, j) : LONGEST(i, j + 1);
            LONGEST(i, j) = same_word(&a[i], &b[j]) ? (uint16_t)(LONGEST(i + 1, j + 1) + 1) : skip;
        }
    bool kept = false, first = true;
    for (int i = 0, j = 0; i < n; i++) {
        while (j < m && LONGEST(i, j + 1) == LONGEST(i, j) && !same_word(&a[i], &b[j]))
            j++;
        const bool common = j < m && same_word(&a[i], &b[j]);
        if (!first && !(common && kept))
            pasta_str_addc(out, ' ');
        if (common) {
            if (!kept)
                pasta_str_addc(out, '~');
            j++;
        } else {
            pasta_str_addn(out, a[i].text, (size_t)a[i].length);
        }
        kept = common;
        first = false;
    }
#undef LONGEST
    free(longest);
    free(a);
}

/* --- text ---------------------------------------------------------------------------------------------------------- */

/* The prompt that the columns of `turn` grew from. */
static const char *base_prompt(const struct pasta_session *s, int turn)
{
    for (int t = turn - 1; t >= 0; t--)
        if (s->turns[t].choice >= 0)
            return s->turns[t].columns[s->turns[t].choice].prompt;
    return s->initial_prompt;
}

static void put_prompt(const struct pasta_session *session, struct pasta_str *out)
{
    pasta_str_add(out, "prompt: ");
    for (const char *c = session->initial_prompt; *c; c++) /* a line break would be read as the end of the line */
        pasta_str_addc(out, *c == '\n' || *c == '\r' ? ' ' : *c);
    pasta_str_addc(out, '\n');
}

static void put_question(const struct pasta_session *session, int turn, enum pasta_category category, const char *prompt,
                         struct pasta_str *out)
{
    pasta_str_printf(out, " %s ", pasta_category_names[category]);
    pasta_history_shorten(prompt, base_prompt(session, turn), out);
    pasta_str_add(out, " ?");
}

/* Rating and comparison, each where there is one. */
static void put_outcome(const struct pasta_turn *t, struct pasta_str *out)
{
    static const char *const versus[] = {[PASTA_VERSUS_NONE] = "", [PASTA_WORSE] = " worse", [PASTA_SAME] = " same",
                                         [PASTA_BETTER] = " better"};
    if (!isnan(t->rating))
        pasta_str_printf(out, " %.0f", t->rating);
    pasta_str_add(out, versus[t->versus]);
}

static void put_turn(const struct pasta_session *session, int turn, struct pasta_str *out)
{
    const struct pasta_turn *t = &session->turns[turn];
    for (int l = 0; l < t->n_columns; l++) {
        put_question(session, turn, t->columns[l].category, t->columns[l].prompt, out);
        pasta_str_add(out, l == t->choice ? " yes" : " no");
    }
    put_outcome(t, out);
    pasta_str_addc(out, '\n');
}

void pasta_history_text(const struct pasta_session *session, int n_turns, const struct pasta_candidate *candidate, struct pasta_str *out)
{
    put_prompt(session, out);
    for (int turn = 0; turn < n_turns; turn++)
        put_turn(session, turn, out);
    if (candidate)
        put_question(session, n_turns, candidate->category, candidate->prompt, out);
}

/* --- tokens -------------------------------------------------------------------------------------------------------- */

void pasta_tokens_release(struct pasta_tokens *t)
{
    free(t->ids);
    *t = (struct pasta_tokens){0};
}

pasta_status pasta_history_init(struct pasta_history *h, const struct pasta_spm *spm, const struct pasta_session *session, int n_turns,
                                struct pasta_err *err)
{
    struct pasta_history made = {.bos = pasta_spm_bos(spm), .turns = pasta_calloc((size_t)n_turns, sizeof *made.turns)};
    struct pasta_str text = {0};
    put_prompt(session, &text);
    pasta_status st = pasta_spm_encode(spm, text.data, &made.prompt.ids, &made.prompt.n, err);
    while (st == PASTA_OK && made.n_turns < n_turns) {
        struct pasta_tokens *turn = &made.turns[made.n_turns];
        pasta_str_clear(&text);
        put_turn(session, made.n_turns++, &text);
        st = pasta_spm_encode(spm, text.data, &turn->ids, &turn->n, err);
    }
    pasta_str_release(&text);
    if (st == PASTA_OK)
        *h = made;
    else
        pasta_history_release(&made);
    return st;
}

void pasta_history_release(struct pasta_history *h)
{
    for (int t = 0; t < h->n_turns; t++)
        pasta_tokens_release(&h->turns[t]);
    free(h->turns);
    pasta_tokens_release(&h->prompt);
    *h = (struct pasta_history){0};
}

/* Copies at most `limit` tokens, the last one of all among them: that is where values are read. `out` may be `ids`. */
static int cut(const int64_t *ids, int n, int limit, int64_t *out)
{
    const int kept = n < limit ? n : limit;
    const int64_t last = ids[n - 1];
    memmove(out, ids, (size_t)kept * sizeof *out);
    out[kept - 1] = last;
    return kept;
}

pasta_status pasta_history_candidate(const struct pasta_spm *spm, const struct pasta_session *session, int n_turns,
                                     const struct pasta_candidate *candidate, int limit, struct pasta_tokens *tokens, struct pasta_err *err)
{
    struct pasta_str text = {0};
    struct pasta_tokens made = {0};
    put_question(session, n_turns, candidate->category, candidate->prompt, &text);
    pasta_status st = pasta_spm_encode(spm, text.data, &made.ids, &made.n, err);
    pasta_str_release(&text);
    if (st == PASTA_OK) {
        made.n = cut(made.ids, made.n, limit, made.ids);
        *tokens = made;
    }
    return st;
}

int pasta_history_first(const struct pasta_history *h, int n_turns, int room)
{
    int first = n_turns, used = 1 + h->prompt.n;
    while (first > 0 && used + h->turns[first - 1].n <= room)
        used += h->turns[--first].n;
    return first;
}

int pasta_history_write(const struct pasta_history *h, int first, int n_turns, int room, int64_t *ids)
{
    assert(room >= 2 && n_turns <= h->n_turns);
    int n = 1;
    ids[0] = h->bos;
    n += cut(h->prompt.ids, h->prompt.n, room - 1, ids + 1);
    for (int t = first; t < n_turns; t++) {
        const struct pasta_tokens *turn = &h->turns[t];
        memcpy(ids + n, turn->ids, (size_t)turn->n * sizeof *ids);
        n += turn->n;
    }
    assert(n <= room);
    return n;
}
