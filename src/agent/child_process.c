#include "child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pasta/base/progress.h"

extern char **environ;

enum { LONGEST_LINE = 1 << 20, LOOK_MS = 200, CHUNK = 1 << 14, MOST_CHUNKS = 64 };

/* --- starting --- */

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Three pipes; ours never block and are in no other child. */
static bool open_pipes(int pipes[3][2])
{
    for (int i = 0; i < 3; i++)
        if (pipe2(pipes[i], O_CLOEXEC) || fcntl(pipes[i][i == 0], F_SETFL, O_NONBLOCK))
            return false;
    return true;
}

static int spawn(const char *const *argv, int pipes[3][2], pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    for (int i = 0; i < 3; i++)
        posix_spawn_file_actions_adddup2(&files, pipes[i][i != 0], i);
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    const int code = posix_spawnp(pid, argv[0], &files, &attributes, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return code;
}

pasta_status pasta_child_start(const char *const *argv, struct pasta_child *out, struct pasta_err *err)
{
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    struct pasta_child child = {0};
    const int code = open_pipes(pipes) ? spawn(argv, pipes, &child.pid) : errno;
    for (int i = 0; i < 3; i++)
        close_end(&pipes[i][i != 0]);
    if (code) {
        for (int i = 0; i < 3; i++)
            close_end(&pipes[i][i == 0]);
        return pasta_fail(err, PASTA_ERR_FAILED, "cannot run '%s': %s", argv[0], strerror(code));
    }
    child.in = pipes[0][1];
    child.out = pipes[1][0];
    child.err = pipes[2][0];
    *out = child;
    return PASTA_OK;
}

/* --- reading and writing --- */

static void keep_last_words(struct pasta_child *child, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '\n' && child->words.length < sizeof child->last_words - 1) {
            pasta_str_addc(&child->words, text[i] >= 0 && text[i] < ' ' ? ' ' : text[i]);
        } else if (text[i] == '\n' && child->words.length) {
            const char *line = pasta_trim(child->words.data);
            if (*line)
                snprintf(child->last_words, sizeof child->last_words, "%s", line);
            pasta_str_clear(&child->words);
        }
    }
}

/* Reads what is there, of an endless stream a megabyte; one at its end is closed. */
static void read_end(struct pasta_child *child, int *fd)
{
    char bytes[CHUNK];
    for (int chunks = 0; chunks < MOST_CHUNKS && *fd >= 0; chunks++) {
        const ssize_t n = read(*fd, bytes, sizeof bytes);
        if (n > 0 && fd == &child->out)
            pasta_str_addn(&child->answer, bytes, (size_t)n);
        else if (n > 0)
            keep_last_words(child, bytes, (size_t)n);
        else if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        else
            close_end(fd);
    }
}

/* A reader that has gone is told by errno, not by a signal to the whole process. */
static ssize_t write_quietly(int fd, const char *bytes, size_t length)
{
    sigset_t pipe_only, before, waiting;
    const struct timespec at_once = {0};
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&waiting);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    const ssize_t n = write(fd, bytes, length);
    const int code = errno;
    if (n < 0 && code == EPIPE && !sigismember(&waiting, SIGPIPE))
        while (sigtimedwait(&pipe_only, NULL, &at_once) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = code;
    return n;
}

/* --- what went wrong --- */

/* Whether it has ended, which stays to be asked again: its number is not free for another before end_group. */
static bool has_ended(const struct pasta_child *child, siginfo_t *how)
{
    *how = (siginfo_t){0};
    return waitid(P_PID, (id_t)child->pid, how, WEXITED | WNOHANG | WNOWAIT) != 0 || how->si_pid == child->pid;
}

static bool wait_for_end(const struct pasta_child *child, double seconds, siginfo_t *how)
{
    const double until = pasta_now() + seconds;
    const struct timespec pause = {.tv_nsec = 2000000};
    bool ended;
    while (!(ended = has_ended(child, how)) && pasta_now() < until)
        nanosleep(&pause, NULL);
    return ended;
}

/* `what`, and the last words where there are any. */
static pasta_status fail_with_words(struct pasta_child *child, struct pasta_err *err, const char *what)
{
    read_end(child, &child->err);
    keep_last_words(child, "\n", 1);
    const bool any = child->last_words[0];
    return pasta_fail(err, PASTA_ERR_FAILED, "%s%s%s", what, any ? ": " : "", child->last_words);
}

