#include "served.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "webdriver.h"

enum { MOST_ARGUMENTS = 64 };

static void become(const struct served *s, int out)
{
    char *address = pasta_asprintf("127.0.0.1:%d", s->port);
    const char *argv[MOST_ARGUMENTS + 8] = {s->binary};
    int n = 1;
    while (s->arguments[n - 1] && n < MOST_ARGUMENTS) {
        argv[n] = s->arguments[n - 1];
        n++;
    }
    const char *const rest[] = {"--serve", address, "--out", s->out, s->port ? "--resume" : "--quiet"};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        argv[n++] = rest[i];
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves no server behind */
    dup2(out, STDOUT_FILENO);
    execv(s->binary, (char *const *)argv);
    perror(s->binary);
    _exit(127);
}

void served_start(struct served *s)
{
    int ends[2];
    char line[256];
    if (pipe(ends) != 0 || (s->pid = fork()) < 0)
        browser_fail("no child for %s", s->binary);
    if (s->pid == 0) {
        close(ends[0]);
        become(s, ends[1]);
    }
    close(ends[1]);
    FILE *said = fdopen(ends[0], "r");
    int port = 0;
    if (!said || !fgets(line, sizeof line, said) || sscanf(line, "http://127.0.0.1:%d", &port) != 1)
        browser_fail("%s --serve does not say where it listens", s->binary);
    if (s->port && port != s->port)
        browser_fail("started again on port %d, expected %d", port, s->port);
    s->port = port;
    s->said = dup(ends[0]);
    fclose(said);
}

void served_kill(struct served *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
    close(s->said);
}

int served_wait(struct served *s)
{
    int status = -1;
    const double end = browser_seconds() + 30;
    while (waitpid(s->pid, &status, WNOHANG) == 0) {
        if (browser_seconds() > end) {
            served_kill(s);
            browser_fail("every session is done, and the server has not ended");
        }
        usleep(20000);
    }
    s->pid = 0;
    close(s->said);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

char *served_link(const struct served *s, int rater, char **name)
{
    struct pasta_lines lines = {0};
    struct pasta_err err = {0};
    char *path = pasta_path_join(s->out, "links.tsv"), *url = NULL;
    bool more = false;
    if (pasta_lines_open(&lines, path, &err) != PASTA_OK)
        browser_fail("%s", err.message);
    for (int row = -1; row <= rater; row++)
        if (pasta_lines_next(&lines, &more, &err) != PASTA_OK || !more)
            browser_fail("%s: expected a row for rater %d", path, rater);
    char *tab = strchr(lines.line.data, '\t');
    if (!tab)
        browser_fail("%s: expected a name and a link, found '%s'", path, lines.line.data);
    *name = pasta_strndup(lines.line.data, (size_t)(tab - lines.line.data));
    url = pasta_strdup(tab + 1);
    pasta_lines_close(&lines);
    free(path);
    return url;
}
