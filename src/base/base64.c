#include "pasta/base/base64.h"

#include <stdint.h>
#include <string.h>

#include "pasta/base/mem.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void pasta_base64_put(struct pasta_str *s, const void *bytes, size_t length)
{
    const unsigned char *in = bytes;
    PASTA_GROW(s->data, s->length + (length + 2) / 3 * 4 + 1, s->capacity);
    char *out = s->data + s->length;
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t word = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0);
        *out++ = digits[word >> 18];
        *out++ = digits[word >> 12 & 63];
        *out++ = left > 1 ? digits[word >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[word & 63] : '=';
    }
    *out = '\0';
    s->length = (size_t)(out - s->data);
}

/* The value of each digit plus one; 0: none. */
static void fill_values(uint8_t values[256])
{
    memset(values, 0, 256);
    for (uint8_t i = 0; i < 64; i++)
        values[(unsigned char)digits[i]] = (uint8_t)(i + 1);
}

bool pasta_base64_read(struct pasta_str *s, const char *text, size_t length)
{
    uint8_t values[256];
    uint32_t word = 0;
    fill_values(values);
    if (length % 4)
        return false;
    const size_t padding = !length || text[length - 1] != '=' ? 0 : text[length - 2] != '=' ? 1 : 2;
    PASTA_GROW(s->data, s->length + length / 4 * 3 + 1, s->capacity);
    unsigned char *start = (unsigned char *)s->data + s->length, *out = start;
    for (size_t i = 0; i < length; i++) {
        const uint8_t value = i < length - padding ? values[(unsigned char)text[i]] : 1;
        if (!value)
            break;
        word = word << 6 | (uint32_t)(value - 1);
        if (i % 4 == 3)
            for (int shift = 16; shift >= 0; shift -= 8)
                *out++ = (unsigned char)(word >> shift);
    }
    /* A digit that is none ended the loop early; and the bits that the padding cuts off are zero. */
    const bool ok = out == start + length / 4 * 3 && !(word & ((1u << 8 * padding) - 1));
    s->length += ok ? length / 4 * 3 - padding : 0;
    s->data[s->length] = '\0';
    return ok;
}
