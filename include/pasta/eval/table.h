/* table.h: one table, printed as aligned text, Markdown, CSV, JSON, HTML or LaTeX (a tabular with booktabs' rules).
 *
 * Cells are text, counts, or estimates (stats.h), which always show value, interval and number of observations: n stands beneath the table
 * where every cell has the same, else in a column of its own where the cells of each row agree, else in the head where those of each column
 * do, else in each cell.
 *
 *     struct pasta_table t;
 *     pasta_table_init(&t, "agents", "Agents against fresh raters", "Higher is better.");
 *     pasta_table_column(&t, "agent", "agent", PASTA_FORMAT_TEXT, 0);
 *     pasta_table_column(&t, "rating", "mean rating", PASTA_FORMAT_NUMBER, 2);
 *     pasta_table_row(&t);
 *     pasta_table_text(&t, "baseline");
 *     pasta_table_estimate(&t, e);
 *     pasta_table_print(&t, PASTA_TABLE_TEXT, &out);
 *     pasta_table_release(&t);
 *
 * CSV has four columns for an estimate (KEY, KEY_lo, KEY_hi, KEY_n) and JSON an object; both hold full precision, and shares as shares.
 * Text, Markdown, HTML and LaTeX round, and show shares in per cent. Strings are copied.
 */
#ifndef PASTA_EVAL_TABLE_H
#define PASTA_EVAL_TABLE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "pasta/base/mem.h"
#include "pasta/base/str.h"
#include "pasta/eval/stats.h"

#ifdef __cplusplus
extern "C" {
#endif

enum pasta_format {
    PASTA_FORMAT_TEXT,
    PASTA_FORMAT_COUNT,
    PASTA_FORMAT_NUMBER,        /* 6.72 [6.61, 6.83] */
    PASTA_FORMAT_PERCENT,       /* a share in [0,1], shown times 100 */
    PASTA_FORMAT_CHANGE,        /* a difference: with its sign; marked when its interval leaves out 0 */
    PASTA_FORMAT_CHANGE_PERCENT /* a difference of shares, in percentage points */
};
enum pasta_table_style { PASTA_TABLE_TEXT, PASTA_TABLE_MARKDOWN, PASTA_TABLE_CSV, PASTA_TABLE_JSON, PASTA_TABLE_HTML, PASTA_TABLE_LATEX };

struct pasta_table_column {
    const char *key, *title; /* key: [a-z0-9_]+, for CSV and JSON */
    enum pasta_format format;
    int digits;              /* behind the point, as shown */
};
struct pasta_cell {
    const char *text;        /* text cells; NULL: empty */
    struct pasta_estimate e; /* count cells: value alone */
};
struct pasta_table {
    struct pasta_arena arena;
    const char *key, *title, *note; /* key: the file's name; note may be NULL */
    const char *resampled;          /* by the intervals: "people", or what the caller sets, not copied; NULL: the note says it */
    struct pasta_table_column *columns;
    size_t n_columns, column_capacity;
    struct pasta_cell *cells; /* [n_rows,n_columns] */
    size_t n_cells, cell_capacity;
    size_t n_rows;
};

void pasta_table_init(struct pasta_table *t, const char *key, const char *title, const char *note);
void pasta_table_release(struct pasta_table *t);
/* All columns come before the first row. */
void pasta_table_column(struct pasta_table *t, const char *key, const char *title, enum pasta_format format, int digits);
/* Opens a row; cells that are not filled stay empty. The next three fill the row's cells from left to right. */
void pasta_table_row(struct pasta_table *t);
void pasta_table_text(struct pasta_table *t, const char *text);
void pasta_table_count(struct pasta_table *t, int64_t count);
void pasta_table_estimate(struct pasta_table *t, struct pasta_estimate e);

void pasta_table_print(const struct pasta_table *t, enum pasta_table_style style, struct pasta_str *out);

/* "6.72 [6.61, 6.83]" of an estimate under a format; "-" when undefined. */
void pasta_estimate_print(struct pasta_estimate e, enum pasta_format format, int digits, struct pasta_str *out);
/* Does the interval leave out 0? */
bool pasta_estimate_excludes_zero(struct pasta_estimate e);
/* Text with &, <, >, " and ' written as HTML entities. */
void pasta_html_escape(const char *text, struct pasta_str *out);
/* Numbers as pasta_estimate_print writes them, with a real minus sign. */
void pasta_html_number(const char *text, struct pasta_str *out);

#ifdef __cplusplus
}
#endif
#endif
