/* lexicon.h: the words of the sketch world: which attribute values a prompt states, and which words state a value.
 *
 * Prompts are read as lower-case words; the longest known phrase at each place counts, plurals are understood by rule, and unknown
 * words are hashed into an accent that bends the picture a little. Read-only after reading: safe from several threads.
 */
#ifndef PASTA_SRC_WORLD_LEXICON_H
#define PASTA_SRC_WORLD_LEXICON_H
#include "attributes.h"
#include "drawings.h"
#include "pasta/base/err.h"
#include "pasta/base/mem.h"
#include "pasta/base/rng.h"

enum { SKETCH_MAX_PHRASE = 6, SKETCH_VAGUE = SKETCH_KINDS, SKETCH_NEUTRAL }; /* further kinds of meaning */

struct sketch_meaning {
    int kind;                   /* enum sketch_kind, SKETCH_VAGUE or SKETCH_NEUTRAL */
    int value;                  /* of the kind; index of the vague entry */
    struct sketch_meaning *next; /* of the same phrase, or NULL */
};
struct sketch_words {           /* a list of phrases */
    int n;
    const char **items;
};
struct sketch_value {           /* one value of one kind */
    double weight;              /* how often it is drawn where a prompt leaves it open */
    struct sketch_words same;   /* ways to say it: synonyms of a subject, phrases of other kinds */
    struct sketch_words words;  /* further words that mean it */
};
struct sketch_lexicon {
    struct pasta_arena arena;
    struct sketch_drawings drawings;
    struct sketch_value *value[SKETCH_KINDS]; /* [kind][n_values]; SECOND has none of its own */
    int n_values[SKETCH_KINDS];
    double (*home)[BACKGROUNDS]; /* [subjects] backgrounds that suit a subject; sums to 0 where none is given */
    struct sketch_likely (*vague)[SKETCH_KINDS];
    int n_vague;
    struct sketch_words frames, quality, place;
    struct sketch_phrase *table; /* hash table */
    size_t table_size;
};
pasta_status sketch_lexicon_read(const char *lexicon_path, const char *drawings_path, struct sketch_lexicon *out,
                                 struct pasta_err *err) PASTA_MUST_CHECK;
void sketch_lexicon_release(struct sketch_lexicon *l);
const char *sketch_value_name(const struct sketch_lexicon *l, enum sketch_kind kind, int value);

/* --- words of a prompt ---------------------------------------------------------------------------- */
struct sketch_word {
    const char *text;           /* normalised: lower case, apostrophes dropped */
    int start, end;             /* bytes in the prompt */
};
struct sketch_text {
    char *buffer;               /* owns the words */
    struct sketch_word *words;
    int n;
};
void sketch_text_split(const char *prompt, struct sketch_text *out);
void sketch_text_release(struct sketch_text *text);

/* The longest known phrase that begins at word i: number of words (0: unknown), its meanings, and whether it was a plural. */
int sketch_match(const struct sketch_lexicon *l, const struct sketch_text *text, int i, const struct sketch_meaning **meaning,
                 bool *plural);
/* The meaning of kind `kind` among a phrase's meanings, or NULL. */
const struct sketch_meaning *sketch_meaning_of(const struct sketch_meaning *m, int kind);

/* What a prompt says. `place`, if not NULL, gets the span of words that named the main subject (first, count), or (-1, 0). */
struct sketch_span {
    int first, n;
    bool plural;
};
void sketch_read(const struct sketch_lexicon *l, const char *prompt, struct sketch_reading *out);
void sketch_read_text(const struct sketch_lexicon *l, const struct sketch_text *text, struct sketch_reading *out,
                      struct sketch_span *place);
/* Fills in what the prompt leaves open; a stated attribute is missed with probability miss_rate. The same image seed leaves the same
 * things open in the same way whatever the prompt, as the noise of a diffusion model does. */
void sketch_draw(const struct sketch_lexicon *l, const struct sketch_reading *reading, double miss_rate, uint64_t image_seed,
                 struct sketch_attributes *out);
#endif
