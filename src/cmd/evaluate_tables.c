/* The tables of an evaluation. Every estimate comes with an interval over people; agents meet the same raters, so their differences are
 * paired. */
#include "evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct pasta_table *evaluate_table_add(struct evaluate_results *r, const char *key, const char *title, const char *note)
{
    struct pasta_table *t = &r->tables[r->n_tables++];
    pasta_table_init(t, key, title, note);
    return t;
}

const struct pasta_table *evaluate_table(const struct evaluate_results *r, const char *key)
{
    for (int i = 0; i < r->n_tables; i++)
        if (strcmp(r->tables[i].key, key) == 0)
            return &r->tables[i];
    return NULL;
}

struct pasta_estimate evaluate_cell(const struct pasta_table *t, size_t row, const char *key)
{
    for (size_t c = 0; c < t->n_columns; c++)
        if (strcmp(t->columns[c].key, key) == 0 && row < t->n_rows)
            return t->cells[row * t->n_columns + c].e;
    return (struct pasta_estimate){NAN, NAN, NAN, 0, 0};
}

void evaluate_tables_release(struct evaluate_results *r)
{
    for (int i = 0; i < r->n_tables; i++)
        pasta_table_release(&r->tables[i]);
    free(r->tables);
    r->tables = NULL;
    r->n_tables = 0;
}

char *evaluate_key(const char *name)
{
    char *key = pasta_strdup(name);
    for (char *c = key; *c; c++)
        *c = (*c >= 'A' && *c <= 'Z') ? (char)(*c + 32) : ((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9')) ? *c : '_';
    return key;
}

void evaluate_tables_make(struct evaluate_results *r)
{
    r->tables = pasta_calloc(EVALUATE_MAX_TABLES, sizeof *r->tables);
    if (r->held_out) {
        evaluate_user_tables(r);
        evaluate_alignment_table(r);
    }
    if (r->agents)
        evaluate_agent_tables(r);
    if (r->offline) {
        evaluate_offline_table(r);
        evaluate_offline_value_table(r);
    }
    if (r->rated) {
        evaluate_raters_tables(r);
        evaluate_raters_arm_tables(r);
    }
}

/* The tables before these hold their essence. */
static bool is_long(const char *key)
{
    return strcmp(key, "agents_by_turn") == 0 || strstr(key, "_bins") || strcmp(key, "raters") == 0 || strcmp(key, "raters_numbers") == 0;
}

void evaluate_tables_print(const struct evaluate_results *r, bool json, struct pasta_str *out)
{
    pasta_str_add(out, json ? "{\"schema\":\"pasta.evaluation/1\",\"tables\":[\n" : "");
    for (int i = 0; i < r->n_tables; i++) {
        if (!json && is_long(r->tables[i].key))
            continue;
        if (i)
            pasta_str_add(out, json ? "," : "\n");
        pasta_table_print(&r->tables[i], json ? PASTA_TABLE_JSON : PASTA_TABLE_TEXT, out);
    }
    pasta_str_add(out, json ? "]}\n" : "");
}
