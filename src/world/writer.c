/* writer.c: drafts of prompts, and enough English to write them. */
#include "writer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void sketch_draft_set(struct sketch_draft *d, int kind, int value, const char *text)
{
    int at = 0;
    while (at < d->n && d->clause[at].kind != kind)
        at++;
    if (at == d->n) {
        if (d->n == SKETCH_MAX_CLAUSES) {
            memmove(d->clause, d->clause + 1, (SKETCH_MAX_CLAUSES - 1) * sizeof *d->clause);
            d->n--;
            at--;
        }
        d->n++;
    }
    d->clause[at] = (struct sketch_clause){kind, value, text};
}

const struct sketch_clause *sketch_draft_find(const struct sketch_draft *d, int kind)
{
    for (int i = 0; i < d->n; i++)
        if (d->clause[i].kind == kind)
            return &d->clause[i];
    return NULL;
}

int sketch_count_words(const char *text)
{
    int n = 0;
    for (bool inside = false; *text; text++) {
        bool space = isspace((unsigned char)*text) != 0;
        n += !space && !inside;
        inside = !space;
    }
    return n;
}

int sketch_count_pieces(const char *text)
{
    int n = 1;
    for (const char *p = text; (p = strstr(p, ", ")) != NULL; p += 2)
        n++;
    return n;
}

const char *sketch_truncate(const char *text, int n, struct pasta_arena *arena)
{
    char *copy = pasta_arena_strdup(arena, text), *end = copy;
    int words = 0;
    for (bool inside = false; *end; end++) {
        bool space = isspace((unsigned char)*end) != 0;
        if (!space && !inside && ++words > n)
            break;
        inside = !space;
    }
    while (end > copy && (isspace((unsigned char)end[-1]) || strchr(".,;:!?", end[-1]) != NULL))
        end--;
    *end = '\0';
    return copy;
}

/* What a clause says, if it is one that the lexicon wrote. */
static struct sketch_clause understand(const struct sketch_lexicon *l, const char *piece)
{
    struct sketch_clause clause = {-1, 0, piece};
    struct sketch_text text;
    const struct sketch_meaning *m = NULL;
    bool plural;
    sketch_text_split(piece, &text);
    if (text.n > 0 && sketch_match(l, &text, 0, &m, &plural) == text.n) {
        for (; m != NULL && clause.kind < 0; m = m->next)
            if (m->kind == SKETCH_NEUTRAL)
                clause.kind = SKETCH_QUALITY;
            else if (m->kind >= SKETCH_COUNT && m->kind < SKETCH_KINDS)
                clause.kind = m->kind, clause.value = m->value;
    } else if (text.n > 2 && strcmp(text.words[0].text, "with") == 0 && sketch_match(l, &text, 2, &m, &plural) == text.n - 2) {
        m = sketch_meaning_of(m, SKETCH_SUBJECT); /* "with a dog" */
        if (m != NULL)
            clause.kind = SKETCH_SECOND, clause.value = m->value;
    }
    sketch_text_release(&text);
    return clause;
}

void sketch_draft_parse(const struct sketch_lexicon *l, const char *prompt, int core_pieces, struct pasta_arena *arena,
                        struct sketch_draft *out)
{
    char *copy = pasta_arena_strdup(arena, prompt), *at = copy;
    *out = (struct sketch_draft){.core = copy};
    for (int i = 0; at != NULL; i++) {
        char *comma = strstr(at, ", ");
        if (i + 1 >= core_pieces && comma != NULL)
            *comma = '\0';
        if (i >= core_pieces) {
            struct sketch_clause c = understand(l, at);
            if (c.kind >= 0) {
                sketch_draft_set(out, c.kind, c.value, c.text);
            } else if (out->n < SKETCH_MAX_CLAUSES) {
                out->clause[out->n++] = c;
            }
        }
        at = comma == NULL ? NULL : comma + 2;
    }
}

const char *sketch_draft_text(struct sketch_draft *d, int max_words, struct pasta_arena *arena)
{
    int words = sketch_count_words(d->core);
    for (int i = 0; i < d->n; i++)
        words += sketch_count_words(d->clause[i].text);
    while (d->n > 0 && words > max_words) {
        words -= sketch_count_words(d->clause[0].text);
        memmove(d->clause, d->clause + 1, (size_t)--d->n * sizeof *d->clause);
    }
    const char *core = words > max_words ? sketch_truncate(d->core, max_words, arena) : d->core;
    struct pasta_str out = {0};
    pasta_str_add(&out, core);
    for (int i = 0; i < d->n; i++)
        pasta_str_printf(&out, ", %s", d->clause[i].text);
    const char *text = pasta_arena_strdup(arena, out.data);
    pasta_str_release(&out);
    return text;
}

static bool has_vowel_sound(const char *word) { return strchr("aeiou", tolower((unsigned char)word[0])) != NULL; }

static void put_plural(struct pasta_str *out, const char *noun)
{
    size_t n = strlen(noun);
    char last = noun[n - 1], before = n > 1 ? noun[n - 2] : 0;
    if (last == 's')
        pasta_str_add(out, noun);
    else if (last == 'y' && strchr("aeiou", before) == NULL)
        pasta_str_addn(out, noun, n - 1), pasta_str_add(out, "ies");
    else if (last == 'x' || (last == 'h' && (before == 's' || before == 'c')))
        pasta_str_printf(out, "%ses", noun);
    else
        pasta_str_printf(out, "%ss", noun);
}

void sketch_put_noun(struct pasta_str *out, const char *noun, bool article, bool plural)
{
    if (plural) {
        put_plural(out, noun);
        return;
    }
    if (article && strncmp(noun, "the ", 4) != 0 && strncmp(noun, "a ", 2) != 0)
        pasta_str_add(out, has_vowel_sound(noun) ? "an " : "a ");
    pasta_str_add(out, noun);
}

const char *sketch_replace_subject(const char *core, const struct sketch_text *text, struct sketch_span span, const char *subject,
                                   struct pasta_arena *arena)
{
    struct pasta_str out = {0};
    int from = text->words[span.first].start, to = text->words[span.first + span.n - 1].end;
    const char *before = span.first > 0 ? text->words[span.first - 1].text : "";
    bool article = strcmp(before, "a") == 0 || strcmp(before, "an") == 0;
    if (article)
        from = text->words[span.first - 1].start;
    pasta_str_addn(&out, core, (size_t)from);
    sketch_put_noun(&out, subject, article, span.plural);
    pasta_str_add(&out, core + to);
    const char *result = pasta_arena_strdup(arena, out.data);
    pasta_str_release(&out);
    return result;
}
