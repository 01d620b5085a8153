/* state.h: a study in memory: raters, their sessions, and where each of them stands.
 *
 * Everything here can be made anew from the journal (events.h), and nothing but events changes it. Whoever reads or changes it while a
 * server runs holds `lock`.
 */
#ifndef PASTA_SRC_STUDY_STATE_H
#define PASTA_SRC_STUDY_STATE_H
#include <pthread.h>

#include "pasta/base/mem.h"
#include "pasta/base/str.h"
#include "pasta/io/record.h"
#include "pasta/study/design.h"

/* What a rater says to a step. */
struct study_answer {
    int step;                     /* step_number of the session when it was asked; on the page it counts on from session to session */
    int choice;                   /* a column as shown, -1: none of them */
    enum pasta_versus versus;
    double rating, seconds;       /* NAN: not given */
    const char *critique;         /* NULL: none */
};
enum plan_state { PLAN_NONE, PLAN_WANTED, PLAN_RUNNING, PLAN_READY };
struct slate_plan {               /* the slate of a session's next turn, while it is being prepared (preparer.h) */
    enum plan_state state;
    bool urgent;                  /* the rater waits for it */
    int workers;                  /* threads that are at this session, for this plan or an earlier one */
    unsigned generation;          /* changes when what is planned for changes */
    char *after;                  /* the answer that it follows, printed; "" before the first turn */
    struct pasta_str turn;        /* READY: the turn, printed */
    double wanted_at, retry_at;   /* monotonic seconds */
    int drafted, drafts;          /* how many slates were made for drafts of which turn */
    int failures;                 /* in a row */
};
struct study_session {
    struct pasta_session record;  /* answered turns and checks; room for all of them */
    struct pasta_arena arena;
    uint32_t index, person;       /* the random address; the number of the rater */
    int arm;
    int64_t block;
    bool shown;                   /* the step under way is before the rater's eyes, in record.turns[n_turns] or .checks[n_checks] */
    bool check;                   /* ... in the latter */
    bool ended;
    int64_t ended_as;             /* the how-manieth session to end, from 1; 0: it has not */
    int64_t shown_end;            /* where the journal has to be on disk before anyone sees what is shown */
    double started, last;         /* seconds since 1970: of the first and the last event */
    struct slate_plan plan;
};
struct study_rater {
    char token[24];               /* "" where the links are not known: a study that is only looked at */
    int n_sessions;
    struct study_session **sessions; /* [n_sessions], borrowed */
    size_t capacity;
    double allowance, asked_at;   /* requests left, and when that was reckoned: the limit on rates */
    int waiting;                  /* replies that wait for a slate */
};
struct study {
    struct pasta_study_design design;
    struct pasta_arena arena;
    struct study_rater *raters;   /* [design.raters] */
    struct study_session **sessions; /* in the order in which they began; index = their number */
    size_t n, capacity;
    int64_t n_ended;
    pthread_mutex_t lock;
    pthread_cond_t changed;       /* something that a waiting rater might be shown */
};

struct study *study_new(const struct pasta_study_design *design); /* copied */
void study_free(struct study *study);                             /* NULL is legal */

/* The session under way, or NULL. */
struct study_session *study_current(const struct study_rater *rater);
/* The session of the rater's that `*step` as numbered on the page belongs to, of which it becomes the number; past all, the last one. NULL:
 * none has begun. On the page steps count on from session to session, so that a page that was left open answers no other session. */
struct study_session *study_session_of(const struct study_rater *rater, int *step);
/* The number on the page of the first step of the last session, less 1. */
int study_steps_before(const struct study_rater *rater);
bool study_abandoned(const struct study *study, const struct study_session *session, double now);
/* The place that a rater who begins now is given; false: there is none. */
bool study_deal(const struct study *study, const struct study_rater *rater, double now, int *arm, int64_t *block);
int64_t study_done(const struct study *study); /* places with a session that has ended */

/* --- changes; each stands for an event --- */
/* Takes over the record (its strings are the arena's) and the arena. Begun by rater `person`. */
struct study_session *study_begin(struct study *study, const struct pasta_session *record, struct pasta_arena *arena, uint32_t person,
                                  int arm, int64_t block, double now);
/* What is wrong with an answer to the step on show: a sentence for the rater's page, or NULL. `none`: no choice may be an answer. */
const char *study_refuse(const struct study_session *session, const struct study_answer *answer, bool none);
void study_answer(struct study *study, struct study_session *session, const struct study_answer *answer, double now);
/* Whether the better / same / worse question belongs to the turn on show. */
bool study_asks_versus(const struct study_session *session);
#endif
