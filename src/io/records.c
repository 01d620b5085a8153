#include "records.h"

#include <stdbool.h>
#include <string.h>

#include "pasta/io/file.h"

static bool is_blank(const struct pasta_str *line)
{
    return strspn(line->data, " \t\r") == line->length;
}

pasta_status pasta_records_read(const char *path, int64_t skip_bad, int64_t *skipped, pasta_record_fn parse, void *out,
                                size_t *n, struct pasta_err *err)
{
    const size_t before = *n;
    struct pasta_lines lines = {0};
    struct pasta_str where = {0};
    int64_t good = 0, bad = 0;
    bool more = true;
    pasta_status status = pasta_lines_open(&lines, path, err);
    while (status == PASTA_OK && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more) {
        if (is_blank(&lines.line))
            continue;
        pasta_str_clear(&where);
        pasta_str_printf(&where, "%s:%lld", path, (long long)lines.number);
        struct pasta_err cause = {0};
        pasta_status one = parse(out, lines.line.data, lines.line.length, where.data, &cause);
        if (one == PASTA_OK)
            good++;
        else if (one != PASTA_ERR_INPUT || ++bad > skip_bad)
            status = pasta_fail(err, one, bad > 1 ? "%s (bad line number %lld of this file)" : "%s", cause.message, (long long)bad);
    }
    pasta_lines_close(&lines);
    pasta_str_release(&where);
    if (status == PASTA_OK && !good)
        status = bad ? pasta_fail(err, PASTA_ERR_INPUT, "%s: expected records, found %lld bad lines and no good one", path, (long long)bad)
                     : pasta_fail(err, PASTA_ERR_INPUT, "%s: expected records, found none", path);
    if (status != PASTA_OK)
        *n = before;
    else if (skipped)
        *skipped = bad;
    return status;
}
