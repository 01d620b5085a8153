#include "pasta/eval/report.h"

#include <math.h>
#include <stdlib.h>

#include "pasta/base/base64.h"
#include "pasta/base/mem.h"
#include "report_style.h"

struct pasta_report {
    struct pasta_str title, lead, headlines, facts, listings, contents, body;
    bool in_section;
};

struct pasta_report *pasta_report_new(const char *title, const char *lead)
{
    struct pasta_report *r = pasta_calloc(1, sizeof *r);
    pasta_html_escape(title, &r->title);
    pasta_html_escape(lead, &r->lead);
    return r;
}

void pasta_report_free(struct pasta_report *r)
{
    if (!r)
        return;
    struct pasta_str *parts[] = {&r->title, &r->lead, &r->headlines, &r->facts, &r->listings, &r->contents, &r->body};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        pasta_str_release(parts[i]);
    free(r);
}

/* <TAG>escaped text</CLOSE> */
static void put(struct pasta_str *out, const char *open, const char *text, const char *close)
{
    pasta_str_add(out, open);
    pasta_html_escape(text, out);
    pasta_str_add(out, close);
}

void pasta_report_headline(struct pasta_report *r, const char *label, const char *value, const char *detail, bool good)
{
    pasta_str_add(&r->headlines, good ? "<div class=\"head good\">" : "<div class=head>");
    put(&r->headlines, "<p class=label>", label, "</p>");
    put(&r->headlines, "<p class=value>", value, "</p>");
    put(&r->headlines, "<p class=detail>", detail, "</p></div>\n");
}

void pasta_report_fact(struct pasta_report *r, const char *name, const char *value)
{
    put(&r->facts, "<dt>", name, "</dt>");
    put(&r->facts, "<dd>", value, "</dd>\n");
}

void pasta_report_listing(struct pasta_report *r, const char *summary, const char *text)
{
    put(&r->listings, "<details class=listing><summary>", summary, "</summary>");
    put(&r->listings, "<pre>", text, "</pre></details>\n");
}

void pasta_report_section(struct pasta_report *r, const char *id, const char *title, const char *text)
{
    pasta_str_printf(&r->contents, "<a href=\"#%s\">", id);
    put(&r->contents, "", title, "</a>\n");
    if (r->in_section)
        pasta_str_add(&r->body, "</section>\n");
    r->in_section = true;
    pasta_str_printf(&r->body, "<section><h2 id=\"%s\">", id);
    put(&r->body, "", title, "</h2>\n");
    if (text)
        pasta_report_text(r, text);
}

void pasta_report_subsection(struct pasta_report *r, const char *title, const char *text)
{
    put(&r->body, "<h3 class=sub>", title, " ");
    put(&r->body, "<span>", text, "</span></h3>\n");
}

void pasta_report_fold_begin(struct pasta_report *r, const char *summary)
{
    put(&r->body, "<details class=listing><summary>", summary, "</summary>\n");
}

void pasta_report_fold_end(struct pasta_report *r)
{
    pasta_str_add(&r->body, "</details>\n");
}

void pasta_report_text(struct pasta_report *r, const char *text)
{
    put(&r->body, "<p>", text, "</p>\n");
}

void pasta_report_table(struct pasta_report *r, const struct pasta_table *table)
{
    pasta_table_print(table, PASTA_TABLE_HTML, &r->body);
}

struct pasta_str *pasta_report_body(struct pasta_report *r)
{
    return &r->body;
}

void pasta_report_plots_begin(struct pasta_report *r, bool small)
{
    pasta_str_add(&r->body, small ? "<div class=\"plots small\">\n" : "<div class=plots>\n");
}

void pasta_report_plots_end(struct pasta_report *r)
{
    pasta_str_add(&r->body, "</div>\n");
}

void pasta_report_heatmap(struct pasta_report *r, const struct pasta_heatmap *map)
{
    struct pasta_str *out = &r->body;
    put(out, "<figure class=table><h3>", map->title, "</h3><div class=scroll tabindex=0><table class=heat");
    put(out, " aria-label=\"", map->title, "\">\n<thead><tr>");
    put(out, "<th scope=col>", map->row_title, " ");
    put(out, "\\ ", map->column_title, "</th>");
    for (int c = 0; c < map->n_columns; c++)
        put(out, "<th scope=col>", map->columns[c], "</th>");
    pasta_str_add(out, "</tr></thead>\n<tbody>");
    for (int i = 0; i < map->n_rows; i++) {
        int64_t total = 0;
        for (int c = 0; c < map->n_columns; c++)
            total += map->counts[i * map->n_columns + c];
        put(out, "<tr><th scope=row>", map->rows[i], "</th>");
        for (int c = 0; c < map->n_columns; c++) {
            int64_t count = map->counts[i * map->n_columns + c];
            if (count)
                pasta_str_printf(out, "<td style=\"--a:%.2f\">%lld</td>", 0.6 * (double)count / (double)total, (long long)count);
            else
                pasta_str_add(out, "<td>&middot;</td>");
        }
        pasta_str_add(out, "</tr>\n");
    }
    pasta_str_add(out, "</tbody></table></div>");
    if (map->note)
        put(out, "<figcaption>", map->note, "</figcaption>");
    pasta_str_add(out, "</figure>\n");
}

/* --- images --- */

static void put_image(const struct pasta_str *png, const char *caption, struct pasta_str *out)
{
    put(out, "<img alt=\"", caption, "\"");
    put(out, " title=\"", caption, "\" src=\"data:image/png;base64,");
    pasta_base64_put(out, png->data, png->length);
    pasta_str_add(out, "\">");
}

