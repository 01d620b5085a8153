/* generator.c: candidates in five categories, as a language model with mild preferences of its own would propose them.
 *
 * A candidate builds on the prompt of the column chosen last (in turn 1: on the initial prompt). Its order of preference is popularity,
 * the lexicon's weights, with some chance; it knows nothing of raters.
 */
#include <math.h>
#include <string.h>

#include "pasta/base/rng.h"
#include "world.h"
#include "writer.h"

enum { MAX_ATTEMPTS = 400, PATIENCE = 12 };

struct author {
    const struct pasta_sketch *s;
    struct pasta_rng rng;
    struct pasta_arena *arena;
    const char *core0;             /* the initial prompt, cut to leave room for clauses */
    struct sketch_text text0;      /* its words */
    struct sketch_span subject0;   /* words that name its subject; first -1: none */
    struct sketch_reading initial; /* what it says */
    struct sketch_draft base;      /* what candidates build on */
    double score;                  /* popularity of what the draft at hand adds */
};

static bool decided(const struct author *w, int kind)
{
    return w->initial.kind[kind].n > 0 && !w->initial.kind[kind].vague;
}

/* A value of `kind` by popularity, other than the draft's own. */
static int pick_value(struct author *w, const struct sketch_draft *d, int kind)
{
    double weight[SKETCH_MAX_SUBJECTS];
    const struct sketch_clause *now = sketch_draft_find(d, kind);
    int n = w->s->lexicon.n_values[kind], others = 0;
    for (int v = 0; v < n; v++) {
        weight[v] = now != NULL && now->value == v ? 0 : sqrt(w->s->lexicon.value[kind][v].weight);
        if (kind == SKETCH_COLOUR && v == COLOUR_NATURAL)
            weight[v] = 0;
        others += weight[v] > 0;
    }
    return others == 0 ? 0 : pasta_rng_categorical(&w->rng, weight, n);
}

static const char *pick_word(struct author *w, const struct sketch_words *words)
{
    return words->items[pasta_rng_below(&w->rng, (uint32_t)words->n)];
}

static void set_value(struct author *w, struct sketch_draft *d, int kind)
{
    int v = pick_value(w, d, kind);
    const struct sketch_value *value = &w->s->lexicon.value[kind][v];
    sketch_draft_set(d, kind, v, pick_word(w, &value->same));
    w->score += 0.5 * log(value->weight);
}

/* One of n kinds, rather one that neither the initial prompt nor a clause has decided. */
static int pick_kind(struct author *w, const struct sketch_draft *d, const int *kinds, const double *weights, int n)
{
    double weight[SKETCH_KINDS];
    for (int i = 0; i < n; i++) {
        weight[i] = weights[i] * (decided(w, kinds[i]) ? 0.1 : 1);
        if (sketch_draft_find(d, kinds[i]) != NULL)
            weight[i] *= 0.4;
    }
    return kinds[pasta_rng_categorical(&w->rng, weight, n)];
}

static void add_quality(struct author *w, struct sketch_draft *d)
{
    sketch_draft_set(d, SKETCH_QUALITY, 0, pick_word(w, &w->s->lexicon.quality));
}

/* --- the five categories -------------------------------------------------------------------------- */

static const char *in_frame(struct author *w, const char *core)
{
    const char *frame = pick_word(w, &w->s->lexicon.frames), *at = strstr(frame, "%s");
    bool capital = strncmp(core, "A ", 2) == 0 || strncmp(core, "An ", 3) == 0 || strncmp(core, "The ", 4) == 0;
    return pasta_arena_printf(w->arena, "%.*s%c%s%s", (int)(at - frame), frame, capital ? core[0] + 32 : core[0], core[0] ? core + 1 : "", at + 2);
}

static void rephrase(struct author *w, struct sketch_draft *d)
{
    const char *core = w->core0;
    if (w->subject0.first >= 0 && pasta_rng_below(&w->rng, 2)) { /* a synonym, where the subject was named by one */
        const struct sketch_words *same = &w->s->lexicon.value[SKETCH_SUBJECT][w->initial.kind[SKETCH_SUBJECT].value[0]].same;
        bool plain = false;
        for (int i = 0; i < same->n && w->subject0.n == 1; i++)
            plain = plain || strcmp(same->items[i], w->text0.words[w->subject0.first].text) == 0;
        if (plain)
            core = sketch_replace_subject(core, &w->text0, w->subject0, pick_word(w, same), w->arena);
    }
    if (pasta_rng_below(&w->rng, 4) > 0 && core[0] != '\0')
        core = in_frame(w, core);
    d->core = core;
    for (int i = 0; i < d->n; i++)
        if (d->clause[i].kind >= SKETCH_COUNT && d->clause[i].kind < SKETCH_KINDS)
            d->clause[i].text = pick_word(w, &w->s->lexicon.value[d->clause[i].kind][d->clause[i].value].same);
    if (pasta_rng_below(&w->rng, 2))
        add_quality(w, d);
}

