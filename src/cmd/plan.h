/* plan.h: named amounts on stdout, as lines to read or as one JSON object: what a run would take (--dry-run), or what it had. */
#ifndef PASTA_CMD_PLAN_H
#define PASTA_CMD_PLAN_H
#include <stdbool.h>

struct pasta_plan_row {
    const char *key, *unit; /* unit "bytes" is shown in kB, MB, GB or TB; "" for a bare number */
    double amount;
};
void pasta_plan_print(const struct pasta_plan_row *rows, int n, bool json);
#endif
