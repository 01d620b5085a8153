/* history.h: a session as the text that the value functions read. The one place where the template is stated:
 *
 *     prompt: a red bicycle                                                  the user's own words
 *      style ~ in ink ? yes expand ~ at night ? no subject two ~ ? no 7      turn 1
 *      style ~ neon ? no mood ~ calm ? yes expand ~ ? no 8 better            turn 2
 *      style ~ watercolor ?                                                  f only: the candidate
 *
 * A turn asks for each column, in the order shown, whether the user chose it: category, prompt, "?" and the answer, yes or no; then come
 * the rating (rounded) and better, same or worse, each where there is one. Tokens are time, and every prompt of a turn grew from the same
 * one, the prompt chosen last (before any choice: the initial one): so "~" stands for any run of words kept from it. What a prompt leaves
 * out of it is not marked.
 *
 * V reads a history of t turns, and f the same with the candidate's question put next: f stands where a language model would say yes or no.
 * Both take their value at the last token. Every turn is tokenised by itself, so a longer history begins with the same tokens as a shorter
 * one. The first token is <bos>.
 *
 *     struct pasta_history h;
 *     pasta_history_init(&h, spm, session, session->n_turns, &err);
 *     const int first = pasta_history_first(&h, turn, room);
 *     const int n = pasta_history_write(&h, first, turn, room, ids);
 *     pasta_history_release(&h);
 */
#ifndef PASTA_VALUE_HISTORY_H
#define PASTA_VALUE_HISTORY_H
#include "pasta/base/str.h"
#include "pasta/io/record.h"
#include "pasta/model/spm.h"

/* Appends the whole text: the prompt line, turns 0..n_turns-1 and, unless NULL, the candidate's question. */
void pasta_history_text(const struct pasta_session *session, int n_turns, const struct pasta_candidate *candidate, struct pasta_str *out);
/* `prompt` with the words that it shares with `base` in the same order (longest common subsequence; case and punctuation at a word's
 * ends are not compared) replaced by "~", one for a run. Words after the 512th of either are dropped. */
void pasta_history_shorten(const char *prompt, const char *base, struct pasta_str *out);

struct pasta_tokens {
    int64_t *ids;
    int n;
};
void pasta_tokens_release(struct pasta_tokens *t);
struct pasta_history {          /* the tokens of a session */
    int64_t bos;
    struct pasta_tokens prompt; /* first line, without <bos> */
    int n_turns;
    struct pasta_tokens *turns; /* [n_turns] */
};
/* Tokens of the prompt line and of turns 0..n_turns-1. Owns them; borrows nothing. */
pasta_status pasta_history_init(struct pasta_history *h, const struct pasta_spm *spm, const struct pasta_session *session, int n_turns,
                                struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_history_release(struct pasta_history *h); /* legal on a zeroed struct */
/* Tokens of the question about a candidate after n_turns complete turns; cut to `limit`, keeping its last token. */
pasta_status pasta_history_candidate(const struct pasta_spm *spm, const struct pasta_session *session, int n_turns,
                                     const struct pasta_candidate *candidate, int limit, struct pasta_tokens *tokens,
                                     struct pasta_err *err) PASTA_MUST_CHECK;
/* The first turn to keep so that <bos>, the prompt line and turns first..n_turns-1 take at most `room` tokens: the oldest turns go first,
 * whole; n_turns when none fits. */
int pasta_history_first(const struct pasta_history *h, int n_turns, int room);
/* Writes them into ids[room]; returns their number, at most room (>= 2). The prompt line itself is cut only where it alone is too long: at
 * its end, keeping its newline. */
int pasta_history_write(const struct pasta_history *h, int first, int n_turns, int room, int64_t *ids);
#endif
