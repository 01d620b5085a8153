#include "pasta/base/str.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"

void pasta_str_addn(struct pasta_str *s, const void *bytes, size_t length)
{
    PASTA_GROW(s->data, s->length + length + 1, s->capacity);
    if (length)
        memcpy(s->data + s->length, bytes, length);
    s->length += length;
    s->data[s->length] = '\0';
}

void pasta_str_add(struct pasta_str *s, const char *text)
{
    pasta_str_addn(s, text, strlen(text));
}

void pasta_str_addc(struct pasta_str *s, char c)
{
    pasta_str_addn(s, &c, 1);
}

void pasta_str_printf(struct pasta_str *s, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    PASTA_GROW(s->data, s->length + (size_t)length + 1, s->capacity);
    va_start(args, fmt);
    vsnprintf(s->data + s->length, (size_t)length + 1, fmt, args);
    va_end(args);
    s->length += (size_t)length;
}

void pasta_str_clear(struct pasta_str *s)
{
    s->length = 0;
    if (s->data)
        s->data[0] = '\0';
}

char *pasta_str_take(struct pasta_str *s)
{
    char *text = s->data ? s->data : pasta_strdup("");
    *s = (struct pasta_str){0};
    return text;
}

void pasta_str_release(struct pasta_str *s)
{
    free(s->data);
    *s = (struct pasta_str){0};
}

bool pasta_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool pasta_ends_with(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && memcmp(text + n - m, suffix, m) == 0;
}

char *pasta_trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    return text;
}

/* Well-formed UTF-8 as in Unicode table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool pasta_utf8_valid(const char *bytes, size_t length)
{
    const uint8_t *p = (const uint8_t *)bytes, *end = p + length;
    while (p < end) {
        uint8_t c = *p++;
        if (c < 0x80)
            continue;
        int more = c >= 0xC2 && c <= 0xDF ? 1 : c >= 0xE0 && c <= 0xEF ? 2 : c >= 0xF0 && c <= 0xF4 ? 3 : 0;
        if (!more || end - p < more)
            return false;
        uint8_t lo = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
        uint8_t hi = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
        if (p[0] < lo || p[0] > hi)
            return false;
        for (int i = 1; i < more; i++)
            if ((p[i] & 0xC0) != 0x80)
                return false;
        p += more;
    }
    return true;
}
