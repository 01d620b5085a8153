#include "cassette.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/base/paths.h"
#include "pasta/io/file.h"

/* --- replaying --- */

static int temporary_file(void)
{
    const char *folder = getenv("TMPDIR");
    char *name = pasta_path_join(folder && *folder ? folder : "/tmp", "pasta-cassette-XXXXXX");
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    free(name);
    return fd;
}

pasta_status cassette_open(const char *path, struct exchange_lines *out, struct pasta_err *err)
{
    int fd = temporary_file();
    if (fd < 0)
        return pasta_fail_errno(err, "cannot make a temporary file for the cassette '%s'", path);
    struct exchange_lines l;
    exchange_lines_init(&l, fd, path);
    pasta_status status = exchange_lines_copy(&l, path, err);
    if (status == PASTA_OK && !l.n)
        status = pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected a cassette, found an empty file", path);
    if (status != PASTA_OK) {
        exchange_lines_release(&l);
        return status;
    }
    *out = l;
    return PASTA_OK;
}

/* --- recording --- */

struct recording {
    char *path, *partial;
    pthread_mutex_t lock; /* guards `lines` */
    struct exchange_lines lines;
};

/* A run that was killed between its cassette and its end: the cassette's lines are where it goes on. */
static pasta_status start_from(const char *path, const char *partial, struct pasta_err *err)
{
    struct pasta_lines lines = {0};
    struct pasta_out out = {0};
    bool more = true;
    pasta_status status = pasta_lines_open(&lines, path, err);
    if (status == PASTA_OK)
        status = pasta_out_open(&out, partial, err);
    while (status == PASTA_OK && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more) {
        pasta_str_addc(&lines.line, '\n');
        status = pasta_out_write(&out, lines.line.data, lines.line.length, err);
    }
    if (status == PASTA_OK)
        status = pasta_out_commit(&out, err);
    pasta_out_abort(&out);
    pasta_lines_close(&lines);
    return status;
}

pasta_status recording_open(const char *path, bool resume, struct recording **out, struct pasta_err *err)
{
    struct recording *r = pasta_calloc(1, sizeof *r);
    pasta_status status = PASTA_OK;
    pthread_mutex_init(&r->lock, NULL);
    r->path = pasta_strdup(path);
    r->partial = pasta_asprintf("%s.partial", path);
    if (resume && !pasta_file_exists(r->partial) && pasta_file_exists(path))
        status = start_from(path, r->partial, err);
    if (status == PASTA_OK) {
        int fd = open(r->partial, O_RDWR | O_CREAT | O_CLOEXEC | (resume ? 0 : O_TRUNC), 0666);
        if (fd < 0)
            status = pasta_fail_errno(err, "cannot write '%s'", r->partial);
        else
            exchange_lines_init(&r->lines, fd, r->partial);
    }
    if (status == PASTA_OK && resume)
        status = exchange_lines_resume(&r->lines, r->partial, err);
    if (status == PASTA_OK)
        *out = r;
    else
        recording_free(r);
    return status;
}

void recording_free(struct recording *r)
{
    if (!r)
        return;
    exchange_lines_release(&r->lines);
    pthread_mutex_destroy(&r->lock);
    free(r->path);
    free(r->partial);
    free(r);
}

static bool look_up(struct recording *r, const char key[65], struct exchange_line *line)
{
    pthread_mutex_lock(&r->lock);
    const struct exchange_line *found = exchange_lines_find(&r->lines, key);
    if (found)
        *line = *found;
    pthread_mutex_unlock(&r->lock);
    return found != NULL;
}

pasta_status recording_find(struct recording *r, const char key[65], bool *found, struct pasta_str *reply, struct pasta_err *err)
{
    struct exchange_line line;
    struct exchange e = {0};
    struct pasta_str text = {0};
    *found = look_up(r, key, &line);
    if (!*found)
        return PASTA_OK;
    pasta_status status = exchange_lines_fetch(&r->lines, &line, &text, err);
    if (status == PASTA_OK)
        status = exchange_parse(text.data, text.length, r->partial, &e, reply, err);
    exchange_release(&e);
    pasta_str_release(&text);
    return status;
}

pasta_status recording_add(struct recording *r, const struct exchange *e, const struct pasta_str *reply, struct pasta_err *err)
{
    struct pasta_str line = {0};
    exchange_print(e, reply, &line);
    pthread_mutex_lock(&r->lock);
    pasta_status status = exchange_lines_find(&r->lines, e->key) ? PASTA_OK : exchange_lines_add(&r->lines, e, &line, err);
    pthread_mutex_unlock(&r->lock);
    pasta_str_release(&line);
    return status;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct exchange_line *)a)->key, ((const struct exchange_line *)b)->key);
}

static pasta_status write_sorted(const struct recording *r, const struct exchange_line *order, struct pasta_err *err)
{
    struct pasta_out out = {0};
    struct pasta_str text = {0};
    pasta_status status = pasta_out_open(&out, r->path, err);
    for (size_t i = 0; i < r->lines.n && status == PASTA_OK; i++) {
        status = exchange_lines_fetch(&r->lines, &order[i], &text, err);
        pasta_str_addc(&text, '\n');
        if (status == PASTA_OK)
            status = pasta_out_write(&out, text.data, text.length, err);
    }
    if (status == PASTA_OK)
        status = pasta_out_commit(&out, err);
    pasta_out_abort(&out);
    pasta_str_release(&text);
    return status;
}

pasta_status recording_finish(struct recording *r, struct pasta_err *err)
{
    pthread_mutex_lock(&r->lock);
    const size_t n = r->lines.n;
    struct exchange_line *order = pasta_malloc(n * sizeof *order);
    if (n) {
        memcpy(order, r->lines.items, n * sizeof *order);
        qsort(order, n, sizeof *order, by_key);
    }
    pasta_status status = write_sorted(r, order, err);
    if (status == PASTA_OK)
        unlink(r->partial); /* one that stays holds the same, and is gone on with or replaced */
    pthread_mutex_unlock(&r->lock);
    free(order);
    return status;
}
