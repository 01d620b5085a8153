/* lmm_reply.h: candidate prompts out of what a language model replied, in whatever form.
 *
 * The JSON may stand in prose, in a ``` fence or behind a <think> block, in several pieces, have commas too many, or be cut off. It is an
 * object by category, a list of {"category", "prompt"}, these within an object, or a plain list of as many strings as were asked for.
 * "order" names the categories, best first; without it their order is that of the reply. Categories are known by their stems ("Styles",
 * "rephrased_prompts"). Prompts are trimmed, freed of numbering and quotation marks, and have single spaces. What is empty, too long, there
 * already (but for the case of ASCII letters) or a refusal ("I'm sorry, I can't ...") is counted and not taken.
 *
 *     struct lmm_prompts prompts = {.arena = &arena, .each = 5, .max_words = 62};
 *     if (lmm_reply_open(reply, length, &arena, &text, &why) == LMM_READABLE)
 *         lmm_reply_read(text, &prompts);          // again with further replies, until it is whole
 *     if (lmm_prompts_whole(&prompts))
 *         lmm_prompts_list(&prompts, candidates);
 */
#ifndef PASTA_SRC_WORLD_LMM_REPLY_H
#define PASTA_SRC_WORLD_LMM_REPLY_H
#include <stdbool.h>
#include <stdint.h>
#include "pasta/base/dims.h"
#include "pasta/base/mem.h"
#include "pasta/io/record.h"

struct lmm_refused { int64_t empty, too_long, duplicates, refusals, unplaced; }; /* unplaced: of no category that we know */
struct lmm_prompts {               /* a turn's, over all its replies */
    struct pasta_arena *arena;     /* holds the strings */
    const struct pasta_session *session; /* what its turns showed is not taken again; NULL: nothing was shown */
    int each, max_words;           /* wanted of a category; longest, 64 bytes a word */
    const char **items[PASTA_CATEGORIES]; /* [n[c]], best first; in the arena */
    int n[PASTA_CATEGORIES];       /* at most `each` */
    int order[PASTA_CATEGORIES], n_order; /* categories, best first, as far as replies told */
    struct lmm_refused refused;
};
enum lmm_verdict { LMM_READABLE, LMM_UNREADABLE, LMM_REFUSED };

/* The text of a chat completion, in the arena, NULL where there is none; *why says what is wrong: of a readable one, should it turn out to
 * hold no prompts. */
enum lmm_verdict lmm_reply_open(const char *bytes, size_t length, struct pasta_arena *arena, const char **text, const char **why);
/* Takes what can be taken. LMM_UNREADABLE, LMM_REFUSED: there was no JSON with prompts in it. */
enum lmm_verdict lmm_reply_read(const char *text, struct lmm_prompts *prompts);
bool lmm_prompts_whole(const struct lmm_prompts *prompts);
/* The whole of them as generators give them: out[PASTA_CATEGORIES * each]. */
void lmm_prompts_list(const struct lmm_prompts *prompts, struct pasta_candidate *out);
#endif
