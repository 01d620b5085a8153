/* The sections on agents: who played, and what others would have got in their place. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate_report.h"

static void agents_plot(const struct evaluate_results *r, const char *title, const char *y_title, const char *key, int64_t from_turn,
                        bool percent, struct pasta_report *report)
{
    const struct evaluate_agents *a = r->agents;
    const struct pasta_table *t = evaluate_table(r, "agents_by_turn");
    int64_t turns = a->horizon - from_turn + 1;
    if (turns < 1)
        return;
    struct pasta_plot_point *points = pasta_calloc((size_t)(a->n * turns), sizeof *points);
    struct pasta_plot_series *series = pasta_calloc((size_t)a->n, sizeof *series);
    for (int i = 0; i < a->n; i++) {
        struct pasta_plot_point *own = points + i * turns;
        for (int64_t k = 0; k < turns; k++) {
            struct pasta_estimate e = evaluate_cell(t, (size_t)(i * a->horizon + from_turn - 1 + k), key);
            own[k] = (struct pasta_plot_point){(double)(from_turn + k), e.value, e.lo, e.hi};
        }
        series[i] = (struct pasta_plot_series){.name = a->agents[i].name, .look = evaluate_agent_look(a, i), .points = own,
                                               .n = (int)turns};
    }
    struct pasta_plot plot = {.title = title, .x_title = "turn", .y_title = y_title, .series = series, .n_series = a->n, .whole_x = true,
                              .percent = percent, .reference = NAN};
    pasta_plot_lines(&plot, pasta_report_body(report));
    free(points);
    free(series);
}

static void differences_plot(const struct evaluate_results *r, struct pasta_report *report)
{
    const struct evaluate_agents *a = r->agents;
    const struct pasta_table *t = evaluate_table(r, "agents_differences");
    struct pasta_plot_row *rows = pasta_calloc((size_t)a->n, sizeof *rows);
    int n = 0;
    for (int i = 0; i < a->n; i++)
        if (i != 1)
            rows[n++] = (struct pasta_plot_row){a->agents[i].name, evaluate_agent_look(a, i), evaluate_cell(t, (size_t)i, "rating")};
    struct pasta_plot_rows plot = {.title = "Rating against the baseline, paired", .x_title = "difference in mean rating", .rows = rows,
                                   .n_rows = n, .format = PASTA_FORMAT_CHANGE, .digits = 2, .reference = 0};
    pasta_plot_intervals(&plot, pasta_report_body(report));
    free(rows);
}

/* Expected against found rating, one line an agent. */
static void value_plot(const struct pasta_table *t, struct pasta_report *report)
{
    struct pasta_plot_point *points = pasta_calloc(t->n_rows + 2, sizeof *points);
    struct pasta_plot_series *series = pasta_calloc(t->n_rows + 1, sizeof *series);
    double lo = INFINITY, hi = -INFINITY;
    int n = 0;
    for (size_t k = 0; k < t->n_rows; k++) {
        const char *name = t->cells[k * t->n_columns].text;
        const struct pasta_estimate expected = evaluate_cell(t, k, "expected"), found = evaluate_cell(t, k, "found");
        if (n == 0 || strcmp(series[n - 1].name, name) != 0) {
            series[n] = (struct pasta_plot_series){.name = name, .look = evaluate_look_of(n + 2), .points = points + k};
            n++;
        }
        points[k] = (struct pasta_plot_point){expected.value, found.value, found.lo, found.hi};
        series[n - 1].n++;
        lo = fmin(lo, expected.value);
        hi = fmax(hi, expected.value);
    }
    points[t->n_rows] = (struct pasta_plot_point){lo, lo, NAN, NAN};
    points[t->n_rows + 1] = (struct pasta_plot_point){hi, hi, NAN, NAN};
    series[n++] = (struct pasta_plot_series){.name = "calibrated", .points = points + t->n_rows, .n = 2, .plain = true};
    const struct pasta_plot plot = {.title = "Was Q right?", .x_title = "expected rating of the turns to come", .y_title = "found", .series = series,
                                    .n_series = n, .markers = true, .reference = NAN};
    if (t->n_rows)
        pasta_plot_lines(&plot, pasta_report_body(report));
    free(points);
    free(series);
}

