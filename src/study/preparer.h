/* preparer.h: threads that make the next slate of each session, ahead of need where they can.
 *
 * A slate depends on the turns before it and what was answered to them, but for the time that it took; so it is the same whenever it is
 * made. It is planned for as soon as the last of these answers is known: a draft, while the rater still looks (once it has stayed
 * as it is for a second, and for a few of a turn only), or the one that was sent.
 * Where the answer that is sent is the draft that was prepared for, the slate is there at once; else it is made anew. Sessions whose rater
 * waits come first. A slate that cannot be made is tried again, later each time.
 *
 *     preparer = preparer_start(study, rollouts, journal, 2);
 *     preparer_plan(preparer, session, &draft, false);      // study->lock is held
 *     preparer_stop(preparer);
 */
#ifndef PASTA_SRC_STUDY_PREPARER_H
#define PASTA_SRC_STUDY_PREPARER_H
#include "journal.h"
#include "pasta/agent/rollout.h"
#include "state.h"

struct preparer;
/* rollouts [n_arms] and the rest are borrowed until preparer_stop. Threads give way to those that answer raters. NULL: no thread can be
 * had. */
struct preparer *preparer_start(struct study *study, const struct pasta_rollout *rollouts, struct journal *journal, int threads);
void preparer_stop(struct preparer *preparer); /* waits for what is being made; NULL is legal */

/* With study->lock held. Plans for the turn that follows all that is answered, or `draft`, an answer to the turn on show that is not sent
 * yet; `urgent`: it is awaited, and shown as soon as it is there. */
void preparer_plan(struct preparer *preparer, struct study_session *session, const struct study_answer *draft, bool urgent);
/* What ended the preparing for good: a budget that is spent, a journal that cannot be written. PASTA_OK: nothing. */
pasta_status preparer_failure(struct preparer *preparer, struct pasta_err *err);
#endif
