/* caption.c: captions to train the embedded encoder and tokenizer on: like initial prompts, like expansions, and between. */
#include <string.h>

#include "pasta/base/rng.h"
#include "world.h"
#include "writer.h"

enum { LEAST_WORDS = 4, MOST_WORDS = 14 };

static const char *any(struct pasta_rng *rng, const struct sketch_words *words)
{
    return words->items[pasta_rng_below(rng, (uint32_t)words->n)];
}

/* A way to say a value: mostly the generator's, sometimes any word that is understood. */
static const char *say(const struct sketch_lexicon *l, struct pasta_rng *rng, int kind, int value)
{
    const struct sketch_value *v = &l->value[kind][value];
    double plain = kind == SKETCH_SUBJECT ? 0.72 : 0.8;
    return v->words.n == 0 || pasta_rng_uniform(rng) < plain ? any(rng, &v->same) : any(rng, &v->words);
}

static int pick(const struct sketch_lexicon *l, struct pasta_rng *rng, int kind)
{
    return (int)pasta_rng_below(rng, (uint32_t)l->n_values[kind]);
}

/* "two red dogs", "an owl" */
static void put_subject(const struct sketch_lexicon *l, struct pasta_rng *rng, struct pasta_str *out)
{
    const char *noun = say(l, rng, SKETCH_SUBJECT, pick(l, rng, SKETCH_SUBJECT));
    static const char *const numbers[COUNTS] = {NULL, "two", "three", "many"};
    double u = pasta_rng_uniform(rng);
    int count = u < 0.88 ? COUNT_ONE : u < 0.92 ? COUNT_TWO : u < 0.96 ? COUNT_THREE : COUNT_MANY;
    if (strncmp(noun, "the ", 4) == 0)
        count = COUNT_ONE;
    if (count != COUNT_ONE)
        pasta_str_printf(out, "%s ", numbers[count]);
    if (pasta_rng_uniform(rng) < 0.10 && strncmp(noun, "the ", 4) != 0) {
        const char *colour = sketch_value_name(l, SKETCH_COLOUR, 1 + (int)pasta_rng_below(rng, COLOURS - 1));
        if (count == COUNT_ONE)
            pasta_str_add(out, colour[0] == 'o' ? "an " : "a ");
        pasta_str_printf(out, "%s ", colour);
        sketch_put_noun(out, noun, false, count != COUNT_ONE);
    } else {
        sketch_put_noun(out, noun, pasta_rng_uniform(rng) < 0.85, count != COUNT_ONE);
    }
}

void pasta_sketch_caption(const struct pasta_sketch *s, uint64_t seed, uint32_t i, struct pasta_str *out)
{
    static const int kinds[] = {SKETCH_STYLE, SKETCH_PALETTE, SKETCH_LIGHTING, SKETCH_COMPOSITION, SKETCH_BACKGROUND, SKETCH_MOOD};
    static const double said[] = {0.75, 0.4, 0.4, 0.35, 0.45, 0.35};
    const struct sketch_lexicon *l = &s->lexicon;
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_CAPTION, i, 0, 0);
    struct pasta_str text = {0}, subject = {0};
    uint32_t order[6] = {0, 1, 2, 3, 4, 5};
    bool style_first = pasta_rng_uniform(&rng) < 0.25;
    put_subject(l, &rng, &subject);
    if (style_first)
        pasta_str_printf(&text, "%s of %s", say(l, &rng, SKETCH_STYLE, pick(l, &rng, SKETCH_STYLE)), subject.data);
    else if (pasta_rng_uniform(&rng) < 0.15) {
        const char *frame = any(&rng, &l->frames), *at = strstr(frame, "%s");
        pasta_str_printf(&text, "%.*s%s%s", (int)(at - frame), frame, subject.data, at + 2);
    } else
        pasta_str_add(&text, subject.data);
    if (pasta_rng_uniform(&rng) < 0.08) {
        pasta_str_add(&text, " with ");
        sketch_put_noun(&text, l->value[SKETCH_SUBJECT][pick(l, &rng, SKETCH_SUBJECT)].same.items[0], true, false);
    }
    pasta_rng_shuffle(&rng, order, 6);
    for (int k = 0; k < 6; k++) {
        int at = (int)order[k];
        bool speak = pasta_rng_uniform(&rng) < said[at];
        const char *phrase = say(l, &rng, kinds[at], pick(l, &rng, kinds[at]));
        if (speak && !(style_first && kinds[at] == SKETCH_STYLE) && sketch_count_words(text.data) + sketch_count_words(phrase) <= MOST_WORDS)
            pasta_str_printf(&text, ", %s", phrase);
    }
    while (sketch_count_words(text.data) < LEAST_WORDS)
        pasta_str_printf(&text, ", %s", any(&rng, &l->quality));
    pasta_str_add(out, text.data);
    pasta_str_release(&text);
    pasta_str_release(&subject);
}
