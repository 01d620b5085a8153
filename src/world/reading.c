/* reading.c: prompt -> what it says; what it says + image seed -> what is drawn. */
#include <string.h>

#include "lexicon.h"

enum { COLOUR_REACH = 3, COUNT_PHRASE = 3 };

struct reader {
    const struct sketch_lexicon *l;
    const struct sketch_text *text;
    struct sketch_reading *out;
    struct sketch_span main;        /* words that named the main subject */
    int spare_subject;              /* a place that could be the subject if nothing else is */
    struct sketch_span spare;
    int colour, colour_at;          /* the last colour word */
    bool count_stated;
    struct sketch_likely vague[SKETCH_KINDS]; /* from the first abstract word that says something about a kind */
};

static void state(struct reader *r, int kind, int value)
{
    r->out->kind[kind] = (struct sketch_likely){.n = 1, .value = {value}, .weight = {1}};
}

/* Is the phrase at word i inside "in the ...", "on a ..."? */
static bool follows_place_word(const struct reader *r, int i)
{
    for (int k = i - 1, steps = 0; k >= 0 && steps < 3; k--, steps++) {
        const char *w = r->text->words[k].text;
        for (int p = 0; p < r->l->place.n; p++)
            if (strcmp(w, r->l->place.items[p]) == 0)
                return true;
        if (strcmp(w, "a") != 0 && strcmp(w, "the") != 0 && strcmp(w, "an") != 0 && steps > 0)
            return false;
    }
    return false;
}

static void meet_subject(struct reader *r, int value, struct sketch_span span)
{
    struct sketch_likely *main = &r->out->kind[SKETCH_SUBJECT];
    bool head = r->main.first >= 0 && !r->main.plural && span.first == r->main.first + r->main.n; /* "a metal statue" is a statue */
    if (main->n == 0 || head) {
        state(r, SKETCH_SUBJECT, value);
        r->main = span;
        if (r->colour >= 0 && span.first - r->colour_at <= COLOUR_REACH)
            state(r, SKETCH_COLOUR, r->colour);
        if (span.plural && !r->count_stated)
            r->out->kind[SKETCH_COUNT] = (struct sketch_likely){
                .n = 3, .vague = true, .value = {COUNT_TWO, COUNT_THREE, COUNT_MANY}, .weight = {1, 1, 1}};
    } else if (main->value[0] != value && r->out->kind[SKETCH_SECOND].n == 0) {
        state(r, SKETCH_SECOND, value);
    }
}

static void meet_vague(struct reader *r, int entry)
{
    for (int k = 0; k < SKETCH_KINDS; k++)
        if (r->vague[k].n == 0)
            r->vague[k] = r->l->vague[entry][k];
}

/* One phrase of `span` words with meanings m, seen in its place. */
static void meet(struct reader *r, const struct sketch_meaning *m, struct sketch_span span)
{
    const struct sketch_meaning *subject = sketch_meaning_of(m, SKETCH_SUBJECT), *place = sketch_meaning_of(m, SKETCH_BACKGROUND);
    const struct sketch_meaning *colour = sketch_meaning_of(m, SKETCH_COLOUR);
    if (subject != NULL && colour != NULL && span.first + span.n < r->text->n) { /* "an orange cat" */
        const struct sketch_meaning *next;
        bool plural;
        if (sketch_match(r->l, r->text, span.first + span.n, &next, &plural) > 0 && sketch_meaning_of(next, SKETCH_SUBJECT) != NULL)
            subject = NULL;
    }
    if (subject != NULL && place != NULL) {
        bool is_place = r->out->kind[SKETCH_SUBJECT].n > 0 || follows_place_word(r, span.first);
        if (is_place && r->spare_subject < 0) {
            r->spare_subject = subject->value;
            r->spare = span;
        }
        if (is_place)
            state(r, SKETCH_BACKGROUND, place->value);
        else
            meet_subject(r, subject->value, span);
    } else if (subject != NULL) {
        meet_subject(r, subject->value, span);
    } else if (colour != NULL) {
        r->colour = colour->value;
        r->colour_at = span.first;
        if (span.n > 1) /* "colored red" speaks of the subject wherever it stands */
            state(r, SKETCH_COLOUR, colour->value);
    } else if (m->kind == SKETCH_COUNT) {
        if (r->out->kind[SKETCH_SUBJECT].n == 0 || span.n >= COUNT_PHRASE) {
            state(r, SKETCH_COUNT, m->value);
            r->count_stated = true;
        }
    } else if (m->kind == SKETCH_VAGUE) {
        meet_vague(r, m->value);
    } else if (m->kind != SKETCH_NEUTRAL) {
        const struct sketch_meaning *word;
        bool plural;
        int last = span.first + span.n - 1;
        if (m->kind == SKETCH_BACKGROUND && r->spare_subject < 0 && sketch_match(r->l, r->text, last, &word, &plural) == 1 &&
            sketch_meaning_of(word, SKETCH_SUBJECT) != NULL) { /* "in the city" alone shows the city */
            r->spare_subject = sketch_meaning_of(word, SKETCH_SUBJECT)->value;
            r->spare = (struct sketch_span){last, 1, plural};
        }
        state(r, m->kind, m->value); /* the last statement counts */
    }
}

