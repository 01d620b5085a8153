/* The sections on the people of a study: who answers with care, and what their answers say with and without those who do not. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate_report.h"

/* --- the head of the page --- */

static void suspicious_headline(const struct evaluate_raters *e, struct pasta_report *report)
{
    char *value = pasta_asprintf("%lld of %lld", (long long)e->verdicts->suspicious, (long long)e->verdicts->n);
    const char *detail = e->verdicts->suspicious ? "each with the reason, below" : "no rule is broken";
    pasta_report_headline(report, "Suspicious raters", value, detail, e->verdicts->suspicious == 0);
    free(value);
}

static void check_headlines(const struct evaluate_results *r, struct pasta_report *report)
{
    const struct pasta_estimate failed = evaluate_cell(evaluate_table(r, "raters_overview"), 0, "attention_failed");
    if (isnan(failed.value))
        pasta_report_headline(report, "Attention checks failed", "\xe2\x80\x93", "none recorded", false);
    else
        evaluate_headline(report, "Attention checks failed", failed, PASTA_FORMAT_PERCENT, 1, " %", "", "raters", false);
    const struct pasta_table *t = evaluate_table(r, "raters_agreement");
    if (!t) {
        pasta_report_headline(report, "Repeated slates, same choice", "\xe2\x80\x93", "none recorded", false);
        return;
    }
    struct pasta_str rest = {0};
    pasta_str_add(&rest, "chance ");
    pasta_estimate_print(evaluate_cell(t, 0, "chance"), PASTA_FORMAT_PERCENT, 0, &rest);
    pasta_str_add(&rest, ", alpha ");
    pasta_estimate_print(evaluate_cell(t, 0, "alpha"), PASTA_FORMAT_NUMBER, 2, &rest);
    pasta_str_add(&rest, "; ");
    evaluate_headline(report, "Repeated slates, same choice", evaluate_cell(t, 0, "same"), PASTA_FORMAT_PERCENT, 1, " %", rest.data,
                      "raters", false);
    pasta_str_release(&rest);
}

/* The first difference between arms, as it is without the suspicious. */
static void difference_headline(const struct evaluate_results *r, struct pasta_report *report)
{
    const struct evaluate_raters *e = r->rated;
    const struct pasta_table *t = evaluate_table(r, "raters_arms_differences");
    if (!t)
        return;
    const size_t kept = (size_t)evaluate_raters_crowds(e) - 1;
    const struct pasta_estimate shown = evaluate_cell(t, kept, "rating"), all = evaluate_cell(t, 0, "rating");
    struct pasta_str rest = {0};
    if (kept) {
        pasta_str_add(&rest, "all: ");
        pasta_estimate_print(all, PASTA_FORMAT_CHANGE, 2, &rest);
        pasta_str_add(&rest, "; ");
    }
    char *label = pasta_asprintf("%s less %s, rating%s", e->arms[1], e->arms[0], kept ? ", without the suspicious" : "");
    if (!isnan(shown.value))
        evaluate_headline(report, label, shown, PASTA_FORMAT_CHANGE, 2, "", rest.data ? rest.data : "", "raters", shown.lo > 0);
    free(label);
    pasta_str_release(&rest);
}

void evaluate_report_raters_headlines(const struct evaluate_results *r, struct pasta_report *report)
{
    suspicious_headline(r->rated, report);
    check_headlines(r, report);
    difference_headline(r, report);
}

/* --- plots --- */

static void positions_plot(const struct evaluate_results *r, struct pasta_report *report)
{
    const struct pasta_table *t = evaluate_table(r, "raters_positions");
    const int crowds = evaluate_raters_crowds(r->rated);
    struct pasta_plot_point *points = pasta_calloc((size_t)crowds * t->n_rows + 1, sizeof *points);
    struct pasta_plot_series series[EVALUATE_CROWDS];
    double even = t->n_rows ? evaluate_cell(t, 0, "even").value : NAN;
    for (int k = 0; k < crowds; k++) {
        for (size_t i = 0; i < t->n_rows; i++) {
            const struct pasta_estimate e = evaluate_cell(t, i, k == EVALUATE_ALL ? "all" : "kept");
            points[(size_t)k * t->n_rows + i] = (struct pasta_plot_point){(double)i + 1, e.value, e.lo, e.hi};
            if (fabs(evaluate_cell(t, i, "even").value - even) > 1e-9)
                even = NAN; /* slates of different widths: no one line */
        }
        series[k] = (struct pasta_plot_series){.name = r->rated->crowds[k].name, .look = k, .points = points + (size_t)k * t->n_rows,
                                               .n = (int)t->n_rows};
    }
    const struct pasta_plot plot = {.title = "Choices by the column's place", .x_title = "column, from the left", .y_title = "chosen, %",
                                    .series = series, .n_series = crowds, .whole_x = true, .percent = true, .reference = even};
    pasta_plot_lines(&plot, pasta_report_body(report));
    free(points);
}

