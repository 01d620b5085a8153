/* bench_child.c: other processes that measure themselves: a line asks, a line answers. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

void bench_child_stop(struct bench_child *c)
{
    if (c->ask)
        fclose(c->ask); /* the child reads the end and leaves */
    if (c->answer)
        fclose(c->answer);
    if (c->pid > 0)
        waitpid(c->pid, NULL, 0);
    *c = (struct bench_child){0};
}

pasta_status bench_child_start(struct bench_child *c, const char *program, char **argv, char **env, struct pasta_err *err)
{
    int to[2], from[2];
    posix_spawn_file_actions_t actions;
    signal(SIGPIPE, SIG_IGN); /* a child that died is an error, not the end */
    if (pipe2(to, O_CLOEXEC) != 0)
        return pasta_fail_errno(err, "pipe");
    if (pipe2(from, O_CLOEXEC) != 0) {
        close(to[0]);
        close(to[1]);
        return pasta_fail_errno(err, "pipe");
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
    const int failure = posix_spawnp(&c->pid, program, &actions, NULL, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    close(to[0]);
    close(from[1]);
    c->ask = fdopen(to[1], "w");
    c->answer = fdopen(from[0], "r");
    if (failure) {
        c->pid = 0;
        errno = failure;
        return pasta_fail_errno(err, "cannot start %s", program);
    }
    if (!fgets(c->greeting, sizeof c->greeting, c->answer))
        return pasta_fail(err, PASTA_ERR_FAILED, "%s said nothing", program);
    c->greeting[strcspn(c->greeting, "\n")] = '\0';
    return PASTA_OK;
}
