#include "pasta/eval/table.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"

void pasta_table_init(struct pasta_table *t, const char *key, const char *title, const char *note)
{
    *t = (struct pasta_table){0};
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

static struct pasta_cell cell_at(const struct pasta_table *t, size_t row, size_t column)
{
    size_t i = row * t->n_columns + column;
    return i < t->n_cells ? t->cells[i] : empty;
}

/* --- cells --- */

bool pasta_estimate_excludes_zero(struct pasta_estimate e)
{
    return e.lo > 0 || e.hi < 0;
}

static bool is_change(enum pasta_format format)
{
    return format == PASTA_FORMAT_CHANGE || format == PASTA_FORMAT_CHANGE_PERCENT;
}

static bool is_estimate(enum pasta_format format)
{
    return format > PASTA_FORMAT_COUNT;
}

static void put_number(double value, enum pasta_format format, int digits, struct pasta_str *out)
{
    bool percent = format == PASTA_FORMAT_PERCENT || format == PASTA_FORMAT_CHANGE_PERCENT;
    double shown = percent ? 100 * value : value, unit = pow(10, digits);
    if (fabs(shown) * unit < 0.5)
        shown = 0; /* no "-0.00" */
    pasta_str_printf(out, is_change(format) && shown != 0 ? "%+.*f" : "%.*f", digits, shown);
}

static void put_interval(struct pasta_estimate e, enum pasta_format format, int digits, struct pasta_str *out)
{
    if (isnan(e.lo))
        return;
    pasta_str_add(out, "[");
    put_number(e.lo, format, digits, out);
    pasta_str_add(out, ", ");
    put_number(e.hi, format, digits, out);
    pasta_str_add(out, "]");
}

void pasta_estimate_print(struct pasta_estimate e, enum pasta_format format, int digits, struct pasta_str *out)
{
    if (isnan(e.value)) {
        pasta_str_add(out, "-");
        return;
    }
    put_number(e.value, format, digits, out);
    if (!isnan(e.lo))
        pasta_str_add(out, " ");
    put_interval(e, format, digits, out);
}

/* --- where n is shown --- */

enum n_place { N_NOWHERE, N_TABLE, N_ROW, N_COLUMN, N_CELL };

static bool has_n(const struct pasta_table *t, size_t row, size_t column, struct pasta_estimate *e)
{
    *e = cell_at(t, row, column).e;
    return is_estimate(t->columns[column].format) && !isnan(e->value);
}

/* n of the first cell of a row, or of a column, that has one; 0: none. */
static int64_t row_n(const struct pasta_table *t, size_t row)
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

static enum n_place place_of_n(const struct pasta_table *t, struct pasta_estimate *common)
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
            rows = rows && e.n == row_n(t, r);
            columns = columns && e.n == column_n(t, c);
        }
    return !any ? N_NOWHERE : table ? N_TABLE : rows ? N_ROW : columns ? N_COLUMN : N_CELL;
}

static char *column_title(const struct pasta_table *t, size_t column, enum n_place place, struct pasta_arena *arena)
{
    int64_t n = is_estimate(t->columns[column].format) ? column_n(t, column) : 0;
    return place == N_COLUMN && n ? pasta_arena_printf(arena, "%s (n=%lld)", t->columns[column].title, (long long)n)
                                  : pasta_arena_strdup(arena, t->columns[column].title);
}

static bool any_mark(const struct pasta_table *t)
{
    for (size_t r = 0; r < t->n_rows; r++)
        for (size_t c = 0; c < t->n_columns; c++)
            if (is_change(t->columns[c].format) && pasta_estimate_excludes_zero(cell_at(t, r, c).e))
                return true;
    return false;
}

/* What stands beneath a table: its own note, then how its numbers are to be read. */
static void put_note(const struct pasta_table *t, struct pasta_str *out)
{
    struct pasta_estimate common;
    enum n_place place = place_of_n(t, &common);
    if (t->note)
        pasta_str_add(out, t->note);
    if (place == N_NOWHERE)
        return;
    pasta_str_printf(out, "%s[95 %% interval, people resampled]", t->note ? " " : "");
    if (place == N_TABLE)
        pasta_str_printf(out, "; n = %lld from %lld people in every cell", (long long)common.n, (long long)common.clusters);
    if (any_mark(t))
        pasta_str_add(out, "; * interval without 0");
    pasta_str_add(out, ".");
}

