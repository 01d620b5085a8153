/* run_stamp.h: settings.json, what a resumable run was started with, so that --resume never mixes two runs in one folder.
 *
 * Holds the program and its version, the resolved configuration (less the number of threads, on which no byte depends) and the SHA-256 of
 * each input.
 */
#ifndef PASTA_CMD_RUN_STAMP_H
#define PASTA_CMD_RUN_STAMP_H
#include "pasta/base/options.h"

#define PASTA_STAMP_HASH "sha256:"
struct pasta_stamp_input {
    const char *name, *path; /* what it is for; a file, "" where none is given, or PASTA_STAMP_HASH and the hash, where that is known */
};
/* Writes DIR/settings.json where there is none yet, else compares: a difference is PASTA_ERR_USAGE that shows the first line of it. */
pasta_status pasta_run_stamp(const struct pasta_context *context, const struct pasta_stamp_input *inputs, int n_inputs,
                             struct pasta_err *err) PASTA_MUST_CHECK;
#endif
