/* Tables in every style to the byte, axis ticks, and a page that is whole, escaped and self-contained. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/eval/report.h"

static struct pasta_estimate of(double value, double lo, double hi, int64_t n)
{
    return (struct pasta_estimate){value, lo, hi, n, 10};
}

/* A table whose second row has an empty cell, and whose texts want quoting. */
static struct pasta_table small_table(int64_t n_second)
{
    struct pasta_table t;
    pasta_table_init(&t, "small", "A <small> table", "Note.");
    pasta_table_column(&t, "agent", "agent", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(&t, "turn", "turn", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(&t, "share", "share, %", PASTA_FORMAT_PERCENT, 1);
    pasta_table_column(&t, "change", "change", PASTA_FORMAT_CHANGE, 2);
    pasta_table_row(&t);
    pasta_table_text(&t, "a|b, \"c\"");
    pasta_table_count(&t, 3);
    pasta_table_estimate(&t, of(0.5, 0.25, 0.75, 20));
    pasta_table_estimate(&t, of(-0.004, -0.1, 0.1, 20));
    pasta_table_row(&t);
    pasta_table_text(&t, "b\xc3\xa9ta");
    pasta_table_count(&t, 12);
    pasta_table_estimate(&t, of(1, NAN, NAN, n_second));
    pasta_table_row(&t);
    pasta_table_text(&t, "last");
    pasta_table_count(&t, 1);
    pasta_table_estimate(&t, of(NAN, NAN, NAN, 0));
    pasta_table_estimate(&t, of(0.5, 0.1, 0.9, n_second));
    return t;
}

static void printed(const struct pasta_table *t, enum pasta_table_style style, const char *want)
{
    struct pasta_str out = {0};
    pasta_table_print(t, style, &out);
    assert_string_equal(out.data, want);
    pasta_str_release(&out);
}

static void tables_in_every_style(void **state)
{
    (void)state;
    struct pasta_table t = small_table(20);
    printed(&t, PASTA_TABLE_TEXT, "A <small> table\n"
                                  "  agent      turn   share, %            change\n"
                                  "  --------   ----   -----------------   ---------------------\n"
                                  "  a|b, \"c\"      3   50.0 [25.0, 75.0]   0.00 [-0.10, +0.10]\n"
                                  "  b\xc3\xa9ta         12   100.0               -\n"
                                  "  last          1   -                   +0.50 [+0.10, +0.90]*\n"
                                  "  Note. [95 % interval, people resampled]; n = 20 from 10 people in every cell; * interval without 0.\n");
    printed(&t, PASTA_TABLE_LATEX, "% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n"
                                   "\\caption{A \\textless{}small\\textgreater{} table. Note. [95 \\% interval, people resampled]; n = 20 from 10 people in every cell; "
                                   "* interval without 0.}\n\\label{tab:small}\n\\begin{tabular}{lrrr}\n\\toprule\n"
                                   "agent & turn & share, \\% & change \\\\\n\\midrule\n"
                                   "a|b, \"c\" & $3$ & $50.0 [25.0, 75.0]$ & $0.00 [-0.10, +0.10]$ \\\\\n"
                                   "b\xc3\xa9ta & $12$ & $100.0$ & - \\\\\n"
                                   "last & $1$ & - & $+0.50 [+0.10, +0.90]$$^*$ \\\\\n"
                                   "\\bottomrule\n\\end{tabular}\n\\end{table}\n");
    printed(&t, PASTA_TABLE_MARKDOWN, "### A <small> table\n\n"
                                      "| agent | turn | share, % | change |\n"
                                      "|---|---:|---|---|\n"
                                      "| a\\|b, \"c\" | 3 | 50.0 [25.0, 75.0] | 0.00 [-0.10, +0.10] |\n"
                                      "| b\xc3\xa9ta | 12 | 100.0 | - |\n"
                                      "| last | 1 | - | +0.50 [+0.10, +0.90]* |\n\n"
                                      "Note. [95 % interval, people resampled]; n = 20 from 10 people in every cell; * interval without 0.\n");
    printed(&t, PASTA_TABLE_CSV, "agent,turn,share,share_lo,share_hi,share_n,change,change_lo,change_hi,change_n\n"
                                 "\"a|b, \"\"c\"\"\",3,0.5,0.25,0.75,20,-0.004,-0.1,0.1,20\n"
                                 "b\xc3\xa9ta,12,1,,,20,,,,0\n"
                                 "last,1,,,,0,0.5,0.1,0.9,20\n");
    pasta_table_release(&t);
}

/* n moves to where it is unambiguous: beneath the table, a column, the head, or each cell. */
static void n_is_always_shown(void **state)
{
    (void)state;
    struct pasta_str out = {0};
    struct pasta_table t = small_table(7);
    pasta_table_print(&t, PASTA_TABLE_TEXT, &out);
    assert_non_null(strstr(out.data, "change                   n\n"));
    assert_non_null(strstr(out.data, "+0.50 [+0.10, +0.90]*    7\n"));
    pasta_table_release(&t);

    pasta_str_clear(&out);
    pasta_table_init(&t, "heads", "n in heads", NULL);
    pasta_table_column(&t, "a", "a", PASTA_FORMAT_NUMBER, 0);
    pasta_table_column(&t, "b", "b", PASTA_FORMAT_NUMBER, 0);
    pasta_table_row(&t);
    pasta_table_estimate(&t, of(1, 0, 2, 5));
    pasta_table_estimate(&t, of(1, 0, 2, 6));
    pasta_table_row(&t);
    pasta_table_estimate(&t, of(3, 2, 4, 5));
    pasta_table_print(&t, PASTA_TABLE_TEXT, &out);
    assert_non_null(strstr(out.data, "  a (n=5)    b (n=6)\n"));
    pasta_table_row(&t);
    pasta_table_estimate(&t, of(3, 2, 4, 8)); /* now neither rows nor columns agree */
    pasta_table_estimate(&t, of(3, 2, 4, 9));
    pasta_str_clear(&out);
    pasta_table_print(&t, PASTA_TABLE_TEXT, &out);
    assert_non_null(strstr(out.data, "3 [2, 4] (n=8)   3 [2, 4] (n=9)\n"));
    pasta_table_release(&t);
    pasta_str_release(&out);
}

static void marks_where_0_is_outside(void **state)
{
    (void)state;
    assert_true(pasta_estimate_excludes_zero(of(1, 0.1, 2, 5)));
    assert_true(pasta_estimate_excludes_zero(of(-1, -2, -0.1, 5)));
    assert_false(pasta_estimate_excludes_zero(of(1, -0.1, 2, 5)));
    assert_false(pasta_estimate_excludes_zero(of(1, 0, 2, 5)));
    assert_false(pasta_estimate_excludes_zero(of(1, NAN, NAN, 5)));
}

static void json_reads_back(void **state)
{
    (void)state;
    struct pasta_table t = small_table(20);
    struct pasta_str out = {0};
    struct pasta_err err = {0};
    cJSON *tree = NULL;
    pasta_table_print(&t, PASTA_TABLE_JSON, &out);
    assert_int_equal(pasta_json_parse(out.data, out.length, "table", &tree, &err), PASTA_OK);
    const cJSON *rows = cJSON_GetObjectItem(tree, "rows"), *cell = cJSON_GetObjectItem(cJSON_GetArrayItem(rows, 0), "change");
    assert_int_equal(cJSON_GetArraySize(rows), 3);
    assert_true(cJSON_GetObjectItem(cell, "value")->valuedouble == -0.004);
    assert_true(cJSON_GetObjectItem(cell, "n")->valuedouble == 20);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(cJSON_GetArrayItem(rows, 1), "share"), "lo")));
    cJSON_Delete(tree);
    pasta_str_release(&out);
    pasta_table_release(&t);
}