static pasta_status fail_at_end(struct pasta_child *child, struct pasta_err *err)
{
    char what[100];
    siginfo_t how;
    if (!wait_for_end(child, 1, &how) || how.si_pid != child->pid)
        snprintf(what, sizeof what, "the process closed its output");
    else if (how.si_code == CLD_EXITED)
        snprintf(what, sizeof what, "the process ended with exit code %d", how.si_status);
    else
        snprintf(what, sizeof what, "the process was ended by signal %d (%s)", how.si_status, strsignal(how.si_status));
    return fail_with_words(child, err, what);
}

/* --- a line each way --- */

/* Takes the line that was read, if it is whole. */
static pasta_status take_line(struct pasta_child *child, struct pasta_str *line, bool *whole, struct pasta_err *err)
{
    const struct pasta_str *answer = &child->answer;
    const char *newline = answer->length ? memchr(answer->data, '\n', answer->length) : NULL;
    *whole = newline != NULL;
    if (!newline && answer->length > LONGEST_LINE)
        return fail_with_words(child, err, "expected a line, found a megabyte without an end of line");
    if (!newline)
        return PASTA_OK;
    const size_t length = (size_t)(newline - answer->data);
    if (length + 1 != answer->length)
        return pasta_fail(err, PASTA_ERR_FAILED, "expected one line for each question, found more after '%.*s'",
                          length < 80 ? (int)length : 80, answer->data);
    pasta_str_clear(line);
    pasta_str_addn(line, answer->data, length);
    pasta_str_clear(&child->answer);
    return PASTA_OK;
}

/* Waits until something can be read, or written while any of the question is left. False: nothing for a while. */
static bool wait_for_any(struct pasta_child *child, bool writing, double seconds)
{
    struct pollfd ends[] = {{child->out, POLLIN, 0}, {child->err, POLLIN, 0}, {writing ? child->in : -1, POLLOUT, 0}};
    const int ms = seconds * 1000 < LOOK_MS ? (int)(seconds * 1000) + 1 : LOOK_MS;
    return poll(ends, 3, ms) != 0;
}

pasta_status pasta_child_ask(struct pasta_child *child, const char *question, size_t length, double timeout, struct pasta_str *line,
                             struct pasta_err *err)
{
    const double until = pasta_now() + timeout;
    bool whole = false, quiet = false;
    char what[100];
    pasta_status status;
    while ((status = take_line(child, line, &whole, err)) == PASTA_OK && !whole) {
        const double left = until - pasta_now();
        if (child->out < 0)
            return fail_at_end(child, err);
        if (quiet && pasta_stop_asked())
            return pasta_fail(err, PASTA_ERR_STOPPED, "stopped while it was asked; --resume goes on from here");
        if (left <= 0) {
            snprintf(what, sizeof what, "no answer within %g s", timeout);
            return fail_with_words(child, err, what);
        }
        quiet = !wait_for_any(child, length > 0, left);
        if (length) {
            const ssize_t n = write_quietly(child->in, question, length);
            if (n < 0 && errno != EAGAIN && errno != EINTR)
                length = 0; /* it does not listen: what it says or how it ended tells more */
            else if (n > 0)
                question += n, length -= (size_t)n;
        }
        read_end(child, &child->out);
        read_end(child, &child->err);
    }
    return status;
}

pasta_status pasta_child_line(struct pasta_child *child, double timeout, struct pasta_str *line, struct pasta_err *err)
{
    return pasta_child_ask(child, NULL, 0, timeout, line, err);
}

bool pasta_child_is_ready(struct pasta_child *child)
{
    siginfo_t how;
    read_end(child, &child->out);
    return child->out >= 0 && !child->answer.length && !has_ended(child, &how);
}

/* --- ending --- */

void pasta_child_end(struct pasta_child *child, double patience)
{
    siginfo_t how;
    if (!child->pid)
        return;
    close_end(&child->in);
    if (!wait_for_end(child, patience, &how)) {
        kill(-child->pid, SIGTERM);
        wait_for_end(child, patience, &how);
    }
    kill(-child->pid, SIGKILL); /* whoever is left of its group */
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close_end(&child->out);
    close_end(&child->err);
    pasta_str_release(&child->answer);
    pasta_str_release(&child->words);
    *child = (struct pasta_child){0};
}
