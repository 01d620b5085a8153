#include "exchange_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pasta/io/file.h"

void exchange_lines_init(struct exchange_lines *l, int fd, const char *name)
{
    *l = (struct exchange_lines){.fd = fd, .name = pasta_strdup(name)};
}

void exchange_lines_release(struct exchange_lines *l)
{
    if (!l->name)
        return;
    close(l->fd);
    for (int i = 0; i < PASTA_SERVICE_KINDS; i++)
        free(l->paths[i]);
    free(l->name);
    free(l->items);
    free(l->table);
    *l = (struct exchange_lines){0};
}

/* --- the index --- */

/* Keys are digests: their first digits are as good as a hash. */
static size_t first_place(const struct exchange_lines *l, const char key[65])
{
    char digits[16];
    memcpy(digits, key, 15);
    digits[15] = '\0';
    return (size_t)strtoull(digits, NULL, 16) & (l->table_size - 1);
}

/* Where the key is, or the free place where it belongs. */
static size_t place_of(const struct exchange_lines *l, const char key[65])
{
    size_t i = first_place(l, key);
    while (l->table[i] && strcmp(l->items[l->table[i] - 1].key, key) != 0)
        i = (i + 1) & (l->table_size - 1);
    return i;
}

const struct exchange_line *exchange_lines_find(const struct exchange_lines *l, const char key[65])
{
    const uint32_t found = l->n ? l->table[place_of(l, key)] : 0;
    return found ? &l->items[found - 1] : NULL;
}

static void grow_table(struct exchange_lines *l)
{
    if (l->table_size > 2 * l->n)
        return;
    l->table_size = l->table_size ? 2 * l->table_size : 256;
    free(l->table);
    l->table = pasta_calloc(l->table_size, sizeof *l->table);
    for (size_t i = 0; i < l->n; i++)
        l->table[place_of(l, l->items[i].key)] = (uint32_t)(i + 1);
}

/* The line at the end of the file, `length` long without its newline, is this exchange. */
static void append(struct exchange_lines *l, const struct exchange *e, size_t length)
{
    PASTA_GROW(l->items, l->n + 1, l->capacity);
    grow_table(l);
    struct exchange_line *line = &l->items[l->n];
    *line = (struct exchange_line){.offset = l->end, .length = length};
    memcpy(line->key, e->key, sizeof line->key);
    const size_t place = place_of(l, e->key);
    if (!l->table[place])
        l->table[place] = (uint32_t)++l->n;
    l->end += (int64_t)length + 1;
    if (!l->paths[e->kind])
        l->paths[e->kind] = pasta_strdup(e->path);
}

/* --- the file --- */

pasta_status exchange_lines_add(struct exchange_lines *l, const struct exchange *e, const struct pasta_str *line, struct pasta_err *err)
{
    size_t done = 0;
    while (done < line->length) {
        ssize_t n = pwrite(l->fd, line->data + done, line->length - done, l->end + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            pasta_status status = pasta_fail_errno(err, "cannot write '%s'", l->name);
            if (ftruncate(l->fd, l->end))
                return status; /* what is left has no newline, and is cut off when the file is read again */
            return status;
        }
        done += (size_t)n;
    }
    append(l, e, line->length - 1);
    return PASTA_OK;
}

pasta_status exchange_lines_fetch(const struct exchange_lines *l, const struct exchange_line *line, struct pasta_str *text,
                                  struct pasta_err *err)
{
    pasta_str_clear(text);
    PASTA_GROW(text->data, line->length + 1, text->capacity);
    while (text->length < line->length) {
        ssize_t n = pread(l->fd, text->data + text->length, line->length - text->length, line->offset + (off_t)text->length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pasta_fail_errno(err, "cannot read '%s'", l->name);
        if (!n)
            return pasta_fail(err, PASTA_ERR_INPUT, "'%s' has become shorter", l->name);
        text->length += (size_t)n;
    }
    text->data[text->length] = '\0';
    return PASTA_OK;
}

static pasta_status take_line(struct exchange_lines *l, struct pasta_lines *lines, bool copy, struct pasta_err *err)
{
    struct exchange e = {0};
    struct pasta_str reply = {0};
    char *where = pasta_asprintf("%s:%lld", lines->path, (long long)lines->number);
    const size_t length = lines->line.length;
    pasta_status status = exchange_parse(lines->line.data, length, where, &e, &reply, err);
    if (status == PASTA_OK && copy && !exchange_lines_find(l, e.key)) {
        pasta_str_addc(&lines->line, '\n');
        status = exchange_lines_add(l, &e, &lines->line, err);
    } else if (status == PASTA_OK && !copy) {
        append(l, &e, length);
    }
    exchange_release(&e);
    pasta_str_release(&reply);
    free(where);
    return status;
}

static pasta_status not_recorded(const char *path, struct pasta_err *err)
{
    return pasta_fail(err, PASTA_ERR_INPUT, "%s: expected lines as they were recorded, found another kind of file", path);
}

/* size: of the file where its lines are read in place, -1: they are copied. */
static pasta_status read_lines(struct exchange_lines *l, const char *path, int64_t size, struct pasta_err *err)
{
    struct pasta_lines lines = {0};
    bool more = true;
    int64_t torn = 0; /* bytes of a last line without a newline */
    pasta_status status = pasta_lines_open(&lines, path, err);
    while (status == PASTA_OK && !torn && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more) {
        if (size >= 0 && l->end + (int64_t)lines.line.length + 1 > size)
            torn = (int64_t)lines.line.length;
        else
            status = take_line(l, &lines, size < 0, err);
    }
    if (status == PASTA_OK && size >= 0 && l->end + torn != size) /* line ends of another system: nothing lies where it was counted to be */
        status = not_recorded(path, err);
    pasta_lines_close(&lines);
    return status;
}

pasta_status exchange_lines_copy(struct exchange_lines *l, const char *path, struct pasta_err *err)
{
    return read_lines(l, path, -1, err);
}

pasta_status exchange_lines_resume(struct exchange_lines *l, const char *path, struct pasta_err *err)
{
    struct stat info;
    char first;
    if (fstat(l->fd, &info))
        return pasta_fail_errno(err, "cannot read '%s'", path);
    if (pread(l->fd, &first, 1, 0) == 1 && first != '{') /* so that it is not inflated: what is found in it must lie in it */
        return not_recorded(path, err);
    pasta_status status = read_lines(l, path, info.st_size, err);
    if (status == PASTA_OK && ftruncate(l->fd, l->end))
        status = pasta_fail_errno(err, "cannot write '%s'", path);
    return status;
}
