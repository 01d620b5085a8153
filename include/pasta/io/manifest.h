/* manifest.h: manifest.json, written last, so that a run folder without one is known to be unfinished.
 *
 * Holds arguments, project version and commit, library versions, the resolved configuration, seed, SHA-256 of every input, counts
 * of what was read and written, notes, the sides of splits, wall time, and SHA-256 of every output. A folder is hashed as one:
 * `find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum` within it, hidden files left out.
 *
 *     struct pasta_manifest *m = pasta_manifest_new("pasta-collect", argc, argv, &config);
 *     pasta_manifest_input(m, prompts, &err);
 *     pasta_manifest_output(m, out, "sessions.jsonl", &err);
 *     pasta_manifest_write(m, out, &err);
 */
#ifndef PASTA_IO_MANIFEST_H
#define PASTA_IO_MANIFEST_H
#include <stdint.h>
#include "pasta/base/err.h"
struct pasta_manifest;
struct pasta_config;
struct pasta_id_set;
struct pasta_manifest *pasta_manifest_new(const char *program, int argc, char *const *argv, const struct pasta_config *config);
void pasta_manifest_library(struct pasta_manifest *m, const char *name, const char *version);
/* a file, or a folder: its manifest.json, else its files */
pasta_status pasta_manifest_input(struct pasta_manifest *m, const char *path, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_manifest_output(struct pasta_manifest *m, const char *dir, const char *name, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_manifest_count(struct pasta_manifest *m, const char *name, int64_t count);
/* What a reader of the results has to know beside them; `json` is the text of a value. */
void pasta_manifest_note(struct pasta_manifest *m, const char *name, const char *json);
/* A side of a split: how many ids, and their hash (id_set.h). The set is sorted. */
void pasta_manifest_split(struct pasta_manifest *m, const char *side, const struct pasta_id_set *ids);
pasta_status pasta_manifest_write(struct pasta_manifest *m, const char *dir, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_manifest_free(struct pasta_manifest *m);
#endif
