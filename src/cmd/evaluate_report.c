/* The page: what came out first, then how, then what was run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate_report.h"

static int row_named(const struct pasta_table *t, const char *name)
{
    for (size_t r = 0; r < t->n_rows; r++)
        if (t->cells[r * t->n_columns].text && strcmp(t->cells[r * t->n_columns].text, name) == 0)
            return (int)r;
    return -1;
}

/* --- headlines --- */

/* Appends a number with a real minus sign. */
static void put_number(const char *text, struct pasta_str *out)
{
    for (; *text; text++)
        pasta_str_printf(out, "%.*s", *text == '-' ? 3 : 1, *text == '-' ? "\xe2\x88\x92" : text);
}

void evaluate_headline(struct pasta_report *report, const char *label, struct pasta_estimate e, enum pasta_format format, int digits,
                     const char *unit, const char *rest, const char *clusters, bool good)
{
    struct pasta_str number = {0}, value = {0}, detail = {0};
    struct pasta_estimate bare = {e.value, NAN, NAN, 0, 0};
    pasta_estimate_print(bare, format, digits, &number);
    put_number(number.data, &value);
    pasta_str_add(&value, unit);
    pasta_str_clear(&number);
    pasta_estimate_print(e, format, digits, &number);
    const char *interval = strchr(number.data, '[');
    if (interval) {
        put_number(interval, &detail);
        pasta_str_add(&detail, "; ");
    }
    pasta_str_printf(&detail, "%sn = %lld, %lld %s", rest, (long long)e.n, (long long)e.clusters, clusters);
    pasta_report_headline(report, label, value.data, detail.data, good);
    pasta_str_release(&number);
    pasta_str_release(&value);
    pasta_str_release(&detail);
}

static void agent_headlines(const struct evaluate_results *r, struct pasta_report *report)
{
    const struct pasta_table *t = evaluate_table(r, "agents_differences");
    for (int i = 0; t && i < r->agents->n; i++) {
        if (!evaluate_agent_is_given(r->agents, i))
            continue;
        struct pasta_estimate e = evaluate_cell(t, (size_t)i, "rating");
        char *label = pasta_asprintf("%s over baseline, rating", r->agents->agents[i].name);
        evaluate_headline(report, label, e, PASTA_FORMAT_CHANGE, 2, "", "", "people", e.lo > 0);
        free(label);
    }
}

static void user_headlines(const struct evaluate_results *r, struct pasta_report *report)
{
    const struct pasta_table *t = evaluate_table(r, "user_models");
    if (!t)
        return;
    int last = r->n_users - 1, choice = row_named(t, "choice accuracy"), types = row_named(t, "adjusted Rand index of types");
    size_t column = EVALUATE_FIRST_USER + (size_t)last;
    if (choice >= 0) {
        struct pasta_estimate e = t->cells[(size_t)choice * t->n_columns + column].e, 
                              first = t->cells[(size_t)choice * t->n_columns + EVALUATE_FIRST_USER].e;
        struct pasta_str rest = {0};
        if (last > 0) {
            pasta_str_printf(&rest, "%s: ", r->users[0].name);
            pasta_estimate_print(first, PASTA_FORMAT_PERCENT, 1, &rest);
            pasta_str_add(&rest, "; ");
        }
        char *label = pasta_asprintf("Choice accuracy, %s", r->users[last].name);
        evaluate_headline(report, label, e, PASTA_FORMAT_PERCENT, 1, " %", rest.data ? rest.data : "", t->resampled,
                          last > 0 && e.lo > first.hi);
        free(label);
        pasta_str_release(&rest);
    }
    if (types >= 0) {
        struct pasta_estimate e = t->cells[(size_t)types * t->n_columns + column].e;
        char *label = pasta_asprintf("Types recovered, %s", r->users[last].name);
        evaluate_headline(report, label, e, PASTA_FORMAT_NUMBER, 2, "", "adjusted Rand index; ", "people", e.lo > 0);
        free(label);
    }
}

