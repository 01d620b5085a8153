#include "pasta/eval/table.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "table_print.h"

void pasta_table_init(struct pasta_table *t, const char *key, const char *title, const char *note)
{
    *t = (struct pasta_table){.resampled = "people"};
    t->key = pasta_arena_strdup(&t->arena, key);
    t->title = pasta_arena_strdup(&t->arena, title);
    t->note = pasta_arena_strdup(&t->arena, note);
}

void pasta_table_release(struct pasta_table *t)
{
    pasta_arena_release(&t->arena);
    free(t->columns);
    free(t->cells);
    *t = (struct pasta_table){0};
}

void pasta_table_column(struct pasta_table *t, const char *key, const char *title, enum pasta_format format, int digits)
{
    assert(t->n_rows == 0);
    PASTA_GROW(t->columns, t->n_columns + 1, t->column_capacity);
    t->columns[t->n_columns++] = (struct pasta_table_column){pasta_arena_strdup(&t->arena, key), pasta_arena_strdup(&t->arena, title),
                                                             format, digits};
}

static const struct pasta_cell empty = {NULL, {NAN, NAN, NAN, 0, 0}};

void pasta_table_row(struct pasta_table *t)
{
    while (t->n_cells < t->n_rows * t->n_columns) { /* what the row before left open */
        PASTA_GROW(t->cells, t->n_cells + 1, t->cell_capacity);
        t->cells[t->n_cells++] = empty;
    }
    t->n_rows++;
}

static void put(struct pasta_table *t, struct pasta_cell cell, bool fits)
{
    assert(t->n_cells < t->n_rows * t->n_columns && fits);
    (void)fits;
    PASTA_GROW(t->cells, t->n_cells + 1, t->cell_capacity);
    t->cells[t->n_cells++] = cell;
}

static enum pasta_format next_format(const struct pasta_table *t)
{
    return t->columns[t->n_cells % t->n_columns].format;
}

void pasta_table_text(struct pasta_table *t, const char *text)
{
    struct pasta_cell cell = empty;
    cell.text = pasta_arena_strdup(&t->arena, text);
    put(t, cell, next_format(t) == PASTA_FORMAT_TEXT);
}

void pasta_table_count(struct pasta_table *t, int64_t count)
{
    struct pasta_cell cell = empty;
    cell.e.value = (double)count;
    put(t, cell, next_format(t) == PASTA_FORMAT_COUNT);
}

void pasta_table_estimate(struct pasta_table *t, struct pasta_estimate e)
{
    put(t, (struct pasta_cell){NULL, e}, next_format(t) > PASTA_FORMAT_COUNT);
}

struct pasta_cell pasta_table_cell(const struct pasta_table *t, size_t row, size_t column)
{
    size_t i = row * t->n_columns + column;
    return i < t->n_cells ? t->cells[i] : empty;
}

/* --- cells --- */

bool pasta_estimate_excludes_zero(struct pasta_estimate e)
{
    return e.lo > 0 || e.hi < 0;
}

bool pasta_format_is_change(enum pasta_format format)
{
    return format == PASTA_FORMAT_CHANGE || format == PASTA_FORMAT_CHANGE_PERCENT;
}

bool pasta_format_is_estimate(enum pasta_format format)
{
    return format > PASTA_FORMAT_COUNT;
}

void pasta_estimate_put_number(double value, enum pasta_format format, int digits, struct pasta_str *out)
{
    bool percent = format == PASTA_FORMAT_PERCENT || format == PASTA_FORMAT_CHANGE_PERCENT;
    double shown = percent ? 100 * value : value, unit = pow(10, digits);
    if (fabs(shown) * unit < 0.5)
        shown = 0; /* no "-0.00" */
    pasta_str_printf(out, pasta_format_is_change(format) && shown != 0 ? "%+.*f" : "%.*f", digits, shown);
}

void pasta_estimate_put_interval(struct pasta_estimate e, enum pasta_format format, int digits, struct pasta_str *out)
{
    if (isnan(e.lo))
        return;
    pasta_str_add(out, "[");
    pasta_estimate_put_number(e.lo, format, digits, out);
    pasta_str_add(out, ", ");
    pasta_estimate_put_number(e.hi, format, digits, out);
    pasta_str_add(out, "]");
}

