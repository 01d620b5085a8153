/* Tables as HTML. */
#include "table_print.h"

#include <math.h>
#include <string.h>

enum { WORDS = 24 /* bytes of text that want room: a narrow page scrolls rather than breaks it after each word */ };

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

static void put_html_estimate(const struct pasta_table *t, size_t row, size_t column, enum pasta_n_place place, struct pasta_str *out)
{
    const struct pasta_table_column *col = &t->columns[column];
    struct pasta_estimate e = pasta_table_cell(t, row, column).e;
    if (isnan(e.value)) {
        pasta_str_add(out, "<td class=num>&ndash;</td>");
        return;
    }
    bool mark = pasta_format_is_change(col->format) && pasta_estimate_excludes_zero(e);
    struct pasta_str text = {0};
    pasta_str_add(out, mark ? "<td class=\"num mark\"><b>" : "<td class=num><b>");
    pasta_estimate_put_number(e.value, col->format, col->digits, &text);
    pasta_html_number(text.data, out);
    pasta_str_add(out, mark ? "*</b>" : "</b>");
    if (!isnan(e.lo)) {
        pasta_str_clear(&text);
        pasta_estimate_put_interval(e, col->format, col->digits, &text);
        pasta_str_add(out, " <span class=ci>");
        pasta_html_number(text.data, out);
        pasta_str_add(out, "</span>");
    }
    if (place == PASTA_N_CELL)
        pasta_str_printf(out, " <span class=ci>n&#8239;=&#8239;%lld</span>", (long long)e.n);
    pasta_str_add(out, "</td>");
    pasta_str_release(&text);
}

void pasta_table_print_html(const struct pasta_table *t, struct pasta_str *out)
{
    struct pasta_estimate common;
    enum pasta_n_place place = pasta_table_place_of_n(t, &common);
    struct pasta_arena arena = {0};
    pasta_str_add(out, "<figure class=table><h3>");
    pasta_html_escape(t->title, out);
    pasta_str_add(out, "</h3><div class=scroll tabindex=0><table aria-label=\"");
    pasta_html_escape(t->title, out);
    pasta_str_add(out, "\">\n<thead><tr>");
    for (size_t c = 0; c < t->n_columns; c++) {
        pasta_str_add(out, t->columns[c].format == PASTA_FORMAT_TEXT ? "<th scope=col>" : "<th scope=col class=num>");
        pasta_html_escape(pasta_table_column_title(t, c, place, &arena), out);
        pasta_str_add(out, "</th>");
    }
    pasta_arena_release(&arena);
    pasta_str_add(out, place == PASTA_N_ROW ? "<th scope=col class=num>n</th></tr></thead>\n<tbody>\n" : "</tr></thead>\n<tbody>\n");
    for (size_t r = 0; r < t->n_rows; r++) {
        pasta_str_add(out, "<tr>");
        for (size_t c = 0; c < t->n_columns; c++) {
            struct pasta_cell cell = pasta_table_cell(t, r, c);
            if (t->columns[c].format == PASTA_FORMAT_TEXT) {
                pasta_str_add(out, c == 0 ? "<th scope=row>" : cell.text && strlen(cell.text) > WORDS ? "<td class=words>" : "<td>");
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
        if (place == PASTA_N_ROW)
            pasta_str_printf(out, "<td class=num>%lld</td>", (long long)pasta_table_row_n(t, r));
        pasta_str_add(out, "</tr>\n");
    }
    pasta_str_add(out, "</tbody></table></div>");
    struct pasta_str note = {0};
    pasta_table_put_note(t, &note);
    if (note.length) {
        pasta_str_add(out, "<figcaption>");
        pasta_html_escape(note.data, out);
        pasta_str_add(out, "</figcaption>");
    }
    pasta_str_add(out, "</figure>\n");
    pasta_str_release(&note);
}