/* --- user models --- */

static int user_look(int user)
{
    static const int looks[] = {1, 4, 3, 2, 6, 7};
    return looks[user % 6];
}

static void choice_by_turn_plot(const struct evaluate_results *r, struct pasta_report *report)
{
    const struct pasta_table *t = evaluate_table(r, "user_models_by_turn");
    if (!t)
        return;
    int n = (int)t->n_columns - 1; /* the models, and the truth where it is known */
    struct pasta_plot_point *points = pasta_calloc((size_t)n * t->n_rows, sizeof *points);
    struct pasta_plot_series *series = pasta_calloc((size_t)n, sizeof *series);
    for (int i = 0; i < n; i++) {
        for (size_t k = 0; k < t->n_rows; k++) {
            struct pasta_estimate e = t->cells[k * t->n_columns + (size_t)i + 1].e;
            points[(size_t)i * t->n_rows + k] = (struct pasta_plot_point){(double)k + 1, e.value, e.lo, e.hi};
        }
        series[i] = (struct pasta_plot_series){.name = t->columns[i + 1].title, .look = i < r->n_users ? user_look(i) : 5,
                                               .points = points + (size_t)i * t->n_rows, .n = (int)t->n_rows};
    }
    struct pasta_plot plot = {.title = "Choice accuracy by turn", .x_title = "turn", .y_title = "accuracy, %", .series = series,
                              .n_series = n, .whole_x = true, .percent = true,
                              .reference = pasta_mean(r->held_out->turn_chance, r->held_out->n_turns)};
    pasta_plot_lines(&plot, pasta_report_body(report));
    free(points);
    free(series);
}

/* Accuracy against the probability that the model gave its answer, in tenths of probability. */
static void calibration_plot(const struct evaluate_results *r, bool pairs, const char *title, const char *x_title, struct pasta_report *report)
{
    enum { LEAST = 20 /* answers in a bin, to be shown */ };
    const struct evaluate_held_out *h = r->held_out;
    const int64_t n = pairs ? (int64_t)h->pairs.n : h->n_turns;
    const int32_t *cluster = pairs ? h->pair_cluster : h->turn_cluster;
    struct pasta_plot_point *points = pasta_calloc((size_t)r->n_users * EVALUATE_BINS, sizeof *points), diagonal[2];
    double lo = 1, hi = 0;
    struct pasta_plot_series *series = pasta_calloc((size_t)r->n_users + 1, sizeof *series);
    double *memory = pasta_malloc(4 * (size_t)(n + 1) * sizeof *memory);
    double *confidence = memory, *correct = confidence + n, *bin_confidence = correct + n, *bin_correct = bin_confidence + n;
    int drawn = 0;
    for (int u = 0; u < r->n_users; u++) {
        struct pasta_plot_point *own = points + u * EVALUATE_BINS;
        int used = 0;
        evaluate_confidence(h, &r->users[u], pairs, confidence, correct);
        for (int b = 0; b < EVALUATE_BINS; b++) {
            for (int64_t i = 0; i < n; i++) {
                double c = confidence[i];
                bool in = c >= b / (double)EVALUATE_BINS && (c < (b + 1) / (double)EVALUATE_BINS || (b == EVALUATE_BINS - 1 && c == 1));
                bin_correct[i] = in ? correct[i] : NAN;
                bin_confidence[i] = in ? c : NAN;
            }
            struct pasta_estimate e = pasta_estimate_mean(r->clusters, bin_correct, cluster, n);
            if (e.n < LEAST)
                continue;
            own[used++] = (struct pasta_plot_point){pasta_mean(bin_confidence, n), e.value, e.lo, e.hi};
            lo = fmin(lo, fmin(own[used - 1].x, e.lo));
            hi = fmax(hi, fmax(own[used - 1].x, e.hi));
        }
        series[u] = (struct pasta_plot_series){.name = r->users[u].name, .look = user_look(u), .points = own, .n = used};
        drawn += used;
    }
    diagonal[0] = (struct pasta_plot_point){lo, lo, NAN, NAN};
    diagonal[1] = (struct pasta_plot_point){hi, hi, NAN, NAN};
    series[r->n_users] = (struct pasta_plot_series){.name = "calibrated", .points = diagonal, .n = 2, .plain = true};
    struct pasta_plot plot = {.title = title, .x_title = x_title, .y_title = "accuracy, %", .series = series, .n_series = r->n_users + 1,
                              .percent = true, .markers = true, .reference = NAN};
    if (drawn)
        pasta_plot_lines(&plot, pasta_report_body(report));
    free(points);
    free(series);
    free(memory);
}