static void expand(struct author *w, struct sketch_draft *d)
{
    static const int kinds[] = {SKETCH_LIGHTING, SKETCH_BACKGROUND, SKETCH_MOOD};
    static const double weights[] = {1, 1.2, 0.8};
    set_value(w, d, pick_kind(w, d, kinds, weights, 3));
    if (pasta_rng_below(&w->rng, 2))
        set_value(w, d, pick_kind(w, d, kinds, weights, 3));
}

static void restyle(struct author *w, struct sketch_draft *d)
{
    static const int kinds[] = {SKETCH_STYLE, SKETCH_PALETTE};
    static const double weights[] = {2, 1};
    int kind = pick_kind(w, d, kinds, weights, 2);
    set_value(w, d, kind);
    if (pasta_rng_below(&w->rng, 4) == 0 && !decided(w, kinds[kind == SKETCH_STYLE]))
        set_value(w, d, kinds[kind == SKETCH_STYLE]);
}

static void resubject(struct author *w, struct sketch_draft *d)
{
    static const int kinds[] = {SKETCH_COMPOSITION, SKETCH_COLOUR, SKETCH_SECOND, SKETCH_COUNT};
    static const double weights[] = {3, 0.8, 0.8, 0.6};
    int kind = pick_kind(w, d, kinds, weights, 4);
    if (kind != SKETCH_SECOND) {
        set_value(w, d, kind);
        return;
    }
    int v = (int)pasta_rng_below(&w->rng, (uint32_t)w->s->lexicon.n_values[SKETCH_SUBJECT]);
    struct pasta_str text = {0};
    pasta_str_add(&text, "with ");
    sketch_put_noun(&text, w->s->lexicon.value[SKETCH_SUBJECT][v].same.items[0], true, false);
    sketch_draft_set(d, SKETCH_SECOND, v, pasta_arena_strdup(w->arena, text.data));
    pasta_str_release(&text);
    w->score -= 0.5;
}

static void create(struct author *w, struct sketch_draft *d)
{
    static const int kinds[] = {SKETCH_STYLE, SKETCH_PALETTE, SKETCH_LIGHTING, SKETCH_COMPOSITION, SKETCH_BACKGROUND, SKETCH_MOOD};
    static const double weights[] = {1.2, 1, 1, 0.8, 1, 1};
    int changes = 3 + (int)pasta_rng_below(&w->rng, 2);
    for (int i = 0; i < changes; i++)
        set_value(w, d, pick_kind(w, d, kinds, weights, 6));
    if (w->subject0.first < 0 || pasta_rng_uniform(&w->rng) >= 0.15)
        return;
    /* wander: another subject of the same group */
    const struct sketch_drawings *drawings = &w->s->lexicon.drawings;
    int now = w->initial.kind[SKETCH_SUBJECT].value[0], v = (int)pasta_rng_below(&w->rng, (uint32_t)drawings->n);
    if (v != now && drawings->items[v].group == drawings->items[now].group)
        d->core = sketch_replace_subject(w->core0, &w->text0, w->subject0, w->s->lexicon.value[SKETCH_SUBJECT][v].same.items[0], w->arena);
    w->score -= 1;
}

static void (*const write_category[PASTA_CATEGORIES])(struct author *, struct sketch_draft *) = {
    [PASTA_REPHRASE] = rephrase, [PASTA_EXPAND] = expand, [PASTA_STYLE] = restyle, [PASTA_SUBJECT] = resubject, [PASTA_CREATIVE] = create};

/* --- a turn --------------------------------------------------------------------------------------- */

static const char *chosen_prompt(const struct pasta_session *session)
{
    for (int t = session->n_turns - 1; t >= 0; t--) {
        const struct pasta_turn *turn = &session->turns[t];
        if (turn->choice >= 0 && turn->choice < turn->n_columns)
            return turn->columns[turn->choice].prompt;
    }
    return session->initial_prompt;
}

static bool taken(const struct pasta_candidate *out, const char *const *texts, int n_texts, int n_out, const char *text)
{
    for (int i = 0; i < n_out; i++)
        if (strcmp(out[i].prompt, text) == 0)
            return true;
    for (int i = 0; i < n_texts; i++)
        if (strcmp(texts[i], text) == 0)
            return true;
    return false;
}

