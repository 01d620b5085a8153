/* str.h: a growing byte string, and the few string helpers that libc lacks.
 *
 *     struct pasta_str s = {0};
 *     pasta_str_printf(&s, "%d images", n);
 *     puts(s.data);
 *     pasta_str_release(&s);
 *
 * `data` is NUL-terminated after any call and NULL before the first one.
 */
#ifndef PASTA_BASE_STR_H
#define PASTA_BASE_STR_H
#include <stdbool.h>
#include <stddef.h>

struct pasta_str {
    char *data;
    size_t length, capacity;
};

void pasta_str_add(struct pasta_str *s, const char *text);
void pasta_str_addn(struct pasta_str *s, const void *bytes, size_t length);
void pasta_str_addc(struct pasta_str *s, char c);
void pasta_str_printf(struct pasta_str *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))); /* appends */
void pasta_str_clear(struct pasta_str *s); /* length 0, keeps the memory */
char *pasta_str_take(struct pasta_str *s); /* caller frees; s is empty again; never NULL */
void pasta_str_release(struct pasta_str *s);

bool pasta_starts_with(const char *text, const char *prefix);
bool pasta_ends_with(const char *text, const char *suffix);
bool pasta_utf8_valid(const char *bytes, size_t length);
/* Removes white space at both ends in place; returns the new start. */
char *pasta_trim(char *text);
#endif