/* One row for each model of a row of the table of user models. */
static void metric_plot(const struct evaluate_results *r, const char *metric, const char *title, struct pasta_report *report)
{
    const struct pasta_table *t = evaluate_table(r, "user_models");
    int row = row_named(t, metric);
    if (row < 0)
        return;
    struct pasta_plot_row *rows = pasta_calloc((size_t)r->n_users, sizeof *rows);
    for (int i = 0; i < r->n_users; i++)
        rows[i] = (struct pasta_plot_row){r->users[i].name, user_look(i), t->cells[(size_t)row * t->n_columns + EVALUATE_FIRST_USER + (size_t)i].e};
    struct pasta_plot_rows plot = {.title = title, .x_title = metric, .rows = rows, .n_rows = r->n_users, .format = PASTA_FORMAT_NUMBER,
                                   .digits = 3, .reference = NAN};
    pasta_plot_intervals(&plot, pasta_report_body(report));
    free(rows);
}

static int by_types(const void *a, const void *b)
{
    const struct pasta_plot_point *x = a, *y = b;
    return (x->x > y->x) - (x->x < y->x);
}

/* A row of the table of user models against K, where models of three or more sizes are given. sign -1: a loss, shown as a likelihood. */
static void against_types_plot(const struct evaluate_results *r, const char *metric, const char *title, const char *y_title, double sign,
                               bool percent, struct pasta_report *report)
{
    const struct pasta_table *t = evaluate_table(r, "user_models");
    const int row = row_named(t, metric);
    struct pasta_plot_point *points = pasta_calloc((size_t)r->n_users, sizeof *points);
    int sizes = 0;
    for (int i = 0; i < r->n_users && row >= 0; i++) {
        const struct pasta_estimate e = t->cells[(size_t)row * t->n_columns + EVALUATE_FIRST_USER + (size_t)i].e;
        const double lo = sign < 0 ? -e.hi : e.lo, hi = sign < 0 ? -e.lo : e.hi;
        points[i] = (struct pasta_plot_point){log2(r->users[i].model->n_types), sign * e.value, lo, hi};
    }
    qsort(points, (size_t)r->n_users, sizeof *points, by_types);
    for (int i = 0; i < r->n_users && row >= 0; i++)
        sizes += i == 0 || points[i].x > points[i - 1].x;
    const struct pasta_plot_series series = {.name = "user models", .look = 1, .points = points, .n = r->n_users};
    const struct pasta_plot plot = {.title = title, .x_title = "log2 of K", .y_title = y_title, .series = &series, .n_series = 1,
                                    .markers = true, .percent = percent, .reference = NAN};
    if (sizes >= 3)
        pasta_plot_lines(&plot, pasta_report_body(report));
    free(points);
}

