/* A journal: whole lines or none, through torn ends, full disks and many threads; one process at a time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/study/journal.h"
#include "pasta/base/str.h"
#include "study_made.h"

static struct journal *opened(const char *name)
{
    struct journal *journal = NULL;
    struct pasta_err err = {0};
    assert_int_equal(journal_open(path_of(name), &journal, &err), PASTA_OK);
    return journal;
}

static pasta_status append(struct journal *journal, const char *text, int64_t *end)
{
    struct pasta_err err = {0};
    return journal_append(journal, text, strlen(text), end, &err);
}

static void assert_holds(const char *name, const char *text)
{
    struct pasta_str bytes = {0};
    struct pasta_err err = {0};
    assert_int_equal(pasta_file_read(path_of(name), &bytes, &err), PASTA_OK);
    assert_string_equal(bytes.data, text);
    pasta_str_release(&bytes);
}

static void torn_line_is_cut(void **state)
{
    (void)state;
    struct { const char *before, *after; } cases[] = {
        {"", ""}, {"one\n", "one\n"}, {"one\ntwo", "one\n"}, {"torn", ""}, {"one\n\n", "one\n\n"}, {"one\ntwo\n", "one\ntwo\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t end = -1;
        write_text("torn", cases[i].before, strlen(cases[i].before));
        struct journal *journal = opened("torn");
        assert_int_equal(journal_written(journal), strlen(cases[i].after));
        assert_holds("torn", cases[i].after);
        assert_int_equal(append(journal, "new\n", &end), PASTA_OK);
        assert_int_equal(end, strlen(cases[i].after) + 4);
        journal_close(journal);
    }
    /* a torn line that is longer than what is read at once, behind whole lines and alone */
    struct pasta_str text = {0};
    for (int i = 0; i < 10000; i++)
        pasta_str_addc(&text, 'x');
    write_text("torn", text.data, text.length);
    journal_close(opened("torn"));
    assert_holds("torn", "");
    text.data[1234] = '\n';
    write_text("torn", text.data, text.length);
    struct journal *journal = opened("torn");
    assert_int_equal(journal_written(journal), 1235);
    journal_close(journal);
    pasta_str_release(&text);
}

static void one_process_at_a_time(void **state)
{
    (void)state;
    struct journal *second = NULL;
    struct pasta_err err = {0};
    assert_int_equal(journal_unused(path_of("locked"), &err), PASTA_OK); /* not there */
    assert_false(pasta_file_exists(path_of("locked")));
    struct journal *first = opened("locked");
    assert_int_equal(journal_open(path_of("locked"), &second, &err), PASTA_ERR_USAGE);
    assert_non_null(strstr(err.message, "one server at a time"));
    assert_int_equal(journal_unused(path_of("locked"), NULL), PASTA_ERR_USAGE);
    journal_close(first);
    assert_int_equal(journal_unused(path_of("locked"), NULL), PASTA_OK);
    journal_close(opened("locked"));
    err = (struct pasta_err){0};
    assert_int_equal(journal_open(path_of("no/folder"), &second, &err), PASTA_ERR_INPUT);
    assert_int_equal(journal_open(folder, &second, NULL), PASTA_ERR_INPUT);
    journal_close(NULL);
}

enum { THREADS = 8, LINES = 200 };
struct writer { struct journal *journal; int number; };

static void *write_lines(void *ctx)
{
    const struct writer *w = ctx;
    for (int i = 0; i < LINES; i++) {
        struct pasta_err err = {0};
        char line[300];
        int64_t end = 0;
        const int length = snprintf(line, sizeof line, "%d %d %.*s\n", w->number, i, (w->number * 31 + i * 7) % 250,
                                    "................................................................................................................"
                                    "................................................................................................................"
                                    "..........................");
        if (journal_append(w->journal, line, (size_t)length, &end, &err) != PASTA_OK || end < length ||
            (i % 8 == 0 && journal_sync(w->journal, end, &err) != PASTA_OK))
            return "failed";
    }
    return NULL;
}

