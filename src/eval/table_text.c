/* Tables as aligned text, as Markdown and as LaTeX. */
#include "table_print.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void put_cell_text(const struct pasta_table *t, size_t row, size_t column, enum pasta_n_place place, struct pasta_str *out)
{
    struct pasta_cell cell = pasta_table_cell(t, row, column);
    const struct pasta_table_column *col = &t->columns[column];
    if (col->format == PASTA_FORMAT_TEXT) {
        pasta_str_add(out, cell.text ? cell.text : "");
    } else if (col->format == PASTA_FORMAT_COUNT) {
        if (!isnan(cell.e.value))
            pasta_str_printf(out, "%.0f", cell.e.value);
    } else {
        pasta_estimate_print(cell.e, col->format, col->digits, out);
        if (pasta_format_is_change(col->format) && pasta_estimate_excludes_zero(cell.e))
            pasta_str_add(out, "*");
        if (place == PASTA_N_CELL && !isnan(cell.e.value))
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
static char **grid_new(const struct pasta_table *t, enum pasta_n_place place, struct pasta_arena *arena)
{
    size_t width = t->n_columns + 1;
    char **grid = pasta_arena_alloc(arena, (t->n_rows + 1) * width * sizeof *grid);
    for (size_t c = 0; c < t->n_columns; c++)
        grid[c] = pasta_table_column_title(t, c, place, arena);
    grid[t->n_columns] = pasta_arena_strdup(arena, "n");
    struct pasta_str cell = {0};
    for (size_t r = 0; r < t->n_rows; r++) {
        for (size_t c = 0; c < t->n_columns; c++) {
            pasta_str_clear(&cell);
            pasta_str_add(&cell, "");
            put_cell_text(t, r, c, place, &cell);
            grid[(r + 1) * width + c] = pasta_arena_strdup(arena, cell.data);
        }
        grid[(r + 1) * width + t->n_columns] = pasta_arena_printf(arena, "%lld", (long long)pasta_table_row_n(t, r));
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

void pasta_table_print_text(const struct pasta_table *t, bool markdown, struct pasta_str *out)
{
    struct pasta_estimate common;
    enum pasta_n_place place = pasta_table_place_of_n(t, &common);
    struct pasta_arena arena = {0};
    char **grid = grid_new(t, place, &arena);
    size_t stride = t->n_columns + 1, shown = t->n_columns + (place == PASTA_N_ROW);

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
    pasta_table_put_note(t, &note);
    if (note.length && markdown)
        pasta_str_printf(out, "\n%s\n", note.data);
    else if (note.length)
        put_wrapped(note.data, out);
    pasta_str_release(&note);
    pasta_arena_release(&arena);
}

/* --- LaTeX --- */

static void put_latex(const char *text, struct pasta_str *out)
{
    static const struct { char c; const char *as; } special[] = {
        {'\\', "\\textbackslash{}"}, {'~', "\\textasciitilde{}"}, {'^', "\\textasciicircum{}"}, {'<', "\\textless{}"}, {'>', "\\textgreater{}"}};
    for (; *text; text++) {
        const char *as = NULL;
        for (size_t i = 0; i < sizeof special / sizeof *special; i++)
            as = special[i].c == *text ? special[i].as : as;
        if (as)
            pasta_str_add(out, as);
        else if (strchr("&%$#_{}", *text))
            pasta_str_printf(out, "\\%c", *text);
        else
            pasta_str_addc(out, *text == '\n' ? ' ' : *text);
    }
}

/* A cell; in columns of numbers a sign becomes a minus, and the star of a change an exponent. */
static void put_latex_cell(const char *text, bool number, struct pasta_str *out)
{
    const size_t length = strlen(text);
    const bool star = number && length > 0 && text[length - 1] == '*';
    char *body = pasta_strndup(text, star ? length - 1 : length);
    if (number && strpbrk(body, "0123456789"))
        pasta_str_printf(out, "$%s$%s", body, star ? "$^*$" : "");
    else
        put_latex(body, out);
    free(body);
}

void pasta_table_print_latex(const struct pasta_table *t, struct pasta_str *out)
{
    struct pasta_estimate common;
    enum pasta_n_place place = pasta_table_place_of_n(t, &common);
    struct pasta_arena arena = {0};
    char **grid = grid_new(t, place, &arena);
    const size_t stride = t->n_columns + 1, shown = t->n_columns + (place == PASTA_N_ROW);
    struct pasta_str note = {0};

    pasta_str_add(out, "% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n\\caption{");
    put_latex(t->title, out);
    pasta_table_put_note(t, &note);
    if (note.length) {
        pasta_str_add(out, ". ");
        put_latex(note.data, out);
    }
    pasta_str_printf(out, "}\n\\label{tab:%s}\n\\begin{tabular}{", t->key);
    for (size_t c = 0; c < shown; c++)
        pasta_str_addc(out, c < t->n_columns && t->columns[c].format == PASTA_FORMAT_TEXT ? 'l' : 'r');
    pasta_str_add(out, "}\n\\toprule\n");
    for (size_t r = 0; r <= t->n_rows; r++) {
        for (size_t c = 0; c < shown; c++) {
            const bool number = r > 0 && (c == t->n_columns || t->columns[c].format != PASTA_FORMAT_TEXT);
            pasta_str_add(out, c ? " & " : "");
            put_latex_cell(grid[r * stride + c], number, out);
        }
        pasta_str_add(out, r == 0 ? " \\\\\n\\midrule\n" : " \\\\\n");
    }
    pasta_str_add(out, "\\bottomrule\n\\end{tabular}\n\\end{table}\n");
    pasta_str_release(&note);
    pasta_arena_release(&arena);
}
