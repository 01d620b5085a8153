/* events.h: the lines of a study's journal, and the state that they lead to.
 *
 *   {"schema":"pasta.study/1","event":"open","at":T,"design":{...}}                  a server was started
 *   {...,"event":"start","at":T,"person":N,"arm":"pasta","block":N,"session":{...}}  a rater agreed and began: a session without turns
 *   {...,"event":"slate","at":T,"session":ID,"turn":{...} or "check":{...}}          what is shown from now on
 *   {...,"event":"answer","at":T,"session":ID,"step":N,"choice":N,...}               what was answered
 *
 * T is in seconds since 1970. Lines of one session stand in the order in which things happened. A reader may meet a last line that is being
 * written.
 */
#ifndef PASTA_SRC_STUDY_EVENTS_H
#define PASTA_SRC_STUDY_EVENTS_H
#include "state.h"

#define STUDY_JOURNAL "journal.jsonl"
/* --- writing: each appends one line --- */
void event_open(const struct pasta_study_design *design, double now, struct pasta_str *out);
void event_start(const struct pasta_session *session, uint32_t person, const char *arm, int64_t block, double now, struct pasta_str *out);
/* `step` is the turn or check, printed. */
void event_slate(const char *session_id, bool check, const char *step, double now, struct pasta_str *out);
void event_answer(const char *session_id, const struct study_answer *answer, double now, struct pasta_str *out);
/* The answer's fields alone, each with a comma in front, less the time that it took: what a next slate may depend on. */
void event_answer_fields(const struct study_answer *answer, struct pasta_str *out);

/* --- reading --- */
/* An object with such fields; the critique is copied into `arena`. The step is not read. */
pasta_status event_answer_read(const char *text, const char *where, struct pasta_arena *arena, struct study_answer *out,
                               struct pasta_err *err) PASTA_MUST_CHECK;
/* What is on show from now on: the turn or check, as it was printed. `where` names it in messages. */
pasta_status event_show(struct study_session *session, bool check, const char *step, const char *where,
                        struct pasta_err *err) PASTA_MUST_CHECK;
/* The study that a journal leads to. A line that cannot be is PASTA_ERR_INPUT with FILE:LINE; a journal without an "open" line, too.
 * *restarts (may be NULL): "open" lines beyond the first. */
pasta_status study_read(const char *path, struct study **out, int64_t *restarts, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
