/* Training curves of the runs given with --metrics, one plot a metric with a line for each run that has it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate_report.h"
#include "pasta/base/json.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"

enum { MOST_POINTS = 160 /* of a curve: neighbours are averaged beyond */ };

static struct evaluate_metric *metric_named(struct evaluate_metrics *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->items[i].name, name) == 0)
            return &c->items[i];
    PASTA_GROW(c->items, c->n + 1, c->capacity);
    c->items[c->n] = (struct evaluate_metric){.name = pasta_strdup(name)};
    return &c->items[c->n++];
}

static void add_point(struct evaluate_metric *m, int run, double step, double value)
{
    if (m->n == 0 || m->curves[m->n - 1].run != run) {
        PASTA_GROW(m->curves, m->n + 1, m->capacity);
        m->curves[m->n++] = (struct evaluate_curve){.run = run};
    }
    struct evaluate_curve *curve = &m->curves[m->n - 1];
    PASTA_GROW(curve->points, (size_t)curve->n + 1, curve->capacity);
    curve->points[curve->n++] = (struct pasta_plot_point){step, value, NAN, NAN};
}

pasta_status evaluate_metrics_read(struct evaluate_metrics *c, int run, const char *dir, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, "metrics.jsonl");
    struct pasta_lines lines = {0};
    pasta_status status = pasta_lines_open(&lines, path, err);
    bool more = true;
    while (status == PASTA_OK && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more) {
        char *where = pasta_asprintf("%s:%lld", path, (long long)lines.number);
        cJSON *row = NULL;
        int64_t step = 0;
        status = pasta_json_parse(lines.line.data, lines.line.length, where, &row, err);
        if (status == PASTA_OK)
            status = pasta_json_int(row, "step", where, 0, INT64_MAX / 1024, &step, err);
        const cJSON *value;
        if (status == PASTA_OK)
            cJSON_ArrayForEach(value, row)
                if (cJSON_IsNumber(value) && strcmp(value->string, "step") != 0)
                    add_point(metric_named(c, value->string), run, (double)step, value->valuedouble);
        cJSON_Delete(row);
        free(where);
    }
    pasta_lines_close(&lines);
    free(path);
    return status;
}

/* At most MOST_POINTS means of neighbours, into out; returns how many. */
static int thin(const struct evaluate_curve *curve, struct pasta_plot_point *out)
{
    int width = (curve->n + MOST_POINTS - 1) / MOST_POINTS, kept = 0;
    for (int i = 0; i < curve->n; i += width) {
        struct pasta_plot_point mean = {0, 0, NAN, NAN};
        int end = i + width < curve->n ? i + width : curve->n;
        for (int j = i; j < end; j++) {
            mean.x += curve->points[j].x / (end - i);
            mean.y += curve->points[j].y / (end - i);
        }
        out[kept++] = mean;
    }
    return kept;
}

static void plot_metric(const struct evaluate_metric *m, const struct evaluate_results *r, struct pasta_str *out)
{
    struct pasta_plot_series *series = pasta_calloc(m->n, sizeof *series);
    struct pasta_plot_point *points = pasta_calloc(m->n * MOST_POINTS, sizeof *points);
    for (size_t i = 0; i < m->n; i++) {
        int n = thin(&m->curves[i], points + i * MOST_POINTS);
        series[i] = (struct pasta_plot_series){.name = r->metric_runs[m->curves[i].run].name, .look = 1 + m->curves[i].run,
                                               .points = points + i * MOST_POINTS, .n = n};
    }
    struct pasta_plot plot = {.title = m->name, .x_title = "step", .y_title = "", .series = series, .n_series = (int)m->n,
                              .reference = NAN};
    pasta_plot_lines(&plot, out);
    free(series);
    free(points);
}

void evaluate_metrics_release(struct evaluate_metrics *c)
{
    for (size_t i = 0; i < c->n; i++) {
        for (size_t j = 0; j < c->items[i].n; j++)
            free(c->items[i].curves[j].points);
        free(c->items[i].curves);
        free(c->items[i].name);
    }
    free(c->items);
    *c = (struct evaluate_metrics){0};
}

static void plot_all(const struct evaluate_results *r, bool losses, struct pasta_report *report)
{
    pasta_report_plots_begin(report, true);
    for (size_t i = 0; i < r->metrics->n; i++)
        if ((strstr(r->metrics->items[i].name, "loss") != NULL) == losses)
            plot_metric(&r->metrics->items[i], r, pasta_report_body(report));
    pasta_report_plots_end(report);
}

void evaluate_report_curves(const struct evaluate_results *r, struct pasta_report *report)
{
    if (!r->metrics->n)
        return;
    pasta_report_section(report, "training", "Training",
                         "Losses as they were recorded during training; long curves are averaged over neighbouring steps.");
    plot_all(r, true, report);
    pasta_report_fold_begin(report, "All other metrics");
    plot_all(r, false, report);
    pasta_report_fold_end(report);
}