static void ticks_are_round_and_enclose(void **state)
{
    (void)state;
    static const struct { double lo, hi; int most; double first, step; int n; } cases[] = {
        {0, 1, 5, 0, 0.2, 6},      {4.93, 7.41, 6, 4.5, 0.5, 7}, {-0.03, 1.1, 8, -0.2, 0.2, 8}, {0, 10000, 6, 0, 2000, 6},
        {-0.4, 1.8, 4, -1, 1, 4},  {5, 5, 4, 4.4, 0.2, 7},       {1e-7, 3e-7, 4, 1e-7, 5e-8, 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_ticks t = pasta_plot_ticks(cases[i].lo, cases[i].hi, cases[i].most);
        double last = t.first + t.step * (t.n - 1);
        assert_true(t.first <= cases[i].lo + t.step * 1e-6 && last >= cases[i].hi - t.step * 1e-6);
        assert_true(t.n - 1 <= cases[i].most);
        if (cases[i].lo == cases[i].hi)
            continue;
        assert_true(fabs(t.first - cases[i].first) < 1e-9 * cases[i].step + 1e-15);
        assert_true(fabs(t.step / cases[i].step - 1) < 1e-9);
        assert_int_equal(t.n, cases[i].n);
    }
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        n++;
    return n;
}

/* Every paired element that is opened is closed. "<TAG" must not match the start of a longer name. */
static void balanced(const char *html, const char *tag)
{
    char open[32], close[32];
    size_t opened = 0;
    snprintf(open, sizeof open, "<%s", tag);
    snprintf(close, sizeof close, "</%s>", tag);
    for (const char *at = html; (at = strstr(at, open)); at += strlen(open))
        opened += strchr(" >\n", at[strlen(open)]) != NULL;
    if (opened != count(html, close))
        fail_msg("<%s>: %zu opened, %zu closed", tag, opened, count(html, close));
}

static struct pasta_str whole_page(void)
{
    struct pasta_report *r = pasta_report_new("Title & <b>", "Lead");
    struct pasta_table t = small_table(20);
    struct pasta_plot_point points[] = {{1, 0.5, 0.4, 0.6}, {2, NAN, NAN, NAN}, {3, 0.7, 0.6, 0.8}};
    struct pasta_plot_series series[] = {{.name = "a<b", .look = 1, .points = points, .n = 3}, {.name = "void", .look = 2, .points = points + 1, .n = 1}};
    struct pasta_plot plot = {.title = "plot", .x_title = "turn", .y_title = "y", .series = series, .n_series = 2, .whole_x = true, .reference = NAN};
    struct pasta_plot_row row = {"row", 3, of(-0.5, -0.7, -0.3, 9)};
    struct pasta_plot_rows rows = {.title = "rows", .x_title = "x", .rows = &row, .n_rows = 1, .format = PASTA_FORMAT_CHANGE, .digits = 1, .reference = 0};
    struct pasta_str png[3] = {{0}};
    pasta_str_add(&png[0], "Man");
    pasta_str_add(&png[1], "Ma");
    pasta_str_addn(&png[2], "\0\xff\xfe\x01", 4);
    const char *names[] = {"one", "two"};
    int64_t counts[] = {3, 1, 0, 0};
    struct pasta_heatmap map = {"map", "rows", "columns", NULL, names, names, counts, 2, 2};
    struct pasta_gallery_image picture = {&png[1], "caption \"quoted\""};
    const char *line = "a prompt & its mean";
    struct pasta_gallery_strip likes = {"likes most", &picture, 1, &line, 1};
    struct pasta_gallery gallery = {"gallery", "detail", &likes, 1};
    struct pasta_strip_column columns[] = {{"p & q", "style", -0.25, png, 3, true}, {"other", "expand", NAN, png, 1, false}};
    struct pasta_strip_turn turns[] = {{columns, 2, 7, 9, NAN}, {columns + 1, 1, NAN, -1, 0.5}, {columns, 2, 8, 1, 0.5}};
    struct pasta_strip strip = {"strip", "detail", turns, 3, false};

    pasta_report_headline(r, "label", "+0.4", "detail", true);
    pasta_report_fact(r, "seed", "1");
    pasta_report_listing(r, "Configuration", "{\"a\": 1 < 2}");
    pasta_report_section(r, "first", "First", "Text.");
    pasta_report_plots_begin(r, true);
    pasta_plot_lines(&plot, pasta_report_body(r));
    pasta_plot_intervals(&rows, pasta_report_body(r));
    pasta_report_plots_end(r);
    pasta_report_table(r, &t);
    pasta_report_fold_begin(r, "fold");
    pasta_report_heatmap(r, &map);
    pasta_report_fold_end(r);
    pasta_report_section(r, "second", "Second", NULL);
    pasta_report_subsection(r, "sub", "text");
    pasta_report_galleries(r, &gallery, 1);
    pasta_report_strip(r, &strip);
    struct pasta_str html = {0};
    pasta_report_finish(r, &html);
    pasta_report_free(r);
    pasta_table_release(&t);
    for (int i = 0; i < 3; i++)
        pasta_str_release(&png[i]);
    return html;
}

static void page_is_whole(void **state)
{
    (void)state;
    static const char *const tags[] = {"html", "head", "title", "style", "body", "header", "main", "nav", "section", "h1", "h2", "h3", "h4", "p", "div", "span",
                                       "figure", "figcaption", "svg", "text", "path", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "details",
                                       "summary", "pre", "dl", "dt", "dd", "a", "b"};
    struct pasta_str html = whole_page();
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (strcmp(tags[i], "path") != 0) /* some close themselves */
            balanced(html.data, tags[i]);
    assert_non_null(strstr(html.data, "<title>Title &amp; &lt;b&gt;</title>"));
    assert_null(strstr(html.data, "a<b"));
    assert_non_null(strstr(html.data, "<a href=\"#second\">Second</a>"));
    assert_non_null(strstr(html.data, "<h2 id=\"second\">Second</h2>"));
    assert_int_equal(count(html.data, "&#10003; chosen"), 2); /* marked in words, not by colour alone */
    assert_int_equal(count(html.data, "worse than before"), 1);
    assert_int_equal(count(html.data, "better than before"), 1);
    assert_int_equal(count(html.data, "same as before"), 0);
    assert_null(strstr(html.data, "nan"));
    assert_int_equal(count(html.data, ">void</li>"), 0); /* a series without a point has no place in the legend */
    pasta_str_release(&html);
}

static void page_needs_nothing_else(void **state)
{
    (void)state;
    static const char *const outside[] = {"http:", "https:", "<script", "<link", "@import", "url(", "src=\"/", "file:"};
    struct pasta_str html = whole_page();
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        assert_null(strstr(html.data, outside[i]));
    assert_int_equal(count(html.data, "<img"), count(html.data, "src=\"data:image/png;base64,"));
    assert_non_null(strstr(html.data, "base64,TWFu\">"));
    assert_non_null(strstr(html.data, "base64,TWE=\">"));
    assert_non_null(strstr(html.data, "base64,AP/+AQ==\">"));
    pasta_str_release(&html);
}

static void nothing_to_draw_draws_nothing(void **state)
{
    (void)state;
    struct pasta_str out = {0};
    struct pasta_plot plot = {.title = "t", .x_title = "x", .y_title = "y", .reference = NAN};
    struct pasta_plot_row row = {"row", 0, {NAN, NAN, NAN, 0, 0}};
    struct pasta_plot_rows rows = {.title = "t", .x_title = "x", .rows = &row, .n_rows = 1, .reference = 0};
    pasta_plot_lines(&plot, &out);
    pasta_plot_intervals(&rows, &out);
    assert_int_equal(out.length, 0);
    pasta_str_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_in_every_style),       cmocka_unit_test(n_is_always_shown),  cmocka_unit_test(json_reads_back),
        cmocka_unit_test(marks_where_0_is_outside),
        cmocka_unit_test(ticks_are_round_and_enclose), cmocka_unit_test(page_is_whole),      cmocka_unit_test(page_needs_nothing_else),
        cmocka_unit_test(nothing_to_draw_draws_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
