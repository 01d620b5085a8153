/* reply_cache.h: replies in a folder by their question's key, for this run and the next: CACHE/ab/KEY.gz, one exchange (exchange.h)
 * each.
 */
#ifndef PASTA_SRC_IO_REPLY_CACHE_H
#define PASTA_SRC_IO_REPLY_CACHE_H
#include "exchange.h"

/* Replaces `reply` where the folder has one. An entry that is missing, damaged or another question's is not found. */
pasta_status reply_cache_find(const char *folder, const struct exchange *e, bool *found, struct pasta_str *reply,
                              struct pasta_err *err) PASTA_MUST_CHECK;
/* Keeps a reply, whole or not at all; one that is there and good stays. Folders are made. */
pasta_status reply_cache_keep(const char *folder, const struct exchange *e, const struct pasta_str *reply,
                              struct pasta_err *err) PASTA_MUST_CHECK;
#endif
