/* exchange_lines.h: exchanges in an open file, found by their key; memory holds where each line lies, not what it says. */
#ifndef PASTA_SRC_IO_EXCHANGE_LINES_H
#define PASTA_SRC_IO_EXCHANGE_LINES_H
#include <stddef.h>
#include <stdint.h>
#include "exchange.h"

struct exchange_line { char key[65]; int64_t offset; size_t length; }; /* length: without its newline */
struct exchange_lines {
    int fd;
    char *name;                  /* for messages; owned */
    int64_t end;                 /* of the last line */
    struct exchange_line *items; /* [n], in the order of the file */
    size_t n, capacity;
    uint32_t *table;             /* open addressing by key: index + 1, 0 is free */
    size_t table_size;           /* a power of two, at least twice n */
    char *paths[PASTA_SERVICE_KINDS]; /* of the first question of each kind, or NULL */
};
void exchange_lines_init(struct exchange_lines *l, int fd, const char *name);
void exchange_lines_release(struct exchange_lines *l); /* closes fd; legal on a zeroed struct */
/* Checks every line of the file `path`, plain or gzip, and copies it to fd; of lines with the same key the first counts. */
pasta_status exchange_lines_copy(struct exchange_lines *l, const char *path, struct pasta_err *err) PASTA_MUST_CHECK;
/* The same for what fd holds already: `path` is its name. A last line without its newline is what a killed writer left, and is cut off. */
pasta_status exchange_lines_resume(struct exchange_lines *l, const char *path, struct pasta_err *err) PASTA_MUST_CHECK;
/* Writes a line (with its newline) by one call at the end. On error the file holds what it held. */
pasta_status exchange_lines_add(struct exchange_lines *l, const struct exchange *e, const struct pasta_str *line,
                                struct pasta_err *err) PASTA_MUST_CHECK;
const struct exchange_line *exchange_lines_find(const struct exchange_lines *l, const char key[65]); /* or NULL; valid until the next add */
/* Replaces `text` by the line. Safe beside an add. */
pasta_status exchange_lines_fetch(const struct exchange_lines *l, const struct exchange_line *line, struct pasta_str *text,
                                  struct pasta_err *err) PASTA_MUST_CHECK;
#endif
