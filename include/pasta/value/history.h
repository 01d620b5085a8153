/* history.h: a session as the text that the value functions read. The one place where the template is stated:
 *
 *     prompt: a red bicycle                                       the user's own words
 *     7 + style ~ in ink - expand ~ at night - subject two ~      turn 1
 *     8 better - style ~ neon + mood ~ calm - expand ~            turn 2
 *     ? style ~ watercolor                                        f only: the candidate
 *
 * A turn begins with what the user said of it, the rating (rounded) and better, same or worse, each where there is one; then come the
 * columns in the order shown, "+" for the chosen one and "-" for the others, each with its category and prompt. Tokens are time, and every
 * prompt of a turn grew from the same one, the prompt chosen last (before any choice: the initial one): so "~" stands for any
 * run of words kept from it. What a prompt leaves out of it is not marked.
 *
 * V reads a history of t turns; f reads the same and the candidate's line. Both take their value at the last token, the line's
 * newline. Every line is tokenised by itself, so a longer history begins with the same tokens as a shorter one. The first token is <bos>.
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

/* Append the lines of the template, each with its newline. `turn` counts from 0; the session must hold turns 0..turn. */
void pasta_history_prompt_line(const struct pasta_session *session, struct pasta_str *out);
void pasta_history_turn_line(const struct pasta_session *session, int turn, struct pasta_str *out);
/* A candidate for the turn that follows n_turns complete ones. */
void pasta_history_candidate_line(const struct pasta_session *session, int n_turns, const struct pasta_candidate *candidate, struct pasta_str *out);
/* `prompt` with the words that it shares with `base` in the same order (longest common subsequence; case and punctuation at a word's
 * ends are not compared) replaced by "~", one for a run. */
void pasta_history_shorten(const char *prompt, const char *base, struct pasta_str *out);

struct pasta_tokens { int64_t *ids; int n; };
struct pasta_history {          /* the tokens of a session */
    int64_t bos;
    struct pasta_tokens prompt; /* first line, without <bos> */
    int n_turns;
    struct pasta_tokens *turns; /* [n_turns] */
};
/* Tokens of the prompt line and of turns 0..n_turns-1. Owns them; borrows nothing. */
pasta_status pasta_history_init(struct pasta_history *h, const struct pasta_spm *spm, const struct pasta_session *session, int n_turns, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_history_release(struct pasta_history *h); /* legal on a zeroed struct */
/* Tokens of a candidate's line; cut at its end where it is longer than `limit`. tokens->ids: caller frees. */
pasta_status pasta_history_candidate(const struct pasta_spm *spm, const struct pasta_session *session, int n_turns, const struct pasta_candidate *candidate, int limit,
                                     struct pasta_tokens *tokens, struct pasta_err *err) PASTA_MUST_CHECK;
/* The first turn to keep so that <bos>, the prompt line and turns first..n_turns-1 take at most `room` tokens: the oldest turns go first, whole;
 * n_turns when none fits. */
int pasta_history_first(const struct pasta_history *h, int n_turns, int room);
/* Writes them and returns their number, at most room (>= 2). The prompt line itself is cut only where it alone is too long: at its end, keeping its newline. */
int pasta_history_write(const struct pasta_history *h, int first, int n_turns, int room, int64_t *ids);
#endif
