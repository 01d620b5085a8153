/* journal.h: a file of lines that only grows, shared by many threads: what was appended and synced outlives a kill and a power cut.
 *
 *     journal_open("runs/study/journal.jsonl", &journal, &err);
 *     journal_append(journal, line.data, line.length, &end, &err);      // under the caller's lock, where the order of lines matters
 *     journal_sync(journal, end, &err);                                 // outside of it: threads that wait together share one sync
 *     journal_close(journal);
 *
 * One process at a time has a journal open; others may read it. A last line without its newline was never synced, and is cut off when the
 * journal is opened.
 */
#ifndef PASTA_SRC_STUDY_JOURNAL_H
#define PASTA_SRC_STUDY_JOURNAL_H
#include <stddef.h>
#include <stdint.h>
#include "pasta/base/err.h"

struct journal;
/* Makes the file where there is none. PASTA_ERR_USAGE: another process has it open. */
pasta_status journal_open(const char *path, struct journal **out, struct pasta_err *err) PASTA_MUST_CHECK;
/* PASTA_ERR_USAGE as above, at this moment; a file that is not there is open nowhere. */
pasta_status journal_unused(const char *path, struct pasta_err *err) PASTA_MUST_CHECK;
void journal_close(struct journal *journal); /* NULL is legal */
/* Whole lines, or nothing: after a failure (a full disk) the file is as long as before, and later lines may be tried. *end: for
 * journal_sync. */
pasta_status journal_append(struct journal *journal, const char *lines, size_t length, int64_t *end,
                            struct pasta_err *err) PASTA_MUST_CHECK;
int64_t journal_written(struct journal *journal); /* where the last appended line ends */
/* Returns once everything up to `end` is on disk. After a failed sync nothing that was not synced before is ever taken for synced. */
pasta_status journal_sync(struct journal *journal, int64_t end, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
