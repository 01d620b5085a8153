/* records.h: the loop that every kind of record is read by. */
#ifndef PASTA_IO_RECORDS_H
#define PASTA_IO_RECORDS_H
#include <stddef.h>
#include <stdint.h>
#include "pasta/base/err.h"

/* Parses one line and appends it to what `out` is; leaves it as it was on failure. */
typedef pasta_status (*pasta_record_fn)(void *out, const char *line, size_t length, const char *where, struct pasta_err *err);

/* Calls parse for every line that is not blank. Up to skip_bad lines may be PASTA_ERR_INPUT; *skipped (may be NULL) counts
 * them. A file without a good record is PASTA_ERR_INPUT. On failure *n, the number of records in `out`, is what it was. */
pasta_status pasta_records_read(const char *path, int64_t skip_bad, int64_t *skipped, pasta_record_fn parse, void *out,
                                size_t *n, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
