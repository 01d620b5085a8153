#include "info_diff.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"

static const double ROUNDING = 0.005; /* an interval over people may be narrower than what rounding does to training */
struct tally { int tables, cells, outside; double tolerance; };

static double number_of(const cJSON *estimate, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(estimate, key);
    return cJSON_IsNumber(value) ? value->valuedouble : NAN;
}

static void outside(struct tally *t, const char *table, const char *row, const char *column, const char *expected, const char *found)
{
    t->outside++;
    printf("%s: %s: %s: expected %s, found %s\n", table, row, column, expected, found);
}

static void check_cell(struct tally *t, const char *table, const char *row, const cJSON *expected, const cJSON *found)
{
    const char *column = expected->string;
    char wanted[96], seen[64];
    if (cJSON_IsString(expected)) /* a p-value, say: what it tells of is in the numbers beside it */
        return;
    if (!cJSON_IsObject(expected)) {
        if (cJSON_IsNumber(expected) && !(found && cJSON_Compare(expected, found, true))) {
            snprintf(wanted, sizeof wanted, "%g", expected->valuedouble);
            snprintf(seen, sizeof seen, "%g", cJSON_IsNumber(found) ? found->valuedouble : NAN);
            outside(t, table, row, column, wanted, seen);
        }
        t->cells += cJSON_IsNumber(expected);
        return;
    }
    const double value = number_of(expected, "value"), half = (number_of(expected, "hi") - number_of(expected, "lo")) / 2, n = number_of(expected, "n");
    if (isnan(value))
        return;
    t->cells++;
    const double now = number_of(found, "value"), now_n = number_of(found, "n");
    const double near = isnan(half) ? INFINITY : fmax(t->tolerance * half, ROUNDING * fabs(value));
    snprintf(seen, sizeof seen, "%.6g (n = %.0f)", now, now_n);
    snprintf(wanted, sizeof wanted, "%.6g +- %.2g (n = %.0f)", value, near, n);
    if (isnan(now) || now_n != n || !(fabs(now - value) <= near + 1e-12))
        outside(t, table, row, column, wanted, seen);
}

/* The texts of a row that say which one it is: all before its first number. */
static char *row_name(const cJSON *row)
{
    struct pasta_str name = {0};
    const cJSON *cell;
    pasta_str_add(&name, "");
    cJSON_ArrayForEach(cell, row) {
        if (cJSON_IsNumber(cell) && name.length > 0)
            pasta_str_printf(&name, " %g", cell->valuedouble); /* a turn */
        if (!cJSON_IsString(cell))
            break;
        pasta_str_printf(&name, "%s%s", name.length ? " " : "", cell->valuestring);
    }
    char *copy = pasta_strdup(name.data);
    pasta_str_release(&name);
    return copy;
}

static void check_table(struct tally *t, const char *name, const cJSON *expected, const cJSON *found)
{
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(expected, "rows"), *others = cJSON_GetObjectItemCaseSensitive(found, "rows"), *row, *cell;
    const cJSON *other = others ? others->child : NULL;
    t->tables++;
    cJSON_ArrayForEach(row, rows) {
        char *own = row_name(row), *theirs = other ? row_name(other) : pasta_strdup("no such row");
        if (strcmp(own, theirs) != 0) {
            outside(t, name, own, "row", own, theirs);
        } else {
            cJSON_ArrayForEach(cell, row)
                check_cell(t, name, own, cell, cJSON_GetObjectItemCaseSensitive(other, cell->string));
        }
        other = other ? other->next : NULL;
        free(own);
        free(theirs);
    }
    if (other) {
        char *theirs = row_name(other);
        outside(t, name, theirs, "row", "no such row", theirs);
        free(theirs);
    }
}

static int is_json(const struct dirent *entry)
{
    return pasta_ends_with(entry->d_name, ".json") && strcmp(entry->d_name, "all.json") != 0;
}

pasta_status info_tables(const char *expected, const char *found, double tolerance, struct pasta_err *err)
{
    struct dirent **files = NULL;
    struct tally t = {.tolerance = tolerance};
    const int n = scandir(expected, &files, is_json, alphasort);
    pasta_status status = n > 0 ? PASTA_OK : pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected tables, NAME.json, found none", expected);
    for (int i = 0; i < n; i++) {
        char *first = pasta_path_join(expected, files[i]->d_name), *second = pasta_path_join(found, files[i]->d_name);
        cJSON *a = NULL, *b = NULL;
        if (status == PASTA_OK)
            status = pasta_json_read(first, &a, err);
        if (status == PASTA_OK)
            status = pasta_json_read(second, &b, err);
        if (status == PASTA_OK)
            check_table(&t, files[i]->d_name, a, b);
        cJSON_Delete(a);
        cJSON_Delete(b);
        free(first);
        free(second);
        free(files[i]);
    }
    free(files);
    if (status == PASTA_OK && t.outside)
        return pasta_fail(err, PASTA_ERR_CHECK, "%d of %d cells of %d tables are outside of %g half-intervals", t.outside, t.cells, t.tables, tolerance);
    if (status == PASTA_OK)
        printf("%d cells of %d tables are as expected, within %g half-intervals\n", t.cells, t.tables, tolerance);
    return status;
}
