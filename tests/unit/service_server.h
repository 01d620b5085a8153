/* service_server.h: what the tests of services share: a folder, the misbehaving server with a script, questions to it, and its log. */
#ifndef PASTA_TESTS_SERVICE_SERVER_H
#define PASTA_TESTS_SERVICE_SERVER_H
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pasta/base/mem.h"
#include "pasta/base/progress.h"
#include "pasta/io/file.h"
#include "pasta/io/service.h"

#define SECRET "sk-0123456789-do-not-tell"

static char folder[64];
static struct { pid_t pid; int port; } server;

static const char *path_of(const char *name)
{
    static char paths[8][256];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder, name);
    return paths[turn];
}

static void write_text(const char *name, const char *text)
{
    struct pasta_err err = {0};
    assert_int_equal(pasta_file_write(path_of(name), text, strlen(text), &err), PASTA_OK);
}

static int setup(void **state)
{
    static const char *const proxies[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"};
    (void)state;
    alarm(120); /* what waits for ever is a failure too */
    for (size_t i = 0; i < sizeof proxies / sizeof *proxies; i++)
        unsetenv(proxies[i]);
    strcpy(folder, "/tmp/pasta-service-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    write_text("good.json", "{\"answer\": 42}");
    return 0;
}

static void server_stop(void)
{
    if (server.pid) {
        kill(server.pid, SIGKILL);
        waitpid(server.pid, NULL, 0);
    }
    server.pid = 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    server_stop();
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void server_exec(int out)
{
    char place[300], program[320];
    ssize_t n = readlink("/proc/self/exe", place, sizeof place - 1);
    place[n > 0 ? n : 0] = '\0';
    for (int up = 0; up < 3; up++) /* from BUILD/tests/unit/NAME */
        *strrchr(place, '/') = '\0';
    snprintf(program, sizeof program, "%s/bad-server", place);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out, STDOUT_FILENO);
    if (chdir(folder) == 0)
        execl(program, program, "--script", "script", "--log", "log", (char *)NULL);
    _exit(127);
}

/* A server with this script, in place of the one before; bodies are files in the folder. */
static void server_start(const char *script)
{
    int ends[2];
    char text[16] = {0};
    server_stop();
    write_text("script", script);
    assert_int_equal(pipe(ends), 0);
    server.pid = fork();
    if (server.pid == 0)
        server_exec(ends[1]);
    close(ends[1]);
    for (size_t n = 0; n < sizeof text - 1 && !strchr(text, '\n'); n++)
        assert_int_equal(read(ends[0], text + n, 1), 1);
    close(ends[0]);
    server.port = atoi(text);
}

static const char *url_of(const char *path)
{
    static _Thread_local char urls[8][128];
    static _Thread_local int turn;
    turn = (turn + 1) % 8;
    snprintf(urls[turn], sizeof urls[turn], "http://127.0.0.1:%d%s", server.port, path);
    return urls[turn];
}

/* The caller frees it. */
static char *log_text(void)
{
    struct pasta_err err = {0};
    struct pasta_str text = {0};
    assert_int_equal(pasta_file_read(path_of("log"), &text, &err), PASTA_OK);
    return pasta_str_take(&text);
}

static int count_in(const char *text, const char *words)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, words)); p += strlen(words))
        n++;
    return n;
}

static int requests(void)
{
    char *text = log_text();
    int n = count_in(text, "=== request ");
    free(text);
    return n;
}

static struct pasta_http_settings settings_for_tests(void)
{
    return (struct pasta_http_settings){
        .timeout = 20, .retries = 3, .backoff = 0.01, .wait_max = 10, .in_flight = 4, .reply_max = 1, .cache = ""};
}

static struct pasta_question question(const char *body)
{
    return (struct pasta_question){.kind = PASTA_SERVICE_CHAT, .url = url_of("/v1/chat/completions"), .authorization = "Bearer " SECRET,
                                   .body = body, .expect = "application/json"};
}

static struct pasta_service *service_open(const struct pasta_http_settings *settings, struct pasta_service_files files)
{
    struct pasta_service *s;
    struct pasta_err err = {0};
    if (pasta_service_open(settings, &files, &s, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return s;
}
#endif
