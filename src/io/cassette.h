/* cassette.h: what was asked and answered in a run, to run it again without a service.
 *
 * A cassette is exchanges (exchange.h), each once, in the order of their keys: the same exchanges are the same bytes, whoever asked first.
 * Compressed where its name ends in .gz. While it is recorded, PATH.partial holds plain lines in the order in which they came.
 */
#ifndef PASTA_SRC_IO_CASSETTE_H
#define PASTA_SRC_IO_CASSETTE_H
#include "exchange_lines.h"

/* Opens a cassette for reading; its lines are inflated into a temporary file ($TMPDIR or /tmp) that has no name, so that memory holds
 * none of them. PASTA_ERR_INPUT: a line is broken, or there is none. */
pasta_status cassette_open(const char *path, struct exchange_lines *out, struct pasta_err *err) PASTA_MUST_CHECK;

struct recording; /* safe from several threads */
/* With `resume` it goes on with PATH.partial, or with PATH where that run had got so far. */
pasta_status recording_open(const char *path, bool resume, struct recording **out, struct pasta_err *err) PASTA_MUST_CHECK;
/* The reply recorded before, if any; replaces `reply`. */
pasta_status recording_find(struct recording *r, const char key[65], bool *found, struct pasta_str *reply,
                            struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status recording_add(struct recording *r, const struct exchange *e, const struct pasta_str *reply,
                           struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status recording_finish(struct recording *r, struct pasta_err *err) PASTA_MUST_CHECK; /* writes PATH, removes PATH.partial */
void recording_free(struct recording *r); /* NULL is legal */
#endif