static void value_section(const struct evaluate_results *r, const char *key, struct pasta_report *report)
{
    char *bins = pasta_asprintf("%s_bins", key);
    if (evaluate_table(r, bins)) {
        pasta_report_plots_begin(report, false);
        value_plot(evaluate_table(r, bins), report);
        pasta_report_plots_end(report);
    }
    if (evaluate_table(r, key))
        pasta_report_table(report, evaluate_table(r, key));
    free(bins);
}

void evaluate_report_agents(const struct evaluate_results *r, struct pasta_report *report)
{
    const struct evaluate_agents *a = r->agents;
    char *text = pasta_asprintf("%lld raters whom no model has seen, %lld turns each. Every agent meets the same raters with the same "
                                "first prompts and the same random numbers, so differences are paired. Bands are 95 %% intervals "
                                "from resampling raters. Random and baseline have learned nothing; the oracle knows each rater's "
                                "taste.", (long long)a->raters, (long long)a->horizon);
    pasta_report_section(report, "agents", "Agents", text);
    free(text);
    pasta_report_plots_begin(report, false);
    agents_plot(r, "Mean rating by turn", "rating, 1 to 10", "rating", 1, false, report);
    differences_plot(r, report);
    agents_plot(r, "Turns judged better than the turn before", "better, %", "better", 2, true, report);
    agents_plot(r, "True utility of the chosen column", "utility", "utility", 1, false, report);
    pasta_report_plots_end(report);
    pasta_report_table(report, evaluate_table(r, "agents"));
    pasta_report_table(report, evaluate_table(r, "agents_differences"));
    pasta_report_table(report, evaluate_table(r, "agents_tests"));
    if (a->n_runs > 1)
        pasta_report_table(report, evaluate_table(r, "agents_runs"));
    value_section(r, "agents_value", report);
    pasta_report_fold_begin(report, "All numbers by turn");
    pasta_report_table(report, evaluate_table(r, "agents_by_turn"));
    pasta_report_fold_end(report);
}

static void offline_plot(const struct evaluate_results *r, const char *key, const char *title, struct pasta_report *report)
{
    const struct pasta_table *t = evaluate_table(r, "offline");
    struct pasta_plot_row *rows = pasta_calloc(t->n_rows, sizeof *rows);
    int n = 0;
    for (size_t k = 0; k < t->n_rows; k++) {
        const struct pasta_estimate e = evaluate_cell(t, k, key);
        if (!isnan(e.value))
            rows[n++] = (struct pasta_plot_row){t->cells[k * t->n_columns].text, evaluate_look_of((int)k - 1), e}; /* the first row is the sessions */
    }
    const struct pasta_plot_rows plot = {.title = title, .x_title = "difference in mean rating", .rows = rows, .n_rows = n,
                                         .format = PASTA_FORMAT_CHANGE, .digits = 2, .reference = 0};
    if (n)
        pasta_plot_intervals(&plot, pasta_report_body(report));
    free(rows);
}

void evaluate_report_offline(const struct evaluate_results *r, struct pasta_report *report)
{
    const struct evaluate_offline *o = r->offline;
    const char *left_out = o->left_out ? " Sessions that do not list their candidates are left out." : "";
    char *text = pasta_asprintf("%zu sessions of %lld people, played by an agent that explored; nobody was asked anew. What would other agents have "
                                "got?%s", o->sessions.n, (long long)o->people, left_out);
    pasta_report_section(report, "offline", "Agents, offline", text);
    free(text);
    pasta_report_plots_begin(report, false);
    offline_plot(r, "fitted_difference", "Fitted value, less the baseline\xe2\x80\x99s", report);
    offline_plot(r, "doubly_difference", "Doubly robust, less the baseline\xe2\x80\x99s", report);
    pasta_report_plots_end(report);
    pasta_report_table(report, evaluate_table(r, "offline"));
    value_section(r, "offline_value", report);
}
