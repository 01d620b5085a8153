#include "fields.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_place(struct pasta_str *s, const struct pasta_place *at)
{
    if (!at)
        return;
    put_place(s, at->up);
    pasta_str_printf(s, "%s%s", s->length ? "." : "", at->key);
    if (at->index >= 0)
        pasta_str_printf(s, "[%d]", at->index);
}

void pasta_fields_fail(struct pasta_fields *f, const struct pasta_place *at, const char *key, const char *fmt, ...)
{
    if (f->status != PASTA_OK)
        return;
    struct pasta_str path = {0};
    pasta_str_add(&path, "");
    put_place(&path, at);
    if (key)
        pasta_str_printf(&path, "%s%s", path.length ? "." : "", key);
    char message[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    f->status = pasta_fail(f->err, PASTA_ERR_INPUT, "%s: %s%s%s", f->where, path.data, path.length ? ": " : "", message);
    pasta_str_release(&path);
}

/* A wrong schema is most often the wrong file: say which kind it is. */
static void wrong_schema(struct pasta_fields *f, const char *wanted, const char *found)
{
    static const char *const kinds[][2] = {{"pasta.session/", "sessions"}, {"pasta.preference/", "preferences"},
                                           {"pasta.rating/", "ratings"}, {"pasta.ranking/", "rankings"},
                                           {"pasta.metrics/", "training curves"}, {"pasta.feature/", "a feature index"}};
    int kind = (int)(strchr(wanted, '/') - wanted) + 1;
    const char *hint = "";
    char text[64];
    if (strncmp(found, wanted, (size_t)kind) == 0)
        hint = " (another version of the format)";
    else
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (pasta_starts_with(found, kinds[i][0])) {
                snprintf(text, sizeof text, " (this file holds %s)", kinds[i][1]);
                hint = text;
            }
    pasta_fields_fail(f, NULL, "schema", "expected \"%s\", found \"%.60s\"%s", wanted, found, hint);
}

void pasta_fields_schema(struct pasta_fields *f, const cJSON *tree, const char *schema)
{
    if (!cJSON_IsObject(tree))
        pasta_fields_fail(f, NULL, NULL, "expected an object, found %s", pasta_json_type_name(tree));
    const char *found = pasta_fields_text(f, NULL, tree, "schema");
    if (f->status == PASTA_OK && strcmp(found, schema) != 0)
        wrong_schema(f, schema, found);
}

cJSON *pasta_fields_begin(struct pasta_fields *f, const char *line, size_t length, const char *schema)
{
    cJSON *tree = NULL;
    f->status = pasta_json_parse(line, length, f->where, &tree, f->err);
    if (f->status != PASTA_OK)
        return NULL;
    pasta_fields_schema(f, tree, schema);
    if (f->status != PASTA_OK) {
        cJSON_Delete(tree);
        return NULL;
    }
    return tree;
}

/* The field, NULL where it is missing or null. */
static const cJSON *field(const cJSON *obj, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(obj, key);
    return cJSON_IsNull(value) ? NULL : value;
}

static void mismatch(struct pasta_fields *f, const struct pasta_place *at, const char *key, const char *expected, const cJSON *found)
{
    pasta_fields_fail(f, at, key, "expected %s, found %s", expected, pasta_json_type_name(found));
}

static const char *text_of(struct pasta_fields *f, const struct pasta_place *at, const char *key, const cJSON *value)
{
    if (!cJSON_IsString(value))
        mismatch(f, at, key, "a string", value);
    else if (!value->valuestring[0])
        pasta_fields_fail(f, at, key, "expected a string, found an empty one");
    else
        return value->valuestring;
    return "";
}

const char *pasta_fields_text(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key)
{
    return text_of(f, at, key, cJSON_GetObjectItemCaseSensitive(obj, key));
}

const char *pasta_fields_str(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key)
{
    return pasta_arena_strdup(f->arena, pasta_fields_text(f, at, obj, key));
}

const char *pasta_fields_opt_str(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key)
{
    const cJSON *value = field(obj, key);
    if (!value || (cJSON_IsString(value) && !value->valuestring[0]))
        return NULL;
    return pasta_arena_strdup(f->arena, text_of(f, at, key, value));
}

static double number_of(struct pasta_fields *f, const struct pasta_place *at, const char *key, const cJSON *value, double min, double max)
{
    if (!cJSON_IsNumber(value))
        mismatch(f, at, key, "a number", value);
    else if (!(value->valuedouble >= min && value->valuedouble <= max) || !isfinite(value->valuedouble))
        pasta_fields_fail(f, at, key, "expected a number from %g to %g, found %g", min, max, value->valuedouble);
    else
        return value->valuedouble;
    return min;
}

double pasta_fields_num(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key, double min, double max)
{
    return number_of(f, at, key, cJSON_GetObjectItemCaseSensitive(obj, key), min, max);
}

double pasta_fields_opt_num(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key, double min, double max)
{
    const cJSON *value = field(obj, key);
    return value ? number_of(f, at, key, value, min, max) : NAN;
}

static int64_t whole_of(struct pasta_fields *f, const struct pasta_place *at, const char *key, const cJSON *value, int64_t min, int64_t max)
{
    double v = cJSON_IsNumber(value) ? value->valuedouble : 0;
    if (!cJSON_IsNumber(value))
        mismatch(f, at, key, "a whole number", value);
    else if (!(v == floor(v) && v >= (double)min && v <= (double)max))
        pasta_fields_fail(f, at, key, "expected a whole number from %lld to %lld, found %.17g", (long long)min, (long long)max, v);
    else
        return (int64_t)v;
    return min;
}

int64_t pasta_fields_int(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key, int64_t min, int64_t max)
{
    return whole_of(f, at, key, cJSON_GetObjectItemCaseSensitive(obj, key), min, max);
}

int64_t pasta_fields_opt_int(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key, int64_t min,
                             int64_t max, int64_t missing)
{
    const cJSON *value = field(obj, key);
    return value ? whole_of(f, at, key, value, min, max) : missing;
}

int pasta_fields_name(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key, const char *const *names,
                      int n)
{
    const char *found = pasta_fields_text(f, at, obj, key);
    for (int i = 0; i < n; i++)
        if (strcmp(found, names[i]) == 0)
            return i;
    struct pasta_str all = {0};
    for (int i = 0; i < n; i++)
        pasta_str_printf(&all, "%s\"%s\"", i == 0 ? "" : i < n - 1 ? ", " : " or ", names[i]);
    pasta_fields_fail(f, at, key, "expected %s, found \"%.60s\"", all.data, found);
    pasta_str_release(&all);
    return 0;
}

const cJSON *pasta_fields_array(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key, int min, int max,
                                int *n)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(obj, key);
    *n = 0;
    if (!cJSON_IsArray(value)) {
        mismatch(f, at, key, "an array", value);
        return NULL;
    }
    int length = cJSON_GetArraySize(value);
    if (length < min || length > max) {
        if (min == max)
            pasta_fields_fail(f, at, key, "expected %d items, found %d", min, length);
        else
            pasta_fields_fail(f, at, key, "expected %d to %d items, found %d", min, max, length);
        return NULL;
    }
    *n = length;
    return value;
}

bool pasta_fields_object(struct pasta_fields *f, const struct pasta_place *at, const cJSON *item)
{
    if (!cJSON_IsObject(item))
        mismatch(f, at, NULL, "an object", item);
    return f->status == PASTA_OK;
}

const char *pasta_fields_item_str(struct pasta_fields *f, const struct pasta_place *at, const cJSON *item)
{
    return pasta_arena_strdup(f->arena, text_of(f, at, NULL, item));
}

double pasta_fields_item_num(struct pasta_fields *f, const struct pasta_place *at, const cJSON *item, double min, double max)
{
    return number_of(f, at, NULL, item, min, max);
}

void pasta_fields_numbers(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key, int n, double *values)
{
    int found;
    const cJSON *array = pasta_fields_array(f, at, obj, key, n, n, &found), *item;
    struct pasta_place place = {at, key, 0};
    if (found != n)
        return;
    cJSON_ArrayForEach(item, array) {
        values[place.index] = pasta_fields_item_num(f, &place, item, -HUGE_VAL, HUGE_VAL);
        place.index++;
    }
}
