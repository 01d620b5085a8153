/* child_process.h: a program that is asked over its standard input and answers on its standard output, a line each.
 *
 *     struct pasta_child child;
 *     pasta_child_start(argv, &child, &err);
 *     pasta_child_line(&child, 120, &line, &err);                       // its first words
 *     pasta_child_ask(&child, question, length, 120, &line, &err);      // line.data is the answer, without its newline
 *     pasta_child_end(&child, 1);
 *
 * It gets its three standard files and no others, a process group of its own (so that Ctrl-C is ours to act on), and the default signals.
 * What it writes to its standard error is read and passed over, but for the last line, which is the reason that a failure is told with.
 * One thread at a time.
 */
#ifndef PASTA_SRC_AGENT_CHILD_PROCESS_H
#define PASTA_SRC_AGENT_CHILD_PROCESS_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "pasta/base/err.h"
#include "pasta/base/str.h"

struct pasta_child {
    pid_t pid;                 /* 0: none is running */
    int in, out, err;          /* our ends: its input, output and standard error; -1: closed */
    struct pasta_str answer;   /* read and not taken yet */
    struct pasta_str words;    /* the line of standard error that is being written */
    char last_words[200];      /* the last whole one that is not blank */
};

/* argv[0] without a '/' is looked for in PATH. PASTA_ERR_FAILED where it cannot be run. */
pasta_status pasta_child_start(const char *const *argv, struct pasta_child *out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Waits for a line, without asking or after writing `length` bytes of question; replaces `line`. PASTA_ERR_FAILED: no line within
 * `timeout` seconds, it ended, or it wrote more than one line or a line without end. PASTA_ERR_STOPPED: a stop was asked for (progress.h)
 * meanwhile. After either it is of no further use. */
pasta_status pasta_child_line(struct pasta_child *child, double timeout, struct pasta_str *line, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_child_ask(struct pasta_child *child, const char *question, size_t length, double timeout, struct pasta_str *line,
                             struct pasta_err *err) PASTA_MUST_CHECK;
/* Nothing unasked from it, and it has not ended. */
bool pasta_child_is_ready(struct pasta_child *child);
/* Closes its input, so that it ends by itself; after `patience` seconds, SIGTERM; after the same again, SIGKILL. Legal where none is
 * running. */
void pasta_child_end(struct pasta_child *child, double patience);
#endif