static void threads_write_whole_lines(void **state)
{
    (void)state;
    struct journal *journal = opened("threads");
    struct writer writers[THREADS];
    pthread_t threads[THREADS];
    int next[THREADS] = {0}, lines = 0;
    char line[400];
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){journal, i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &writers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    FILE *file = fopen(path_of("threads"), "r");
    for (; fgets(line, sizeof line, file); lines++) {
        int thread = -1, i = -1, dots = 0;
        assert_int_equal(sscanf(line, "%d %d %n", &thread, &i, &dots), 2);
        assert_in_range(thread, 0, THREADS - 1);
        assert_int_equal(i, next[thread]++); /* a thread's lines stand in their order, none is lost */
        assert_int_equal(strspn(line + dots, "."), (thread * 31 + i * 7) % 250);
    }
    assert_int_equal(lines, THREADS * LINES);
    assert_int_equal(ftell(file), journal_written(journal));
    fclose(file);
    journal_close(journal);
}

static void synced_means_all_before(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct journal *journal = opened("synced");
    int64_t end = 0;
    assert_int_equal(journal_sync(journal, 0, &err), PASTA_OK);
    assert_int_equal(append(journal, "one\n", &end), PASTA_OK);
    assert_int_equal(journal_sync(journal, end, &err), PASTA_OK);
    assert_int_equal(journal_sync(journal, end, &err), PASTA_OK);
    journal_close(journal);
}

/* In a child, which may not grow files beyond a limit: a failed append leaves the file as long as it was, and a shorter one works. */
static int write_at_the_limit(void)
{
    const struct rlimit limit = {100, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
    struct journal *journal = NULL;
    struct pasta_err err = {0};
    struct stat info;
    int64_t end = -1;
    char long_line[90];
    memset(long_line, 'x', sizeof long_line);
    long_line[sizeof long_line - 1] = '\0';
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || journal_open(path_of("full"), &journal, &err) != PASTA_OK)
        return 1;
    if (append(journal, "twenty bytes of it.\n", &end) != PASTA_OK || end != 20)
        return 2;
    end = -1;
    if (journal_append(journal, long_line, 90, &end, &err) != PASTA_ERR_IO || end != -1 || !strstr(err.message, "File too large"))
        return 3;
    if (stat(path_of("full"), &info) != 0 || info.st_size != 20 || journal_written(journal) != 20)
        return 4;
    if (append(journal, "short\n", &end) != PASTA_OK || end != 26 || journal_sync(journal, end, NULL) != PASTA_OK)
        return 5;
    if (setrlimit(RLIMIT_FSIZE, &none) != 0)
        return 6;
    long_line[88] = '\n';
    return append(journal, long_line, &end) == PASTA_OK && end == 26 + 89 && journal_sync(journal, end, NULL) == PASTA_OK ? 0 : 7;
}

static void full_disk(void **state)
{
    (void)state;
    int code;
    const pid_t child = fork();
    if (child == 0)
        _exit(write_at_the_limit());
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    assert_int_equal(WEXITSTATUS(code), 0);
    struct journal *journal = opened("full");
    assert_int_equal(journal_written(journal), 26 + 89);
    journal_close(journal);
}

/* /dev/null takes everything, but cannot be synced: from then on nothing is taken for kept. */
static void failed_sync_is_for_good(void **state)
{
    (void)state;
    struct journal *journal = opened("device");
    struct pasta_err err = {0};
    int64_t end = 0;
    assert_int_equal(append(journal, "one\n", &end), PASTA_OK);
    assert_int_equal(journal_sync(journal, end, &err), PASTA_OK);
    const int fd = open(path_of("device"), O_RDONLY), null = open("/dev/null", O_RDWR);
    assert_true(fd >= 0 && null >= 0);
    for (int other = 3; other < 64; other++) { /* the journal's own descriptor now leads there */
        struct stat a, b;
        if (other != fd && fstat(fd, &a) == 0 && fstat(other, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev)
            assert_int_equal(dup2(null, other), other);
    }
    assert_int_equal(journal_sync(journal, end, &err), PASTA_OK); /* was synced before */
    assert_int_equal(journal_sync(journal, end + 1, &err), PASTA_ERR_IO);
    assert_int_equal(journal_sync(journal, end, NULL), PASTA_OK);
    assert_int_equal(append(journal, "two\n", &end), PASTA_ERR_IO);
    assert_int_equal(journal_sync(journal, end + 1, NULL), PASTA_ERR_IO);
    journal_close(journal);
    close(fd), close(null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(torn_line_is_cut), cmocka_unit_test(one_process_at_a_time), cmocka_unit_test(threads_write_whole_lines),
        cmocka_unit_test(synced_means_all_before), cmocka_unit_test(full_disk), cmocka_unit_test(failed_sync_is_for_good)};
    return cmocka_run_group_tests(tests, made_setup, made_teardown);
}