/* --- text and Markdown --- */

static void put_cell_text(const struct pasta_table *t, size_t row, size_t column, enum n_place place, struct pasta_str *out)
{
    struct pasta_cell cell = cell_at(t, row, column);
    const struct pasta_table_column *col = &t->columns[column];
    if (col->format == PASTA_FORMAT_TEXT) {
        pasta_str_add(out, cell.text ? cell.text : "");
    } else if (col->format == PASTA_FORMAT_COUNT) {
        if (!isnan(cell.e.value))
            pasta_str_printf(out, "%.0f", cell.e.value);
    } else {
        pasta_estimate_print(cell.e, col->format, col->digits, out);
        if (is_change(col->format) && pasta_estimate_excludes_zero(cell.e))
            pasta_str_add(out, "*");
        if (place == N_CELL && !isnan(cell.e.value))
            pasta_str_printf(out, " (n=%lld)", (long long)cell.e.n);
    }
}

/* Columns on a terminal: code points, which is right for all but wide and combining characters. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static void put_padded(const char *text, size_t width, bool right, struct pasta_str *out)
{
    size_t own = width_of(text);
    for (size_t i = own; right && i < width; i++)
        pasta_str_addc(out, ' ');
    pasta_str_add(out, text);
    for (size_t i = own; !right && i < width; i++)
        pasta_str_addc(out, ' ');
}

static void put_markdown_cell(const char *text, struct pasta_str *out)
{
    for (; *text; text++) {
        if (*text == '|')
            pasta_str_addc(out, '\\');
        pasta_str_addc(out, *text == '\n' ? ' ' : *text);
    }
}

/* All strings of the grid, header first; [n_rows + 1, n_columns + 1], the last column n. */
static char **grid_new(const struct pasta_table *t, enum n_place place, struct pasta_arena *arena)
{
    size_t width = t->n_columns + 1;
    char **grid = pasta_arena_alloc(arena, (t->n_rows + 1) * width * sizeof *grid);
    for (size_t c = 0; c < t->n_columns; c++)
        grid[c] = column_title(t, c, place, arena);
    grid[t->n_columns] = pasta_arena_strdup(arena, "n");
    struct pasta_str cell = {0};
    for (size_t r = 0; r < t->n_rows; r++) {
        for (size_t c = 0; c < t->n_columns; c++) {
            pasta_str_clear(&cell);
            pasta_str_add(&cell, "");
            put_cell_text(t, r, c, place, &cell);
            grid[(r + 1) * width + c] = pasta_arena_strdup(arena, cell.data);
        }
        grid[(r + 1) * width + t->n_columns] = pasta_arena_printf(arena, "%lld", (long long)row_n(t, r));
    }
    pasta_str_release(&cell);
    return grid;
}

/* Words in lines of at most NOTE_WIDTH columns, indented by two. */
static void put_wrapped(const char *text, struct pasta_str *out)
{
    enum { NOTE_WIDTH = 110 };
    size_t column = 0;
    while (*text) {
        size_t length = strcspn(text, " ");
        char *word = pasta_strndup(text, length);
        size_t width = width_of(word);
        if (column && column + 1 + width > NOTE_WIDTH) {
            pasta_str_add(out, "\n");
            column = 0;
        }
        pasta_str_add(out, column ? " " : "  ");
        pasta_str_add(out, word);
        column += column ? 1 + width : 2 + width;
        text += length + (text[length] == ' ');
        free(word);
    }
    pasta_str_add(out, "\n");
}

