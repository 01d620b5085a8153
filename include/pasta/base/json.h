/* json.h: cJSON, and typed access with messages that name the key.
 *
 * The one place where cJSON is included. Trees are cJSON's own; free them with cJSON_Delete. Getters report
 * `WHERE: key: expected X, found Y` where WHERE is the caller's FILE or FILE:LINE.
 */
#ifndef PASTA_BASE_JSON_H
#define PASTA_BASE_JSON_H
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include "pasta/base/err.h"
#include "pasta/base/str.h"

/* Parses exactly one JSON value (trailing white space allowed). Duplicate keys, invalid UTF-8, NUL characters and nesting
 * deeper than cJSON's limit are errors. On success *out is owned by the caller. */
pasta_status pasta_json_parse(const char *text, size_t length, const char *where, cJSON **out,
                              struct pasta_err *err) PASTA_MUST_CHECK;

/* Getters. `key` must be present, of the type, and in range; strings are borrowed from the tree. */
pasta_status pasta_json_str(const cJSON *obj, const char *key, const char *where, const char **out,
                            struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_json_num(const cJSON *obj, const char *key, const char *where, double min,
                            double max, double *out, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_json_int(const cJSON *obj, const char *key, const char *where, int64_t min,
                            int64_t max, int64_t *out, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_json_bool(const cJSON *obj, const char *key, const char *where, bool *out,
                             struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_json_array(const cJSON *obj, const char *key, const char *where, const cJSON **out,
                              struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_json_object(const cJSON *obj, const char *key, const char *where, const cJSON **out,
                               struct pasta_err *err) PASTA_MUST_CHECK;
bool pasta_json_has(const cJSON *obj, const char *key); /* present and not null */
const char *pasta_json_type_name(const cJSON *value);   /* "a string", "null", "nothing" for NULL */

/* Writing: appends to a string, so that records have one fixed layout. Doubles print with the fewest
 * digits that read back the same; NaN and infinities print as null. */
void pasta_json_put_str(struct pasta_str *s, const char *text); /* quoted, escaped; NULL -> null */
void pasta_json_put_num(struct pasta_str *s, double value);
/* A further field of an object: `,"KEY":VALUE`. A number that is NAN was not given, and has no field. */
void pasta_json_field_str(struct pasta_str *s, const char *key, const char *text);
void pasta_json_field_num(struct pasta_str *s, const char *key, double value);
#endif
