#include "pasta/base/json.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* cJSON keeps both of two equal keys and looks up the first: ambiguous data, so we refuse it. */
static const char *duplicate_key(const cJSON *value)
{
    const cJSON *child;
    const char *found = NULL;
    if (cJSON_IsObject(value)) {
        size_t n = (size_t)cJSON_GetArraySize(value), i = 0;
        const char *few[32], **keys = n <= 32 ? few : pasta_malloc(n * sizeof *keys);
        cJSON_ArrayForEach(child, value)
            keys[i++] = child->string;
        qsort(keys, n, sizeof *keys, compare_keys);
        for (i = 1; i < n && !found; i++)
            if (strcmp(keys[i - 1], keys[i]) == 0)
                found = keys[i];
        if (keys != few)
            free(keys);
    }
    if (cJSON_IsObject(value) || cJSON_IsArray(value))
        cJSON_ArrayForEach(child, value)
            if (!found && (cJSON_IsObject(child) || cJSON_IsArray(child)))
                found = duplicate_key(child);
    return found;
}

/* A NUL, raw or as the escape \u0000, would silently cut a C string short. */
static bool has_nul(const char *text, size_t length)
{
    static const char escape[] = "\\u0000";
    if (memchr(text, '\0', length))
        return true;
    for (const char *p = text, *end = text + length; (p = memmem(p, (size_t)(end - p), escape, sizeof escape - 1)); p++) {
        const char *first = p; /* of the backslashes that end here: an even number before ours escape each other */
        while (first > text && first[-1] == '\\')
            first--;
        if ((p - first) % 2 == 0)
            return true;
    }
    return false;
}

pasta_status pasta_json_parse(const char *text, size_t length, const char *where, cJSON **out, struct pasta_err *err)
{
    if (!pasta_utf8_valid(text, length))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: expected UTF-8, found other bytes", where);
    if (has_nul(text, length))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: expected text, found a NUL character", where);
    const char *end = NULL;
    cJSON *tree = cJSON_ParseWithLengthOpts(text, length, &end, 0);
    if (tree)
        while (end < text + length && isspace((unsigned char)*end))
            end++;
    if (!tree || end < text + length) {
        cJSON_Delete(tree);
        size_t offset = end && end >= text ? (size_t)(end - text) : 0;
        int line = 1, column = 1;
        for (size_t i = 0; i < offset && i < length; i++) {
            column = text[i] == '\n' ? 1 : column + 1;
            line += text[i] == '\n';
        }
        if (!memchr(text, '\n', length))
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: broken JSON at column %d", where, column);
        return pasta_fail(err, PASTA_ERR_INPUT, "%s:%d: broken JSON at column %d", where, line, column);
    }
    const char *twice = duplicate_key(tree);
    if (twice) {
        pasta_fail(err, PASTA_ERR_INPUT, "%s: %s: expected each key once, found it twice", where, twice);
        cJSON_Delete(tree);
        return PASTA_ERR_INPUT;
    }
    *out = tree;
    return PASTA_OK;
}

const char *pasta_json_type_name(const cJSON *value)
{
    if (!value)
        return "nothing";
    switch (value->type & 0xFF) {
    case cJSON_False:
    case cJSON_True: return "a boolean";
    case cJSON_NULL: return "null";
    case cJSON_Number: return "a number";
    case cJSON_String: return "a string";
    case cJSON_Array: return "an array";
    case cJSON_Object: return "an object";
    }
    return "something else";
}

bool pasta_json_has(const cJSON *obj, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(obj, key);
    return value && !cJSON_IsNull(value);
}

static pasta_status mismatch(const char *where, const char *key, const char *expected, const cJSON *found,
                             struct pasta_err *err)
{
    return pasta_fail(err, PASTA_ERR_INPUT, "%s: %s: expected %s, found %s", where, key, expected,
                      pasta_json_type_name(found));
}

pasta_status pasta_json_str(const cJSON *obj, const char *key, const char *where, const char **out, struct pasta_err *err)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(obj, key);
    if (!cJSON_IsString(value))
        return mismatch(where, key, "a string", value, err);
    *out = value->valuestring;
    return PASTA_OK;
}

pasta_status pasta_json_num(const cJSON *obj, const char *key, const char *where, double min, double max, double *out,
                            struct pasta_err *err)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(obj, key);
    if (!cJSON_IsNumber(value))
        return mismatch(where, key, "a number", value, err);
    if (!(value->valuedouble >= min && value->valuedouble <= max))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: %s: expected a number from %g to %g, found %g", where, key, min,
                          max, value->valuedouble);
    *out = value->valuedouble;
    return PASTA_OK;
}

pasta_status pasta_json_int(const cJSON *obj, const char *key, const char *where, int64_t min, int64_t max, int64_t *out,
                            struct pasta_err *err)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(obj, key);
    if (!cJSON_IsNumber(value))
        return mismatch(where, key, "a whole number", value, err);
    double v = value->valuedouble;
    if (!(v == floor(v) && v >= (double)min && v <= (double)max))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: %s: expected a whole number from %lld to %lld, found %.17g", where,
                          key, (long long)min, (long long)max, v);
    *out = (int64_t)v;
    return PASTA_OK;
}

pasta_status pasta_json_bool(const cJSON *obj, const char *key, const char *where, bool *out, struct pasta_err *err)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(obj, key);
    if (!cJSON_IsBool(value))
        return mismatch(where, key, "true or false", value, err);
    *out = cJSON_IsTrue(value);
    return PASTA_OK;
}

pasta_status pasta_json_array(const cJSON *obj, const char *key, const char *where, const cJSON **out,
                              struct pasta_err *err)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(obj, key);
    if (!cJSON_IsArray(value))
        return mismatch(where, key, "an array", value, err);
    *out = value;
    return PASTA_OK;
}

pasta_status pasta_json_object(const cJSON *obj, const char *key, const char *where, const cJSON **out,
                               struct pasta_err *err)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(obj, key);
    if (!cJSON_IsObject(value))
        return mismatch(where, key, "an object", value, err);
    *out = value;
    return PASTA_OK;
}

void pasta_json_put_str(struct pasta_str *s, const char *text)
{
    if (!text) {
        pasta_str_add(s, "null");
        return;
    }
    pasta_str_addc(s, '"');
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        size_t plain = strcspn(p, "\"\\\b\f\n\r\t\001\002\003\004\005\006\007\013\016\017\020\021\022\023\024\025"
                                  "\026\027\030\031\032\033\034\035\036\037");
        if (plain) {
            pasta_str_addn(s, p, plain);
            p += plain - 1;
            continue;
        }
        const char *known = strchr("\"\"\\\\\bb\ff\nn\rr\tt", c);
        if (known)
            pasta_str_printf(s, "\\%c", known[1]);
        else
            pasta_str_printf(s, "\\u%04x", c);
    }
    pasta_str_addc(s, '"');
}

void pasta_json_put_num(struct pasta_str *s, double value)
{
    if (!isfinite(value)) {
        pasta_str_add(s, "null");
        return;
    }
    if (value == floor(value) && fabs(value) < 0x1p53) {
        pasta_str_printf(s, "%.0f", value == 0 ? 0 : value);
        return;
    }
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    pasta_str_add(s, text);
}

void pasta_json_field_str(struct pasta_str *s, const char *key, const char *text)
{
    pasta_str_printf(s, ",\"%s\":", key);
    pasta_json_put_str(s, text);
}

void pasta_json_field_num(struct pasta_str *s, const char *key, double value)
{
    if (isnan(value))
        return;
    pasta_str_printf(s, ",\"%s\":", key);
    pasta_json_put_num(s, value);
}