/* n distinct prompts of one category, best first, into out[at..at+n). */
static pasta_status write_some(struct author *w, enum pasta_category category, const char *base, int n, struct pasta_candidate *out, int at,
                               struct pasta_err *err)
{
    const char **texts = pasta_arena_alloc(w->arena, (size_t)n * sizeof *texts);
    double *scores = pasta_arena_alloc(w->arena, (size_t)n * sizeof *scores);
    for (int i = 0; i < n; i++) {
        int attempt = 0;
        const char *text;
        do {
            struct sketch_draft d = w->base;
            w->score = 0;
            write_category[category](w, &d);
            if (attempt > PATIENCE) /* the plain ways to say it are used up */
                add_quality(w, &d);
            if (attempt > 3 * PATIENCE && d.n < SKETCH_MAX_CLAUSES)
                d.clause[d.n++] = (struct sketch_clause){-1, 0, pick_word(w, &w->s->lexicon.quality)};
            text = sketch_draft_text(&d, w->s->max_words, w->arena);
            if (++attempt > MAX_ATTEMPTS)
                return pasta_fail(err, PASTA_ERR_USAGE, "agent.candidates: cannot write %d different prompts of category \"%s\" within %d words",
                                  n, pasta_category_names[category], w->s->max_words);
        } while (strcmp(text, base) == 0 || taken(out, texts, i, at, text));
        double score = w->score + 0.7 * pasta_rng_gumbel(&w->rng);
        int place = i; /* insertion keeps the best first; ties keep their order */
        for (; place > 0 && scores[place - 1] < score; place--) {
            scores[place] = scores[place - 1];
            texts[place] = texts[place - 1];
        }
        scores[place] = score;
        texts[place] = text;
    }
    for (int i = 0; i < n; i++)
        out[at + i] = (struct pasta_candidate){texts[i], category};
    return PASTA_OK;
}

/* Categories in the generator's own order of preference, with some chance. */
static void order_categories(struct pasta_rng *rng, int order[PASTA_CATEGORIES])
{
    static const double liking[PASTA_CATEGORIES] = {
        [PASTA_REPHRASE] = 0, [PASTA_EXPAND] = 0.6, [PASTA_STYLE] = 0.5, [PASTA_SUBJECT] = 0.3, [PASTA_CREATIVE] = 0.2};
    double score[PASTA_CATEGORIES];
    for (int c = 0; c < PASTA_CATEGORIES; c++) {
        double s = liking[c] + 0.7 * pasta_rng_gumbel(rng);
        int place = c;
        for (; place > 0 && score[place - 1] < s; place--) {
            score[place] = score[place - 1];
            order[place] = order[place - 1];
        }
        score[place] = s;
        order[place] = c;
    }
}

static pasta_status candidates(void *ctx, const struct pasta_session *session, uint64_t seed, uint32_t index, int n,
                               struct pasta_arena *arena, struct pasta_candidate *out, struct pasta_err *err)
{
    const struct pasta_sketch *s = ctx;
    uint32_t turn = (uint32_t)session->n_turns + 1;
    if (n < 0 || n % PASTA_CATEGORIES != 0)
        return pasta_fail(err, PASTA_ERR_USAGE, "agent.candidates: expected a multiple of %d, found %d", PASTA_CATEGORIES, n);
    struct author w = {.s = s, .arena = arena};
    int room = s->max_words - 22 > s->max_words / 2 ? s->max_words - 22 : s->max_words / 2;
    const char *base = chosen_prompt(session);
    w.core0 = sketch_truncate(session->initial_prompt, room > 0 ? room : 1, arena);
    sketch_text_split(w.core0, &w.text0);
    sketch_read_text(&s->lexicon, &w.text0, &w.initial, &w.subject0);
    if (base == session->initial_prompt)
        base = w.core0;
    sketch_draft_parse(&s->lexicon, base, sketch_count_pieces(w.core0), arena, &w.base);

    struct pasta_rng taste = pasta_rng_at(seed, PASTA_RNG_CANDIDATES, index, turn, 0);
    int order[PASTA_CATEGORIES], each = n / PASTA_CATEGORIES;
    order_categories(&taste, order);
    pasta_status status = PASTA_OK;
    for (int i = 0; i < PASTA_CATEGORIES && status == PASTA_OK; i++) {
        w.rng = pasta_rng_at(seed, PASTA_RNG_CANDIDATES, index, turn, 1 + (uint32_t)order[i]);
        status = write_some(&w, (enum pasta_category)order[i], base, each, out, i * each, err);
    }
    sketch_text_release(&w.text0);
    return status;
}

struct pasta_generator pasta_sketch_generator(struct pasta_sketch *s)
{
    return (struct pasta_generator){.ctx = s, .name = "sketch", .candidates = candidates};
}