static void put_gallery_strip(const struct pasta_gallery_strip *strip, struct pasta_str *out)
{
    put(out, "<h4>", strip->label, "</h4><div>");
    for (int i = 0; i < strip->n_images; i++)
        put_image(strip->images[i].png, strip->images[i].caption, out);
    pasta_str_add(out, "</div>");
    if (strip->n_lines)
        pasta_str_add(out, "<ul>");
    for (int i = 0; i < strip->n_lines; i++)
        put(out, "<li>", strip->lines[i], "</li>");
    if (strip->n_lines)
        pasta_str_add(out, "</ul>");
}

void pasta_report_galleries(struct pasta_report *r, const struct pasta_gallery *galleries, int n)
{
    struct pasta_str *out = &r->body;
    pasta_str_add(out, "<div class=galleries>\n");
    for (int g = 0; g < n; g++) {
        put(out, "<div class=gallery><h3>", galleries[g].title, "</h3>");
        put(out, "<p>", galleries[g].detail, "</p>");
        for (int s = 0; s < galleries[g].n_strips; s++)
            put_gallery_strip(&galleries[g].strips[s], out);
        pasta_str_add(out, "</div>\n");
    }
    pasta_str_add(out, "</div>\n");
}

static void put_column(const struct pasta_strip_column *column, struct pasta_str *out)
{
    pasta_str_add(out, column->chosen ? "<div class=\"column chosen\"><div class=pics>" : "<div class=column><div class=pics>");
    for (int i = 0; i < column->n_images; i++)
        put_image(&column->images[i], column->prompt, out);
    put(out, "</div><div class=meta><span>", column->category, "");
    if (!isnan(column->score))
        pasta_str_printf(out, " &middot; %s%.3f", column->score < 0 ? "&minus;" : "", fabs(column->score));
    pasta_str_add(out, "</span>");
    if (column->chosen)
        pasta_str_add(out, "<span class=pick>&#10003; chosen</span>");
    put(out, "</div><p>", column->prompt, "</p></div>\n");
}

static void put_turn(const struct pasta_strip_turn *turn, int number, struct pasta_str *out)
{
    pasta_str_printf(out, "<div class=turn><h4><b>Turn %d</b>", number);
    if (!isnan(turn->rating))
        pasta_str_printf(out, "<span>rating <b>%g</b> of 10</span>", turn->rating);
    for (int c = 0; c < turn->n_columns; c++)
        if (turn->columns[c].chosen) /* in words too: on a narrow page the column may be out of view */
            pasta_str_printf(out, "<span>column %d of %d chosen</span>", c + 1, turn->n_columns);
    switch (turn->versus) {
    case -1: pasta_str_add(out, "<span class=worse>&#9660; worse than before</span>"); break;
    case 0: pasta_str_add(out, "<span class=same>= same as before</span>"); break;
    case 1: pasta_str_add(out, "<span class=better>&#9650; better than before</span>"); break;
    }
    if (!isnan(turn->utility))
        pasta_str_printf(out, "<span>true utility %s%.2f</span>", turn->utility < 0 ? "&minus;" : "", fabs(turn->utility));
    pasta_str_add(out, "</h4><div class=columns>\n");
    for (int c = 0; c < turn->n_columns; c++)
        put_column(&turn->columns[c], out);
    pasta_str_add(out, "</div></div>\n");
}

void pasta_report_strip(struct pasta_report *r, const struct pasta_strip *strip)
{
    struct pasta_str *out = &r->body;
    pasta_str_add(out, strip->open ? "<details class=strip open>" : "<details class=strip>");
    put(out, "<summary><b>", strip->title, "</b> ");
    put(out, "<span>", strip->detail, "</span></summary><div class=turns tabindex=0>\n");
    for (int t = 0; t < strip->n_turns; t++)
        put_turn(&strip->turns[t], t + 1, out);
    pasta_str_add(out, "</div></details>\n");
}

/* --- the page --- */

static void put_part(const char *open, const struct pasta_str *part, const char *close, struct pasta_str *out)
{
    if (!part->length)
        return;
    pasta_str_add(out, open);
    pasta_str_addn(out, part->data, part->length);
    pasta_str_add(out, close);
}

void pasta_report_finish(const struct pasta_report *r, struct pasta_str *out)
{
    pasta_str_add(out, "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\n"
                       "<meta name=viewport content=\"width=device-width, initial-scale=1\">\n");
    put_part("<title>", &r->title, "</title>\n", out);
    pasta_str_printf(out, "<style>\n%s</style></head>\n<body><div class=wrap>\n", report_style);
    put_part("<header><h1>", &r->title, "</h1>\n", out);
    put_part("<p class=lead>", &r->lead, "</p>\n", out);
    put_part("<div class=heads>\n", &r->headlines, "</div>\n", out);
    pasta_str_add(out, "<nav aria-label=Contents>\n");
    put_part("", &r->contents, "", out);
    pasta_str_add(out, "<a href=\"#run\">What was run</a>\n</nav></header>\n<main>\n");
    put_part("", &r->body, r->in_section ? "</section>\n" : "", out);
    pasta_str_add(out, "<section><h2 id=run>What was run</h2>\n");
    put_part("<dl class=facts>\n", &r->facts, "</dl>\n", out);
    put_part("", &r->listings, "", out);
    pasta_str_add(out, "</section></main>\n</div></body></html>\n");
}