static void users_section(const struct evaluate_results *r, struct pasta_report *report)
{
    const struct evaluate_held_out *h = r->held_out;
    char *text = pasta_asprintf("%lld people: %zu pairs, %zu ratings, %zu sessions, %zu rankings. Each answer is predicted from the same "
                                "person's earlier answers only, so the model has to find out who it is dealing with. The dashed "
                                "line is chance.",
                                (long long)h->n_people, h->pairs.n, h->ratings.n, h->sessions.n, h->rankings.n);
    pasta_report_section(report, "user-models", "User models", text);
    free(text);
    pasta_report_plots_begin(report, false);
    choice_by_turn_plot(r, report);
    calibration_plot(r, false, "Are the probabilities of choices right?", "probability of the predicted column", report);
    calibration_plot(r, true, "Are the probabilities of pairs right?", "probability of the predicted image", report);
    against_types_plot(r, "choice accuracy", "Choice accuracy against the number of types", "accuracy, %", 1, true, report);
    against_types_plot(r, "choice loss, nats (lower is better)", "Mean log-probability of a choice against the number of types", "", -1, false, report);
    against_types_plot(r, "pair accuracy", "Pair accuracy against the number of types", "accuracy, %", 1, true, report);
    metric_plot(r, "choice accuracy", "Choice accuracy", report);
    metric_plot(r, "cross-turn accuracy", "Cross-turn accuracy", report);
    metric_plot(r, "pair accuracy", "Pair accuracy", report);
    metric_plot(r, "rating rank correlation", "Rank correlation of ratings", report);
    metric_plot(r, "ranking accuracy", "Accuracy on rankings, 1 less the share of inversions", report);
    metric_plot(r, "ranking rank correlation", "Rank correlation with rankings", report);
    pasta_report_plots_end(report);
    pasta_report_table(report, evaluate_table(r, "user_models"));
    pasta_report_table(report, evaluate_table(r, "splits"));
}

pasta_status evaluate_report_make(const struct evaluate_results *r, const struct evaluate_fact *facts, int n_facts, struct pasta_str *html,
                                  struct pasta_err *err)
{
    struct pasta_str lead = {0};
    if (r->agents)
        pasta_str_printf(&lead, "%d agents against %lld fresh sketch raters over %lld turns", r->agents->n, (long long)r->agents->raters,
                         (long long)r->agents->horizon);
    if (r->held_out)
        pasta_str_printf(&lead, "%s%d user model%s on %lld held-out people", r->agents ? ", and " : "", r->n_users,
                         r->n_users == 1 ? "" : "s", (long long)r->held_out->n_people);
    if (r->rated)
        pasta_str_printf(&lead, "%lld raters over %zu sessions, with and without the %lld who are suspicious",
                         (long long)r->rated->verdicts->n, r->rated->sessions.n, (long long)r->rated->verdicts->suspicious);
    if (r->offline)
        pasta_str_printf(&lead, "%s%d agents on %zu sessions that another one played", lead.length ? ", and " : "", r->offline->n, r->offline->sessions.n);
    if (lead.length)
        pasta_str_printf(&lead, ". Every number comes with a 95 %% interval from resampling people%s.",
                         !r->held_out || r->clusters == r->people ? "" : ", or prompts where it says so");
    else
        pasta_str_add(&lead, "Training curves.");
    struct pasta_report *report = pasta_report_new("PASTA evaluation", lead.data);
    pasta_str_release(&lead);

    if (r->agents)
        agent_headlines(r, report);
    if (r->held_out)
        user_headlines(r, report);
    if (r->rated) {
        evaluate_report_raters_headlines(r, report);
        evaluate_report_raters(r, report);
    }
    if (r->agents)
        evaluate_report_agents(r, report);
    if (r->offline)
        evaluate_report_offline(r, report);
    if (r->held_out)
        users_section(r, report);
    pasta_status status = r->held_out ? evaluate_report_types(r, report, err) : PASTA_OK;
    if (status == PASTA_OK)
        status = evaluate_report_sessions(r, report, err);
    evaluate_report_curves(r, report);
    for (int i = 0; i < n_facts; i++)
        pasta_report_fact(report, facts[i].name, facts[i].value);
    struct pasta_config config = r->context->config; /* a view: the strings stay the context's */
    struct pasta_str text = {0};
    config.threads = 0; /* on which nothing here depends */
    pasta_config_print(&config, &text);
    pasta_report_listing(report, "Configuration", text.data);
    pasta_str_release(&text);
    if (status == PASTA_OK)
        pasta_report_finish(report, html);
    pasta_report_free(report);
    return status;
}
