/* record_files.h: reading record files as every stage does, with its one flag, --skip-bad. */
#ifndef PASTA_CMD_RECORD_FILES_H
#define PASTA_CMD_RECORD_FILES_H
#include "pasta/base/mem.h"
#include "pasta/base/options.h"
#include "pasta/io/record.h"

extern const char *records_skip_bad; /* the flag's value */
/* The flag's row in a command's table. */
#define RECORDS_SKIP_BAD \
    {"skip-bad", PASTA_OPT_STRING, &records_skip_bad, "N", "pass over up to N bad lines of each record file (0), and say how many", NULL}

/* As the readers of io/record.h; append to out, and warn of what was passed over. A file of the same bytes, or a session, that this
 * process has read before is PASTA_ERR_INPUT: it would count twice. Not for several threads. */
pasta_status records_sessions(const char *path, struct pasta_sessions *out, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status records_preferences(const char *path, struct pasta_preferences *out, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status records_ratings(const char *path, struct pasta_ratings *out, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status records_rankings(const char *path, struct pasta_rankings *out, struct pasta_err *err) PASTA_MUST_CHECK;

/* ROOT/images/ab/ID.png, or the same with another image format's ending, where there is such a file. */
const char *record_image_path(struct pasta_arena *arena, const char *root, const char *id);
#endif