static void print_text(const struct pasta_table *t, bool markdown, struct pasta_str *out)
{
    struct pasta_estimate common;
    enum n_place place = place_of_n(t, &common);
    struct pasta_arena arena = {0};
    char **grid = grid_new(t, place, &arena);
    size_t stride = t->n_columns + 1, shown = t->n_columns + (place == N_ROW);

    pasta_str_printf(out, markdown ? "### %s\n\n" : "%s\n", t->title);
    size_t *widths = pasta_arena_alloc(&arena, stride * sizeof *widths);
    for (size_t i = 0; i < (t->n_rows + 1) * stride; i++) {
        size_t width = width_of(grid[i]);
        if (width > widths[i % stride])
            widths[i % stride] = width;
    }
    for (size_t r = 0; r <= t->n_rows; r++) {
        for (size_t c = 0; c < shown; c++) {
            bool last = c + 1 == shown, right = c == t->n_columns || t->columns[c].format == PASTA_FORMAT_COUNT;
            const char *text = grid[r * stride + c];
            if (markdown) {
                pasta_str_add(out, c ? " " : "| ");
                put_markdown_cell(text, out);
                pasta_str_add(out, last ? " |\n" : " |");
            } else {
                pasta_str_add(out, c ? "   " : "  ");
                if (last && !right)
                    pasta_str_add(out, text); /* no spaces at the end of a line */
                else
                    put_padded(text, widths[c], right, out);
            }
        }
        if (!markdown)
            pasta_str_add(out, "\n");
        for (size_t c = 0; r == 0 && c < shown; c++) {
            bool right = c == t->n_columns || t->columns[c].format == PASTA_FORMAT_COUNT;
            if (markdown) {
                pasta_str_add(out, right ? "|---:" : "|---");
            } else {
                pasta_str_add(out, c ? "   " : "  ");
                for (size_t i = 0; i < widths[c]; i++)
                    pasta_str_addc(out, '-');
            }
        }
        if (r == 0)
            pasta_str_add(out, markdown ? "|\n" : "\n");
    }
    struct pasta_str note = {0};
    put_note(t, &note);
    if (note.length && markdown)
        pasta_str_printf(out, "\n%s\n", note.data);
    else if (note.length)
        put_wrapped(note.data, out);
    pasta_str_release(&note);
    pasta_arena_release(&arena);
}

/* --- CSV (RFC 4180 quoting, LF) and JSON --- */

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

