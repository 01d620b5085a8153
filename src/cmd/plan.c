#include "plan.h"

#include <stdio.h>
#include <string.h>

#include "pasta/base/json.h"

static void print_row(const struct pasta_plan_row *row, struct pasta_str *out)
{
    static const char *const sizes[] = {"bytes", "kB", "MB", "GB", "TB"};
    double amount = row->amount;
    int size = 0;

    if (strcmp(row->unit, "bytes") != 0) {
        pasta_str_printf(out, "%-20s %14.0f%s%s\n", row->key, amount, *row->unit ? " " : "", row->unit);
        return;
    }
    for (; amount >= 1000 && size < 4; size++)
        amount /= 1000;
    pasta_str_printf(out, "%-20s %14.3g %s\n", row->key, amount, sizes[size]);
}

void pasta_plan_print(const struct pasta_plan_row *rows, int n, bool json)
{
    struct pasta_str out = {0};
    for (int i = 0; i < n; i++) {
        if (json) {
            pasta_str_printf(&out, "%s\"%s\":", i ? "," : "{", rows[i].key);
            pasta_json_put_num(&out, rows[i].amount);
        } else {
            print_row(&rows[i], &out);
        }
    }
    pasta_str_add(&out, json ? "}\n" : "");
    fputs(out.data ? out.data : "", stdout);
    pasta_str_release(&out);
}