/* No subject so far: a place, an abstract word, or something that the unknown words pick. */
static void settle_subject(struct reader *r, uint64_t whole)
{
    struct sketch_reading *out = r->out;
    out->known_subject = 1;
    if (out->kind[SKETCH_SUBJECT].n > 0)
        return;
    if (r->spare_subject >= 0) {
        state(r, SKETCH_SUBJECT, r->spare_subject);
        r->main = r->spare;
        return;
    }
    if (r->vague[SKETCH_SUBJECT].n > 0) {
        out->kind[SKETCH_SUBJECT] = r->vague[SKETCH_SUBJECT];
        out->known_subject = 0;
        return;
    }
    uint64_t pick = out->accent != 0 ? out->accent : whole;
    int abstract[SKETCH_MAX_SUBJECTS], n = 0;
    for (int i = 0; i < r->l->drawings.n; i++)
        if (r->l->drawings.items[i].group == GROUP_ABSTRACT)
            abstract[n++] = i;
    if (n == 0) /* drawings without that group: any subject */
        for (; n < r->l->drawings.n; n++)
            abstract[n] = n;
    out->kind[SKETCH_SUBJECT] = (struct sketch_likely){.n = 1, .value = {abstract[(pick >> 20) % (uint64_t)n]}, .weight = {1}};
    out->known_subject = -1;
}

void sketch_read_text(const struct sketch_lexicon *l, const struct sketch_text *text, struct sketch_reading *out,
                      struct sketch_span *place)
{
    struct reader r = {.l = l, .text = text, .out = out, .main = {-1, 0, false}, .spare_subject = -1, .colour = -1};
    uint64_t whole = 0;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < text->n;) {
        struct sketch_span span = {.first = i};
        const struct sketch_meaning *m;
        span.n = sketch_match(l, text, i, &m, &span.plural);
        if (span.n > 0) {
            meet(&r, m, span);
        } else {
            out->accent += pasta_hash64(text->words[i].text); /* a sum: the order of unknown words does not matter */
            span.n = 1;
        }
        whole += pasta_hash64(text->words[i].text);
        i += span.n;
    }
    settle_subject(&r, whole);
    for (int k = 0; k < SKETCH_KINDS; k++)
        if (k != SKETCH_SUBJECT && out->kind[k].n == 0 && r.vague[k].n > 0)
            out->kind[k] = r.vague[k];
    if (place != NULL)
        *place = r.main;
}

void sketch_read(const struct sketch_lexicon *l, const char *prompt, struct sketch_reading *out)
{
    struct sketch_text text;
    sketch_text_split(prompt, &text);
    sketch_read_text(l, &text, out, NULL);
    sketch_text_release(&text);
}

/* --- drawing lots --------------------------------------------------------------------------------- */

static const double vague_miss = 0.15; /* how often an abstract word leaves no mark */
static const double home_share = 0.45; /* how often an open background is one that suits the subject */

static int draw_open(const struct sketch_lexicon *l, int kind, int subject, int instead_of, struct pasta_rng *rng)
{
    double weight[SKETCH_MAX_SUBJECTS];
    int n = l->n_values[kind];
    if (kind == SKETCH_SECOND)
        return SKETCH_NO_SECOND;
    if (kind == SKETCH_COLOUR)
        return COLOUR_NATURAL;
    if (kind == SKETCH_SUBJECT) { /* missed: another of the same group */
        int others = 0;
        for (int i = 0; i < n; i++) {
            weight[i] = i != instead_of && l->drawings.items[i].group == l->drawings.items[instead_of].group;
            others += weight[i] > 0;
        }
        return others == 0 ? instead_of : pasta_rng_categorical(rng, weight, n);
    }
    if (kind == SKETCH_BACKGROUND) {
        double sum = 0;
        for (int i = 0; i < n; i++)
            sum += l->home[subject][i];
        if (pasta_rng_uniform(rng) < home_share && sum > 0)
            return pasta_rng_categorical(rng, l->home[subject], n);
    }
    for (int i = 0; i < n; i++)
        weight[i] = l->value[kind][i].weight;
    return pasta_rng_categorical(rng, weight, n);
}

void sketch_draw(const struct sketch_lexicon *l, const struct sketch_reading *reading, double miss_rate, uint64_t image_seed,
                 struct sketch_attributes *out)
{
    for (int k = 0; k < SKETCH_KINDS; k++) {
        struct pasta_rng rng = pasta_rng_at(image_seed, PASTA_RNG_DRAW, 0, (uint32_t)k, 0);
        const struct sketch_likely *said = &reading->kind[k];
        int said_value = said->n == 0 ? -1 : said->n == 1 ? said->value[0] : said->value[pasta_rng_categorical(&rng, said->weight, said->n)];
        /* whether a seed misses "oil" says nothing about whether it misses "ink" */
        struct pasta_rng luck = pasta_rng_at(image_seed, PASTA_RNG_DRAW, 2, (uint32_t)k, (uint32_t)(said_value + 1));
        double miss = pasta_rng_uniform(&luck);
        bool missed = said->n == 0 || miss < (said->vague && k != SKETCH_SUBJECT ? vague_miss : miss_rate);
        out->value[k] = missed ? draw_open(l, k, out->value[SKETCH_SUBJECT], said_value, &rng) : said_value;
    }
    out->group = l->drawings.items[out->value[SKETCH_SUBJECT]].group;
    out->accent = reading->accent;
}
