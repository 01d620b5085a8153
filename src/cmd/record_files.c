#include "record_files.h"

#include <stdlib.h>

#include "pasta/base/log.h"

const char *records_skip_bad;

static pasta_status allowed(int64_t *n, struct pasta_err *err)
{
    char *end = NULL;
    *n = records_skip_bad ? strtoll(records_skip_bad, &end, 10) : 0;
    if (end && (end == records_skip_bad || *end || *n < 0))
        return pasta_fail(err, PASTA_ERR_USAGE, "--skip-bad: expected a whole number from 0, found '%s'", records_skip_bad);
    return PASTA_OK;
}

#define READER(function, reader, list)                                                        \
    pasta_status function(const char *path, struct list *out, struct pasta_err *err)          \
    {                                                                                         \
        int64_t n, skipped = 0;                                                               \
        pasta_status status = allowed(&n, err);                                               \
        if (status == PASTA_OK)                                                               \
            status = reader(path, n, &skipped, out, err);                                     \
        if (status == PASTA_OK && skipped)                                                    \
            pasta_warn("%s: passed over %lld bad lines", path, (long long)skipped);           \
        return status;                                                                        \
    }
READER(records_sessions, pasta_sessions_read, pasta_sessions)
READER(records_preferences, pasta_preferences_read, pasta_preferences)
READER(records_ratings, pasta_ratings_read, pasta_ratings)
READER(records_rankings, pasta_rankings_read, pasta_rankings)