void pasta_estimate_print(struct pasta_estimate e, enum pasta_format format, int digits, struct pasta_str *out)
{
    if (isnan(e.value)) {
        pasta_str_add(out, "-");
        return;
    }
    pasta_estimate_put_number(e.value, format, digits, out);
    if (!isnan(e.lo))
        pasta_str_add(out, " ");
    pasta_estimate_put_interval(e, format, digits, out);
}

/* --- where n is shown --- */

/* A bare number, such as a prior, has none. */
static bool has_n(const struct pasta_table *t, size_t row, size_t column, struct pasta_estimate *e)
{
    *e = pasta_table_cell(t, row, column).e;
    return pasta_format_is_estimate(t->columns[column].format) && !isnan(e->value) && e->n > 0;
}

/* n of the first cell of a row, or of a column, that has one; 0: none. */
int64_t pasta_table_row_n(const struct pasta_table *t, size_t row)
{
    struct pasta_estimate e;
    for (size_t c = 0; c < t->n_columns; c++)
        if (has_n(t, row, c, &e))
            return e.n;
    return 0;
}

static int64_t column_n(const struct pasta_table *t, size_t column)
{
    struct pasta_estimate e;
    for (size_t r = 0; r < t->n_rows; r++)
        if (has_n(t, r, column, &e))
            return e.n;
    return 0;
}

enum pasta_n_place pasta_table_place_of_n(const struct pasta_table *t, struct pasta_estimate *common)
{
    bool any = false, table = true, rows = true, columns = true;
    for (size_t r = 0; r < t->n_rows; r++)
        for (size_t c = 0; c < t->n_columns; c++) {
            struct pasta_estimate e;
            if (!has_n(t, r, c, &e))
                continue;
            if (!any)
                *common = e;
            any = true;
            table = table && e.n == common->n && e.clusters == common->clusters;
            rows = rows && e.n == pasta_table_row_n(t, r);
            columns = columns && e.n == column_n(t, c);
        }
    return !any ? PASTA_N_NOWHERE : table ? PASTA_N_TABLE : rows ? PASTA_N_ROW : columns ? PASTA_N_COLUMN : PASTA_N_CELL;
}

char *pasta_table_column_title(const struct pasta_table *t, size_t column, enum pasta_n_place place, struct pasta_arena *arena)
{
    int64_t n = pasta_format_is_estimate(t->columns[column].format) ? column_n(t, column) : 0;
    return place == PASTA_N_COLUMN && n ? pasta_arena_printf(arena, "%s (n=%lld)", t->columns[column].title, (long long)n)
                                  : pasta_arena_strdup(arena, t->columns[column].title);
}

static bool any_mark(const struct pasta_table *t)
{
    for (size_t r = 0; r < t->n_rows; r++)
        for (size_t c = 0; c < t->n_columns; c++)
            if (pasta_format_is_change(t->columns[c].format) && pasta_estimate_excludes_zero(pasta_table_cell(t, r, c).e))
                return true;
    return false;
}

/* What stands beneath a table: its own note, then how its numbers are to be read. */
void pasta_table_put_note(const struct pasta_table *t, struct pasta_str *out)
{
    struct pasta_estimate common;
    enum pasta_n_place place = pasta_table_place_of_n(t, &common);
    if (t->note)
        pasta_str_add(out, t->note);
    if (place == PASTA_N_NOWHERE || !t->resampled)
        return;
    pasta_str_printf(out, "%s[95 %% interval, %s resampled]", t->note ? " " : "", t->resampled);
    if (place == PASTA_N_TABLE)
        pasta_str_printf(out, "; n = %lld from %lld %s in every cell", (long long)common.n, (long long)common.clusters,
                         t->resampled);
    if (any_mark(t))
        pasta_str_add(out, "; * interval without 0");
    pasta_str_add(out, ".");
}

void pasta_table_print(const struct pasta_table *t, enum pasta_table_style style, struct pasta_str *out)
{
    switch (style) {
    case PASTA_TABLE_TEXT: pasta_table_print_text(t, false, out); break;
    case PASTA_TABLE_MARKDOWN: pasta_table_print_text(t, true, out); break;
    case PASTA_TABLE_CSV: pasta_table_print_csv(t, out); break;
    case PASTA_TABLE_JSON: pasta_table_print_json(t, out); break;
    case PASTA_TABLE_HTML: pasta_table_print_html(t, out); break;
    case PASTA_TABLE_LATEX: pasta_table_print_latex(t, out); break;
    }
}
