#include "refusal.h"

#include <string.h>

#include "pasta/base/json.h"

enum { CHARACTERS = 200 };

/* Bytes of the UTF-8 character at the start of the text; 0: none is there that can be printed. */
static size_t printable(const char *text, size_t length)
{
    const unsigned char c = (unsigned char)*text;
    const size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    const bool c1 = c == 0xC2 && length > 1 && (unsigned char)text[1] < 0xA0; /* control characters beyond ASCII */
    return c > ' ' && c != 0x7F && n <= length && !c1 && pasta_utf8_valid(text, n) ? n : 0;
}

void refusal_put_text(struct pasta_str *out, const char *text, size_t length, size_t characters)
{
    bool gap = false, any = false;
    for (size_t i = 0; i < length && characters;) {
        const size_t n = printable(text + i, length - i);
        if (n && gap && any) {
            pasta_str_addc(out, ' ');
            characters--;
        }
        if (n && characters) {
            pasta_str_addn(out, text + i, n);
            characters--;
            any = true;
        }
        gap = !n;
        i += n ? n : 1;
    }
}

/* The words in the JSON that services send with an error, or NULL. */
static const char *words_of(const cJSON *tree)
{
    static const char *const keys[] = {"error", "message", "detail", "errors"};
    if (cJSON_IsArray(tree))
        tree = cJSON_GetArrayItem(tree, 0);
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(tree, "error");
    if (cJSON_IsObject(error))
        tree = error;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *words = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, keys[i]));
        if (words && *words)
            return words;
    }
    return NULL;
}

/* What follows the scheme of "Bearer KEY". */
static const char *credentials(const char *authorization)
{
    const char *space = authorization ? strchr(authorization, ' ') : NULL;
    return space ? space + 1 : authorization;
}

void refusal_put(struct pasta_str *out, const struct pasta_str *body, const char *authorization)
{
    cJSON *tree = NULL;
    const char *secret = credentials(authorization);
    const size_t secret_length = secret ? strlen(secret) : 0;
    const bool parsed = body->length && pasta_json_parse(body->data, body->length, "", &tree, NULL) == PASTA_OK;
    const char *words = parsed ? words_of(tree) : NULL, *text = words ? words : body->data, *found;
    size_t length = words ? strlen(words) : body->length;
    struct pasta_str told = {0};
    while (secret_length && length && (found = memmem(text, length, secret, secret_length))) {
        pasta_str_addn(&told, text, (size_t)(found - text));
        pasta_str_add(&told, "***");
        length -= (size_t)(found - text) + secret_length;
        text = found + secret_length;
    }
    if (length)
        pasta_str_addn(&told, text, length);
    refusal_put_text(out, told.data, told.length, CHARACTERS);
    pasta_str_release(&told);
    cJSON_Delete(tree);
}