static void agreement_plot(const struct evaluate_results *r, struct pasta_report *report)
{
    const struct pasta_table *t = evaluate_table(r, "raters_agreement");
    struct pasta_plot_row rows[EVALUATE_CROWDS];
    for (size_t k = 0; t && k < t->n_rows; k++)
        rows[k] = (struct pasta_plot_row){r->rated->crowds[k].short_name, (int)k, evaluate_cell(t, k, "same")};
    const struct pasta_plot_rows plot = {.title = "The same choice, when a slate is shown again", .x_title = "%; dashed: by chance",
                                         .rows = rows, .n_rows = t ? (int)t->n_rows : 0, .format = PASTA_FORMAT_PERCENT, .digits = 1,
                                         .reference = t ? evaluate_cell(t, 0, "chance").value : NAN};
    if (t)
        pasta_plot_intervals(&plot, pasta_report_body(report));
}

/* One row an arm and crowd. */
static void arms_plot(const struct evaluate_results *r, const char *key, const char *title, const char *x_title, enum pasta_format format,
                      double reference, struct pasta_report *report)
{
    enum { NAME = 12 };
    const struct pasta_table *t = evaluate_table(r, key);
    if (!t)
        return;
    const int crowds = evaluate_raters_crowds(r->rated);
    struct pasta_arena arena = {0};
    struct pasta_plot_row *rows = pasta_arena_alloc(&arena, t->n_rows * sizeof *rows);
    for (size_t i = 0; i < t->n_rows; i++) {
        const int crowd = (int)i % crowds;
        const char *arm = t->cells[i * t->n_columns].text, *of = r->rated->crowds[crowd].short_name;
        const char *name = crowds == 1 ? pasta_arena_strdup(&arena, arm) : pasta_arena_printf(&arena, "%.*s, %s", NAME, arm, of);
        rows[i] = (struct pasta_plot_row){name, crowd, evaluate_cell(t, i, "rating")};
    }
    const struct pasta_plot_rows plot = {.title = title, .x_title = x_title, .rows = rows, .n_rows = (int)t->n_rows, .format = format,
                                         .digits = 2, .reference = reference};
    pasta_plot_intervals(&plot, pasta_report_body(report));
    pasta_arena_release(&arena);
}

/* --- sections --- */

static void who_section(const struct evaluate_results *r, struct pasta_report *report)
{
    const struct evaluate_raters *e = r->rated;
    char *text = pasta_asprintf("%lld raters, %zu sessions, %lld turns, %lld checks between them. Ids are the pseudonyms of the file. "
                                "Rules that are said in advance name whoever had better be looked at.", (long long)e->verdicts->n, e->sessions.n,
                                (long long)e->turns, (long long)e->checks);
    pasta_report_section(report, "raters", "Who answers with care", text);
    free(text);
    pasta_report_table(report, evaluate_table(r, "raters_suspicious"));
    pasta_report_table(report, evaluate_table(r, "raters_overview"));
    pasta_report_table(report, evaluate_table(r, "raters_rules"));
    pasta_report_fold_begin(report, "All raters");
    pasta_report_table(report, evaluate_table(r, "raters"));
    pasta_report_table(report, evaluate_table(r, "raters_numbers"));
    pasta_report_fold_end(report);
}

void evaluate_report_raters(const struct evaluate_results *r, struct pasta_report *report)
{
    who_section(r, report);
    pasta_report_section(report, "agreement", "Agreement and places",
                         "Two looks at the same slate, and whether the place of a column matters.");
    pasta_report_plots_begin(report, false);
    positions_plot(r, report);
    agreement_plot(r, report);
    pasta_report_plots_end(report);
    if (evaluate_table(r, "raters_agreement"))
        pasta_report_table(report, evaluate_table(r, "raters_agreement"));
    else
        pasta_report_text(report, "No repeated slates are recorded.");
    pasta_report_table(report, evaluate_table(r, "raters_positions"));
    pasta_report_section(report, "arms", "Results with and without them",
                         "What raters said of each agent: all of them, and those who are left without the suspicious. Bands are 95 % "
                         "intervals from resampling raters, with all of a rater's sessions.");
    pasta_report_plots_begin(report, false);
    arms_plot(r, "raters_arms", "Mean rating", "rating, 1 to 10", PASTA_FORMAT_NUMBER, NAN, report);
    char *title = pasta_asprintf("Rating, less %s", r->rated->arms[0]);
    arms_plot(r, "raters_arms_differences", title, "difference in mean rating", PASTA_FORMAT_CHANGE, 0, report);
    free(title);
    pasta_report_plots_end(report);
    pasta_report_table(report, evaluate_table(r, "raters_arms"));
    if (evaluate_table(r, "raters_arms_differences"))
        pasta_report_table(report, evaluate_table(r, "raters_arms_differences"));
}
