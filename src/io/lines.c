#include <stdlib.h>
#include <string.h>

#include "gz.h"
#include "pasta/base/mem.h"
#include "pasta/io/file.h"

enum { CHUNK = 1 << 16 };

struct pasta_lines_buffer {
    struct pasta_gz_reader *reader;
    size_t from, to; /* bytes not given out yet */
    char bytes[CHUNK];
};

pasta_status pasta_lines_open(struct pasta_lines *lines, const char *path, struct pasta_err *err)
{
    struct pasta_gz_reader *reader;
    pasta_status status = pasta_gz_open(path, &reader, err);
    if (status != PASTA_OK)
        return status;
    *lines = (struct pasta_lines){.path = pasta_strdup(path)};
    lines->buffer = pasta_malloc(sizeof *lines->buffer);
    lines->buffer->reader = reader;
    lines->buffer->from = lines->buffer->to = 0;
    return PASTA_OK;
}

pasta_status pasta_lines_next(struct pasta_lines *lines, bool *more, struct pasta_err *err)
{
    struct pasta_lines_buffer *b = lines->buffer;
    pasta_str_clear(&lines->line);
    bool any = false, ended = false;
    while (!ended) {
        if (b->from == b->to) {
            pasta_status status = pasta_gz_read(b->reader, b->bytes, CHUNK, &b->to);
            if (status != PASTA_OK)
                return pasta_fail(err, status, "%s:%lld: %s", lines->path, (long long)lines->number + 1,
                                  pasta_gz_reason(b->reader));
            b->from = 0;
            if (!b->to)
                break;
        }
        any = true;
        char *start = b->bytes + b->from;
        char *newline = memchr(start, '\n', b->to - b->from);
        size_t n = newline ? (size_t)(newline - start) : b->to - b->from;
        pasta_str_addn(&lines->line, start, n);
        b->from += n + (newline != NULL);
        ended = newline != NULL;
    }
    struct pasta_str *line = &lines->line;
    if (line->length && line->data[line->length - 1] == '\r')
        line->data[--line->length] = '\0';
    lines->number += any;
    *more = any;
    return PASTA_OK;
}

void pasta_lines_close(struct pasta_lines *lines)
{
    if (lines->buffer)
        pasta_gz_close(lines->buffer->reader);
    free(lines->buffer);
    free(lines->path);
    pasta_str_release(&lines->line);
    *lines = (struct pasta_lines){0};
}
