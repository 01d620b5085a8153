/* writer.h: prompts as text that the lexicon understands: a core (the initial prompt, perhaps in other words) and clauses after it. */
#ifndef PASTA_SRC_WORLD_WRITER_H
#define PASTA_SRC_WORLD_WRITER_H
#include "lexicon.h"
#include "pasta/base/str.h"

enum { SKETCH_MAX_CLAUSES = 12, SKETCH_QUALITY = SKETCH_KINDS };

struct sketch_clause {
    int kind;          /* enum sketch_kind, SKETCH_QUALITY, or -1 for words the lexicon did not write */
    int value;
    const char *text;  /* in the arena or the lexicon */
};
struct sketch_draft {
    const char *core;
    int n;
    struct sketch_clause clause[SKETCH_MAX_CLAUSES];
};
/* Replaces the clause of that kind, or appends one; at the limit the oldest goes. */
void sketch_draft_set(struct sketch_draft *d, int kind, int value, const char *text);
const struct sketch_clause *sketch_draft_find(const struct sketch_draft *d, int kind); /* NULL: none */
/* Splits `prompt` behind its first `core_pieces` comma-separated pieces. */
void sketch_draft_parse(const struct sketch_lexicon *l, const char *prompt, int core_pieces, struct pasta_arena *arena,
                        struct sketch_draft *out);
/* The prompt as one string in the arena; the oldest clauses go first when there are more than max_words words. */
const char *sketch_draft_text(struct sketch_draft *d, int max_words, struct pasta_arena *arena);

int sketch_count_words(const char *text);
int sketch_count_pieces(const char *text);
/* At most n words, without closing punctuation. */
const char *sketch_truncate(const char *text, int n, struct pasta_arena *arena);
/* `core` with the words of `span` replaced by `subject`, its article and number made to fit. */
const char *sketch_replace_subject(const char *core, const struct sketch_text *text, struct sketch_span span, const char *subject,
                                   struct pasta_arena *arena);
/* Appends "a dog", "an owl", or, if plural, "dogs". */
void sketch_put_noun(struct pasta_str *out, const char *noun, bool article, bool plural);
#endif
