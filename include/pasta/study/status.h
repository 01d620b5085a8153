/* status.h: how a study is getting on, read from its journal, and its end.
 *
 *     pasta_study_status("runs/study", false, &text, &err);     // also while a server runs
 *     pasta_study_finish("runs/study", &sessions, &err);        // when none does
 */
#ifndef PASTA_STUDY_STATUS_H
#define PASTA_STUDY_STATUS_H
#include <stdbool.h>
#include <stdint.h>
#include "pasta/base/err.h"
#include "pasta/base/str.h"

/* Appends sessions done, under way and abandoned, by arm, the raters that came, rates and times: one JSON object on a line, or lines to
 * read. */
pasta_status pasta_study_status(const char *dir, bool json, struct pasta_str *out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Whether DIR holds a study: what people answered in it is not to be mixed with anything else. */
bool pasta_study_is_there(const char *dir);
/* How many answers of people the journal in DIR holds; 0 where there is none. */
pasta_status pasta_study_answers(const char *dir, int64_t *answers, struct pasta_err *err) PASTA_MUST_CHECK;
/* PASTA_ERR_USAGE: a server has the study in DIR open, so nothing there may be touched. */
pasta_status pasta_study_unserved(const char *dir, struct pasta_err *err) PASTA_MUST_CHECK;
/* Writes sessions.jsonl for good: the sessions that have ended, and, of those under way or abandoned, the turns that were answered.
 * PASTA_ERR_FAILED: nobody has answered anything. */
pasta_status pasta_study_finish(const char *dir, int64_t *sessions, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
