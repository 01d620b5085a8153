/* table_print.h: what the styles of a table share: its cells as text, and where n is shown. */
#ifndef PASTA_EVAL_TABLE_PRINT_H
#define PASTA_EVAL_TABLE_PRINT_H
#include "pasta/eval/table.h"

struct pasta_cell pasta_table_cell(const struct pasta_table *t, size_t row, size_t column); /* empty beyond what was filled */
bool pasta_format_is_change(enum pasta_format format);
bool pasta_format_is_estimate(enum pasta_format format);
void pasta_estimate_put_number(double value, enum pasta_format format, int digits, struct pasta_str *out);
/* "[lo, hi]"; nothing when undefined. */
void pasta_estimate_put_interval(struct pasta_estimate e, enum pasta_format format, int digits, struct pasta_str *out);

/* Beneath the table, in a column, in the head, or in each cell: the first of these that leaves no doubt. */
enum pasta_n_place { PASTA_N_NOWHERE, PASTA_N_TABLE, PASTA_N_ROW, PASTA_N_COLUMN, PASTA_N_CELL };
enum pasta_n_place pasta_table_place_of_n(const struct pasta_table *t, struct pasta_estimate *common);
/* n of a row's first estimate, 0: none. */
int64_t pasta_table_row_n(const struct pasta_table *t, size_t row);
char *pasta_table_column_title(const struct pasta_table *t, size_t column, enum pasta_n_place place, struct pasta_arena *arena);
/* What stands beneath a table: its own note, then how its numbers are to be read. */
void pasta_table_put_note(const struct pasta_table *t, struct pasta_str *out);

void pasta_table_print_text(const struct pasta_table *t, bool markdown, struct pasta_str *out);
void pasta_table_print_csv(const struct pasta_table *t, struct pasta_str *out);
void pasta_table_print_json(const struct pasta_table *t, struct pasta_str *out);
void pasta_table_print_html(const struct pasta_table *t, struct pasta_str *out);
void pasta_table_print_latex(const struct pasta_table *t, struct pasta_str *out);
#endif