static void print_csv(const struct pasta_table *t, struct pasta_str *out)
{
    for (size_t c = 0; c < t->n_columns; c++) {
        const char *key = t->columns[c].key;
        pasta_str_printf(out, "%s%s", c ? "," : "", key);
        if (is_estimate(t->columns[c].format))
            pasta_str_printf(out, ",%s_lo,%s_hi,%s_n", key, key, key);
    }
    pasta_str_add(out, "\n");
    for (size_t r = 0; r < t->n_rows; r++) {
        for (size_t c = 0; c < t->n_columns; c++) {
            struct pasta_cell cell = cell_at(t, r, c);
            if (c)
                pasta_str_addc(out, ',');
            if (t->columns[c].format == PASTA_FORMAT_TEXT)
                put_csv(cell.text ? cell.text : "", out);
            else
                put_csv_number(cell.e.value, out);
            if (!is_estimate(t->columns[c].format))
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

static void print_json(const struct pasta_table *t, struct pasta_str *out)
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
            struct pasta_cell cell = cell_at(t, r, c);
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

/* --- HTML --- */

void pasta_html_escape(const char *text, struct pasta_str *out)
{
    for (; *text; text++) {
        switch (*text) {
        case '&': pasta_str_add(out, "&amp;"); break;
        case '<': pasta_str_add(out, "&lt;"); break;
        case '>': pasta_str_add(out, "&gt;"); break;
        case '"': pasta_str_add(out, "&quot;"); break;
        case '\'': pasta_str_add(out, "&#39;"); break;
        default: pasta_str_addc(out, *text);
        }
    }
}

void pasta_html_number(const char *text, struct pasta_str *out)
{
    for (; *text; text++) {
        if (*text == '-')
            pasta_str_add(out, "&minus;");
        else
            pasta_str_addc(out, *text);
    }
}

static void put_html_estimate(const struct pasta_table *t, size_t row, size_t column, enum n_place place, struct pasta_str *out)
{
    const struct pasta_table_column *col = &t->columns[column];
    struct pasta_estimate e = cell_at(t, row, column).e;
    if (isnan(e.value)) {
        pasta_str_add(out, "<td class=num>&ndash;</td>");
        return;
    }
    bool mark = is_change(col->format) && pasta_estimate_excludes_zero(e);
    struct pasta_str text = {0};
    pasta_str_add(out, mark ? "<td class=\"num mark\"><b>" : "<td class=num><b>");
    put_number(e.value, col->format, col->digits, &text);
    pasta_html_number(text.data, out);
    pasta_str_add(out, mark ? "*</b>" : "</b>");
    if (!isnan(e.lo)) {
        pasta_str_clear(&text);
        put_interval(e, col->format, col->digits, &text);
        pasta_str_add(out, " <span class=ci>");
        pasta_html_number(text.data, out);
        pasta_str_add(out, "</span>");
    }
    if (place == N_CELL)
        pasta_str_printf(out, " <span class=ci>n&#8239;=&#8239;%lld</span>", (long long)e.n);
    pasta_str_add(out, "</td>");
    pasta_str_release(&text);
}

static void print_html(const struct pasta_table *t, struct pasta_str *out)
{
    struct pasta_estimate common;
    enum n_place place = place_of_n(t, &common);
    struct pasta_arena arena = {0};
    pasta_str_add(out, "<figure class=table><h3>");
    pasta_html_escape(t->title, out);
    pasta_str_add(out, "</h3><div class=scroll tabindex=0><table aria-label=\"");
    pasta_html_escape(t->title, out);
    pasta_str_add(out, "\">\n<thead><tr>");
    for (size_t c = 0; c < t->n_columns; c++) {
        pasta_str_add(out, t->columns[c].format == PASTA_FORMAT_TEXT ? "<th scope=col>" : "<th scope=col class=num>");
        pasta_html_escape(column_title(t, c, place, &arena), out);
        pasta_str_add(out, "</th>");
    }
    pasta_arena_release(&arena);
    pasta_str_add(out, place == N_ROW ? "<th scope=col class=num>n</th></tr></thead>\n<tbody>\n" : "</tr></thead>\n<tbody>\n");
    for (size_t r = 0; r < t->n_rows; r++) {
        pasta_str_add(out, "<tr>");
        for (size_t c = 0; c < t->n_columns; c++) {
            struct pasta_cell cell = cell_at(t, r, c);
            if (t->columns[c].format == PASTA_FORMAT_TEXT) {
                pasta_str_add(out, c == 0 ? "<th scope=row>" : "<td>");
                pasta_html_escape(cell.text ? cell.text : "", out);
                pasta_str_add(out, c == 0 ? "</th>" : "</td>");
            } else if (t->columns[c].format == PASTA_FORMAT_COUNT) {
                pasta_str_add(out, "<td class=num>");
                if (!isnan(cell.e.value))
                    pasta_str_printf(out, "%.0f", cell.e.value);
                pasta_str_add(out, "</td>");
            } else {
                put_html_estimate(t, r, c, place, out);
            }
        }
        if (place == N_ROW)
            pasta_str_printf(out, "<td class=num>%lld</td>", (long long)row_n(t, r));
        pasta_str_add(out, "</tr>\n");
    }
    pasta_str_add(out, "</tbody></table></div>");
    struct pasta_str note = {0};
    put_note(t, &note);
    if (note.length) {
        pasta_str_add(out, "<figcaption>");
        pasta_html_escape(note.data, out);
        pasta_str_add(out, "</figcaption>");
    }
    pasta_str_add(out, "</figure>\n");
    pasta_str_release(&note);
}

void pasta_table_print(const struct pasta_table *t, enum pasta_table_style style, struct pasta_str *out)
{
    switch (style) {
    case PASTA_TABLE_TEXT: print_text(t, false, out); break;
    case PASTA_TABLE_MARKDOWN: print_text(t, true, out); break;
    case PASTA_TABLE_CSV: print_csv(t, out); break;
    case PASTA_TABLE_JSON: print_json(t, out); break;
    case PASTA_TABLE_HTML: print_html(t, out); break;
    }
}
