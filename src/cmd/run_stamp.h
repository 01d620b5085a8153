/* run_stamp.h: settings.json, what a resumable run was started with, so that --resume never mixes two runs in one folder.
 *
 * Holds the program and its version, the resolved configuration and the SHA-256 of each input; of the configuration not what no byte depends
 * on: the number of threads, how and at which address services are asked (http.*, generator.url, t2i.url), and how and at which address a
 * study is served (study.preparers, study.connections, study.requests_per_minute, study.public_url).
 */
#ifndef PASTA_CMD_RUN_STAMP_H
#define PASTA_CMD_RUN_STAMP_H
#include "pasta/base/options.h"
#include "pasta/io/manifest.h"

#define PASTA_STAMP_HASH "sha256:"
struct pasta_stamp_input {
    const char *name, *path; /* what it is for; a file, "" where none is given, or PASTA_STAMP_HASH and the hash, where that is known */
};
/* Writes DIR/settings.json where there is none yet, else compares: a difference is PASTA_ERR_USAGE that shows the first line of it. */
pasta_status pasta_run_stamp(const struct pasta_context *context, const struct pasta_stamp_input *inputs, int n_inputs,
                             struct pasta_err *err) PASTA_MUST_CHECK;
/* The inputs that are files, for the manifest. */
pasta_status pasta_stamp_manifest(const struct pasta_stamp_input *inputs, int n_inputs, struct pasta_manifest *manifest,
                                  struct pasta_err *err) PASTA_MUST_CHECK;
#endif
