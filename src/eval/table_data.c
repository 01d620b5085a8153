/* Tables as CSV (RFC 4180 quoting, LF) and JSON, in full precision. */
#include "table_print.h"

#include <math.h>
#include <string.h>

#include "pasta/base/json.h"

static void put_csv(const char *text, struct pasta_str *out)
{
    if (!strpbrk(text, ",\"\r\n")) {
        pasta_str_add(out, text);
        return;
    }
    pasta_str_addc(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            pasta_str_addc(out, '"');
        pasta_str_addc(out, *text);
    }
    pasta_str_addc(out, '"');
}

static void put_csv_number(double value, struct pasta_str *out)
{
    if (!isnan(value)) /* an undefined number is an empty field */
        pasta_json_put_num(out, value);
}

void pasta_table_print_csv(const struct pasta_table *t, struct pasta_str *out)
{
    for (size_t c = 0; c < t->n_columns; c++) {
        const char *key = t->columns[c].key;
        pasta_str_printf(out, "%s%s", c ? "," : "", key);
        if (pasta_format_is_estimate(t->columns[c].format))
            pasta_str_printf(out, ",%s_lo,%s_hi,%s_n", key, key, key);
    }
    pasta_str_add(out, "\n");
    for (size_t r = 0; r < t->n_rows; r++) {
        for (size_t c = 0; c < t->n_columns; c++) {
            struct pasta_cell cell = pasta_table_cell(t, r, c);
            if (c)
                pasta_str_addc(out, ',');
            if (t->columns[c].format == PASTA_FORMAT_TEXT)
                put_csv(cell.text ? cell.text : "", out);
            else
                put_csv_number(cell.e.value, out);
            if (!pasta_format_is_estimate(t->columns[c].format))
                continue;
            pasta_str_addc(out, ',');
            put_csv_number(cell.e.lo, out);
            pasta_str_addc(out, ',');
            put_csv_number(cell.e.hi, out);
            pasta_str_printf(out, ",%lld", (long long)cell.e.n);
        }
        pasta_str_add(out, "\n");
    }
}

static void put_json_estimate(struct pasta_estimate e, struct pasta_str *out)
{
    pasta_str_add(out, "{\"value\":");
    pasta_json_put_num(out, e.value);
    pasta_str_add(out, ",\"lo\":");
    pasta_json_put_num(out, e.lo);
    pasta_str_add(out, ",\"hi\":");
    pasta_json_put_num(out, e.hi);
    pasta_str_printf(out, ",\"n\":%lld,\"people\":%lld}", (long long)e.n, (long long)e.clusters);
}

void pasta_table_print_json(const struct pasta_table *t, struct pasta_str *out)
{
    pasta_str_add(out, "{\"schema\":\"pasta.table/1\",\"key\":");
    pasta_json_put_str(out, t->key);
    pasta_str_add(out, ",\"title\":");
    pasta_json_put_str(out, t->title);
    pasta_str_add(out, ",\"note\":");
    pasta_json_put_str(out, t->note);
    pasta_str_add(out, ",\"rows\":[");
    for (size_t r = 0; r < t->n_rows; r++) {
        pasta_str_add(out, r ? ",\n{" : "\n{");
        for (size_t c = 0; c < t->n_columns; c++) {
            struct pasta_cell cell = pasta_table_cell(t, r, c);
            pasta_str_add(out, c ? "," : "");
            pasta_json_put_str(out, t->columns[c].key);
            pasta_str_addc(out, ':');
            if (t->columns[c].format == PASTA_FORMAT_TEXT)
                pasta_json_put_str(out, cell.text);
            else if (t->columns[c].format == PASTA_FORMAT_COUNT)
                pasta_json_put_num(out, cell.e.value);
            else
                put_json_estimate(cell.e, out);
        }
        pasta_str_add(out, "}");
    }
    pasta_str_add(out, "]}\n");
}
