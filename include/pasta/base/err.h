/* err.h: how every function of the project reports failure.
 *
 * A function that can fail returns a pasta_status and takes a `struct pasta_err *` last. The
 * struct is untouched on success and holds the first cause on failure; outputs are written on
 * success only. Library code never prints and never exits (memory exhaustion, mem.h, apart).
 *
 *     struct pasta_err err = {0};
 *     if (pasta_file_read(path, &text, &err) != PASTA_OK)
 *         return err.status;
 *
 * Messages are lower case without a full stop: subject quoted, what was expected, what was
 * found, a hint. Bad data names its place: `FILE:LINE: field: expected X, found Y`.
 */
#ifndef PASTA_BASE_ERR_H
#define PASTA_BASE_ERR_H

#ifdef __cplusplus
extern "C" {
#endif

#define PASTA_MUST_CHECK __attribute__((warn_unused_result))
#define PASTA_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

typedef enum pasta_status {
    PASTA_OK = 0,
    PASTA_ERR_FAILED,  /* the operation failed for a reason that is neither usage nor data */
    PASTA_ERR_IO,      /* the operating system refused: permissions, full disk */
    PASTA_ERR_USAGE,   /* a flag, config key or value */
    PASTA_ERR_INPUT,   /* data, images, model files: missing, broken or empty */
    PASTA_ERR_CHECK,   /* a requested check was not met */
    PASTA_ERR_STOPPED, /* interrupted after a checkpoint; --resume goes on */
} pasta_status;

/* Exit codes of every binary. */
enum pasta_exit {
    PASTA_EXIT_OK = 0,
    PASTA_EXIT_FAILED = 1,
    PASTA_EXIT_USAGE = 2,
    PASTA_EXIT_INPUT = 3,
    PASTA_EXIT_CHECK = 4,
    PASTA_EXIT_STOPPED = 75, /* EX_TEMPFAIL of sysexits.h */
};

struct pasta_err {
    pasta_status status; /* PASTA_OK until the first failure */
    char message[1000];
};

/* Records the first cause in `err` (which may be NULL) and returns `status`, so that callers
 * can write `return pasta_fail(err, PASTA_ERR_INPUT, "...")`. Later causes are dropped. */
pasta_status pasta_fail(struct pasta_err *err, pasta_status status, const char *fmt, ...)
    PASTA_PRINTF(3, 4);

/* As pasta_fail with ": strerror(errno)" appended and status PASTA_ERR_IO, or PASTA_ERR_INPUT
 * when errno is ENOENT, ENOTDIR or EISDIR. */
pasta_status pasta_fail_errno(struct pasta_err *err, const char *fmt, ...) PASTA_PRINTF(2, 3);

/* Puts "PREFIX: " before the recorded message (for context added on the way up). */
void pasta_err_prefix(struct pasta_err *err, const char *fmt, ...) PASTA_PRINTF(2, 3);

/* The exit code that stands for a status. */
enum pasta_exit pasta_status_exit(pasta_status status);

#ifdef __cplusplus
}
#endif
#endif
