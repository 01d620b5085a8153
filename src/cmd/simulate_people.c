#include "simulate_people.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/io/file.h"

static const double ROUNDING = 1e-3; /* the file's numbers have six decimals */

static pasta_status read_gamma(const cJSON *row, const char *where, int n_types, double *out, struct pasta_err *err)
{
    const cJSON *gamma, *item;
    double sum = 0;
    int n = 0;
    pasta_status status = pasta_json_array(row, "gamma", where, &gamma, err);
    if (status != PASTA_OK)
        return status;
    if (cJSON_GetArraySize(gamma) != n_types)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: gamma: expected one number for each of the model's %d types, found %d", where, n_types,
                          cJSON_GetArraySize(gamma));
    cJSON_ArrayForEach(item, gamma) {
        if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0))
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: gamma: expected numbers from 0 to 1", where);
        sum += out[n++] = item->valuedouble;
    }
    if (fabs(sum - 1) > ROUNDING)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: gamma: expected numbers that sum to 1, found a sum of %g", where, sum);
    return PASTA_OK;
}

static pasta_status read_row(const struct pasta_str *line, const char *where, const char *user, int n_types, double *out, bool *wanted,
                             struct pasta_err *err)
{
    cJSON *row = NULL;
    const char *id;
    pasta_status status = pasta_json_parse(line->data, line->length, where, &row, err);
    if (status == PASTA_OK && (status = pasta_json_str(row, "user_id", where, &id, err)) == PASTA_OK) {
        *wanted = !user || strcmp(id, user) == 0;
        status = read_gamma(row, where, n_types, out, err);
    }
    cJSON_Delete(row);
    return status;
}

pasta_status simulate_people_read(const char *path, const char *user, int n_types, double **weights, int64_t *n, struct pasta_err *err)
{
    struct pasta_lines lines = {0};
    double *rows = NULL;
    size_t count = 0, capacity = 0, types = (size_t)n_types;
    bool more = true;
    pasta_status status = pasta_lines_open(&lines, path, err);
    while (status == PASTA_OK && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more) {
        char *where = pasta_asprintf("%s:%lld", path, (long long)lines.number);
        bool wanted = false;
        PASTA_GROW(rows, (count + 1) * types, capacity);
        status = read_row(&lines.line, where, user, n_types, rows + count * types, &wanted, err);
        count += wanted;
        free(where);
    }
    pasta_lines_close(&lines);
    if (status == PASTA_OK && count == 0)
        status = user ? pasta_fail(err, PASTA_ERR_USAGE, "--user: expected the user_id of one in '%s', found '%s'", path, user)
                      : pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected at least one user, found none", path);
    if (status != PASTA_OK) {
        free(rows);
        return status;
    }
    *weights = rows;
    *n = (int64_t)count;
    return PASTA_OK;
}
