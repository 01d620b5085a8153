/* fields.h: the fields of a record, with their whole path in messages:
 * `FILE:LINE: turns[2].slate[0].category: expected "rephrase", ..., found "foo"`.
 *
 * Errors are sticky: after the first one every getter returns a harmless value, so that parsing is straight-line code and
 * looks at `status` once at the end (and before it uses a value as a size or an index). Paths are put together only for a
 * message; reading a good record costs nothing for them.
 */
#ifndef PASTA_IO_FIELDS_H
#define PASTA_IO_FIELDS_H
#include <stdbool.h>
#include <stdint.h>
#include "pasta/base/err.h"
#include "pasta/base/json.h"
#include "pasta/base/mem.h"

struct pasta_place {             /* where an object is; lives on the stack of who reads it */
    const struct pasta_place *up; /* NULL: the record itself */
    const char *key;              /* of the array or object in `up` */
    int index;                    /* in that array; -1: it is an object */
};
struct pasta_fields {
    const char *where;           /* "FILE:LINE" */
    struct pasta_arena *arena;   /* strings are copied into it */
    pasta_status status;
    struct pasta_err *err;
};

/* Is the tree an object of this schema ("pasta.session/1")? */
void pasta_fields_schema(struct pasta_fields *f, const cJSON *tree, const char *schema);
/* Parses the line and checks its schema; NULL after a failure. The caller deletes the tree. */
cJSON *pasta_fields_begin(struct pasta_fields *f, const char *line, size_t length, const char *schema);
void pasta_fields_fail(struct pasta_fields *f, const struct pasta_place *at, const char *key, const char *fmt, ...)
    PASTA_PRINTF(4, 5);

/* Strings must not be empty. `_opt` getters give NULL (for an empty string too), NAN or `missing` for a field that is missing
 * or null. Whole numbers lie within 2^53, which JSON's doubles keep. */
/* borrowed from the tree */
const char *pasta_fields_text(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key);
const char *pasta_fields_str(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key);
const char *pasta_fields_opt_str(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key);
double pasta_fields_num(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key, double min, double max);
double pasta_fields_opt_num(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key, double min,
                            double max);
int64_t pasta_fields_int(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key, int64_t min, int64_t max);
int64_t pasta_fields_opt_int(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key, int64_t min,
                             int64_t max, int64_t missing);
/* Index of the string in names[n]. */
int pasta_fields_name(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key, const char *const *names,
                      int n);
/* An array of min..max items; *n is 0 after a failure. */
const cJSON *pasta_fields_array(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key, int min, int max,
                                int *n);
/* An array of n finite numbers into values[n], which is partly set after a failure. */
void pasta_fields_numbers(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const char *key, int n, double *values);
/* Items of arrays: an object, a string copied into the arena, a number. */
bool pasta_fields_object(struct pasta_fields *f, const struct pasta_place *at, const cJSON *item);
const char *pasta_fields_item_str(struct pasta_fields *f, const struct pasta_place *at, const cJSON *item);
double pasta_fields_item_num(struct pasta_fields *f, const struct pasta_place *at, const cJSON *item, double min, double max);
#endif
