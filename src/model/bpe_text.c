/* bpe_text.c: cleaning and cutting of text for CLIP's tokenizer; the Unicode tables are utf8proc's. */
#include "bpe_text.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Unicode's White_Space property, which the reference's \s matches. */
static bool is_space(int32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
           c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

enum class { LETTER, NUMBER, SPACE, OTHER };

static enum class class_of(int32_t c)
{
    if (is_space(c))
        return SPACE;
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LL: case UTF8PROC_CATEGORY_LT: case UTF8PROC_CATEGORY_LM: case UTF8PROC_CATEGORY_LO:
        return LETTER;
    case UTF8PROC_CATEGORY_ND: case UTF8PROC_CATEGORY_NL: case UTF8PROC_CATEGORY_NO:
        return NUMBER;
    default:
        return OTHER;
    }
}

static void put_codepoint(struct pasta_str *out, int32_t c)
{
    uint8_t bytes[4];
    pasta_str_addn(out, bytes, (size_t)utf8proc_encode_char(c, bytes));
}

pasta_status bpe_clean(const char *text, size_t length, struct pasta_str *out, struct pasta_err *err)
{
    uint8_t *nfc = NULL;
    utf8proc_ssize_t n = utf8proc_map((const uint8_t *)text, (utf8proc_ssize_t)length, &nfc, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (n < 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "text '%.60s': %s", text, utf8proc_errmsg(n));
    bool in_space = false;
    for (utf8proc_ssize_t i = 0; i < n;) {
        int32_t c;
        i += utf8proc_iterate(nfc + i, n - i, &c);
        bool space = is_space(c);
        if (space && !in_space)
            pasta_str_addc(out, ' ');
        else if (c == 0x130) /* the one character whose lower case is two: I with a dot */
            pasta_str_add(out, "i\xcc\x87");
        else if (!space)
            put_codepoint(out, utf8proc_tolower(c));
        in_space = space;
    }
    free(nfc);
    return PASTA_OK;
}

static size_t contraction(const char *at, size_t left)
{
    static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i]);
        if (n <= left && memcmp(at, endings[i], n) == 0)
            return n;
    }
    return 0;
}

bool bpe_next_piece(const struct pasta_str *clean, size_t *position, const char **start, size_t *length)
{
    size_t i = *position;
    int32_t c;
    while (i < clean->length) {
        const uint8_t *at = (const uint8_t *)clean->data + i;
        size_t first = (size_t)utf8proc_iterate(at, (utf8proc_ssize_t)(clean->length - i), &c);
        enum class kind = class_of(c);
        if (kind == SPACE) {
            i += first;
            continue;
        }
        size_t end = i + contraction(clean->data + i, clean->length - i);
        if (end == i) { /* a run of one class; numbers stand alone */
            end = i + first;
            while (kind != NUMBER && end < clean->length) {
                size_t step = (size_t)utf8proc_iterate((const uint8_t *)clean->data + end, (utf8proc_ssize_t)(clean->length - end), &c);
                if (class_of(c) != kind)
                    break;
                end += step;
            }
        }
        *start = clean->data + i;
        *length = end - i;
        *position = end;
        return true;
    }
    *position = i;
    return false;
}

static bool is_printable(int byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

uint8_t bpe_byte_at(int place)
{
    for (int printable = 1; printable >= 0; printable--)
        for (int byte = 0; byte < 256; byte++)
            if (is_printable(byte) == (printable == 1) && place-- == 0)
                return (uint8_t)byte;
    return 0;
}

void bpe_byte_symbol(uint8_t byte, char symbol[3])
{
    int32_t c = byte;
    if (!is_printable(byte)) { /* the 68 others follow each other from U+0100 on */
        c = 0x100;
        for (int b = 0; b < byte; b++)
            c += !is_printable(b);
    }
    symbol[utf8proc_encode_char(c, (uint8_t *)symbol)] = '\0';
}
