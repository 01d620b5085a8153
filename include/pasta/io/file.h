/* file.h: files that appear whole or not at all.
 *
 *     struct pasta_out out;
 *     pasta_out_open(&out, "runs/x/sessions.jsonl", &err);
 *     pasta_out_write(&out, text, length, &err);
 *     pasta_out_commit(&out, &err);        // flush, fsync, rename
 *     pasta_out_abort(&out);               // after commit: nothing; otherwise removes the temporary
 *
 * The temporary file lies beside its target (`.NAME.tmp.PID.N`), so the rename is atomic. A path ending in
 * `.gz` is compressed. Errors keep the system's reason ("No space left on device").
 */
#ifndef PASTA_IO_FILE_H
#define PASTA_IO_FILE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "pasta/base/err.h"
#include "pasta/base/json.h"
#include "pasta/base/str.h"

struct pasta_out {
    char *path, *temporary;
    void *file;                   /* FILE* */
    struct pasta_gz_writer *gzip; /* NULL: written as it is */
    bool open;
};
/* A failed write or commit has already removed the temporary file; what follows fails too, and keeps the first cause. */
pasta_status pasta_out_open(struct pasta_out *out, const char *path, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_out_write(struct pasta_out *out, const void *bytes, size_t length, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_out_commit(struct pasta_out *out, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_out_abort(struct pasta_out *out); /* legal on a zeroed struct and after commit */

/* Whole files. Reading replaces `out`, knows gzip by its content, and reports truncated or damaged streams, or a `.gz`
 * that is none, as PASTA_ERR_INPUT. */
pasta_status pasta_file_read(const char *path, struct pasta_str *out, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_file_write(const char *path, const void *bytes, size_t length, struct pasta_err *err) PASTA_MUST_CHECK;
/* A file that holds one JSON object, parsed as pasta_json_parse does; the caller deletes the tree. */
pasta_status pasta_json_read(const char *path, cJSON **out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Atomic but without fsync: for the thousands of content-addressed images, which are checked on reading.
 * Never compresses. The folder must exist. Safe when threads write the same path: one whole file wins. */
pasta_status pasta_file_write_lazy(const char *path, const void *bytes, size_t length, struct pasta_err *err) PASTA_MUST_CHECK;
bool pasta_file_exists(const char *path); /* a file or a folder */
/* Makes a folder and its parents; one that is there already is fine. */
pasta_status pasta_mkdirs(const char *path, struct pasta_err *err) PASTA_MUST_CHECK;

/* Prepares a run folder. Without `force` or `resume`, a folder that has anything in it is refused
 * (PASTA_ERR_USAGE, naming both flags). `force` removes what the run of this kind wrote before: the
 * names listed in `owned` (NULL-terminated; files, or folders named with a final '/'), never anything else, and
 * manifest.json before all, settings.json after all; a folder that has neither of these two, but such a name, is somebody's own and is
 * refused (PASTA_ERR_USAGE). With `resume`, *complete tells whether manifest.json is already there. Temporary files that a killed
 * run left (in the folder, with `force` or `resume` in the owned folders too) are removed. */
pasta_status pasta_run_dir(const char *path, bool force, bool resume, const char *const *owned,
                           bool *complete, struct pasta_err *err) PASTA_MUST_CHECK;

/* Lines of a text file, plain or gzip; any length; a final line without newline counts. */
struct pasta_lines {
    struct pasta_lines_buffer *buffer;
    char *path;
    int64_t number;       /* of the line last returned, from 1 */
    struct pasta_str line; /* without its newline (or CR LF) */
};
pasta_status pasta_lines_open(struct pasta_lines *lines, const char *path, struct pasta_err *err) PASTA_MUST_CHECK;
/* *more is false at the end. A truncated or corrupt gzip stream is PASTA_ERR_INPUT naming path and line. */
pasta_status pasta_lines_next(struct pasta_lines *lines, bool *more, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_lines_close(struct pasta_lines *lines); /* legal on a zeroed struct */
#endif
