/* conduct.h: what a study does when a rater begins, drafts or answers: decide, write down, go on to the next step, and only then say so.
 *
 * Every function takes study->lock itself and returns once what it did is on disk. An answer is one line in the journal; a session that
 * ends is one line in sessions.jsonl as well. The latter is made from the former, so it can be written anew at any time.
 */
#ifndef PASTA_SRC_STUDY_CONDUCT_H
#define PASTA_SRC_STUDY_CONDUCT_H
#include "journal.h"
#include "pasta/study/server.h"
#include "preparer.h"
#include "state.h"

#define STUDY_SESSIONS "sessions.jsonl"
struct conduct {
    const struct pasta_study_service *service;
    struct study *study;
    struct journal *journal, *sessions;
    struct preparer *preparer;
    bool failed;                /* with study->lock: what is on disk is not known any more */
};
enum conduct_result {
    CONDUCT_OK,
    CONDUCT_CONFLICT,           /* the session has gone on meanwhile, or there is none */
    CONDUCT_REFUSED,            /* *problem is a sentence that says why */
    CONDUCT_UNSAVED,            /* nothing was taken; it may be sent again */
};
enum conduct_result conduct_start(struct conduct *c, struct study_rater *rater);
enum conduct_result conduct_answer(struct conduct *c, struct study_rater *rater, const struct study_answer *answer, const char **problem);
/* Returns once the journal is on disk up to `end`; false: it cannot be. Without the lock. */
bool conduct_sync(struct conduct *c, int64_t end);
/* A hint: what is wrong about it is passed over. */
void conduct_draft(struct conduct *c, struct study_rater *rater, const struct study_answer *draft);
/* Sees to it that a session under way has a step on show or in preparation: after a restart, say. */
void conduct_look(struct conduct *c, struct study_rater *rater);

/* DIR/sessions.jsonl anew, whole or not at all: the sessions that have ended, in the order of their last answers; with `unfinished`, also
 * those with at least one turn, after them. *n is their number. */
pasta_status conduct_write_sessions(const struct study *study, const char *dir, bool unfinished, int64_t *n,
                                    struct pasta_err *err) PASTA_MUST_CHECK;
#endif
