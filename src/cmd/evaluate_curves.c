/* Training curves of the runs given with --metrics, one plot a metric with a line for each run that has it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate_report.h"
#include "pasta/base/json.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"

enum { MOST_POINTS = 160 /* of a line: neighbours are averaged beyond */ };

struct line {
    int run;
    struct pasta_plot_point *points;
    int n;
    size_t capacity;
};
struct metric {
    char *name;
    struct line *lines;
    size_t n, capacity;
};
struct curves {
    struct metric *items; /* in the order of first appearance */
    size_t n, capacity;
};

static struct metric *metric_named(struct curves *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->items[i].name, name) == 0)
            return &c->items[i];
    PASTA_GROW(c->items, c->n + 1, c->capacity);
    c->items[c->n] = (struct metric){.name = pasta_strdup(name)};
    return &c->items[c->n++];
}

static void add_point(struct metric *m, int run, double step, double value)
{
    if (m->n == 0 || m->lines[m->n - 1].run != run) {
        PASTA_GROW(m->lines, m->n + 1, m->capacity);
        m->lines[m->n++] = (struct line){.run = run};
    }
    struct line *line = &m->lines[m->n - 1];
    PASTA_GROW(line->points, (size_t)line->n + 1, line->capacity);
    line->points[line->n++] = (struct pasta_plot_point){step, value, NAN, NAN};
}

static pasta_status read_run(struct curves *c, int run, const char *dir, struct pasta_err *err)
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

static void thin(struct line *line)
{
    int width = (line->n + MOST_POINTS - 1) / MOST_POINTS, kept = 0;
    for (int i = 0; width > 1 && i < line->n; i += width) {
        struct pasta_plot_point mean = {0, 0, NAN, NAN};
        int end = i + width < line->n ? i + width : line->n;
        for (int j = i; j < end; j++) {
            mean.x += line->points[j].x / (end - i);
            mean.y += line->points[j].y / (end - i);
        }
        line->points[kept++] = mean;
    }
    if (kept)
        line->n = kept;
}

static void plot_metric(const struct metric *m, const struct evaluate_results *r, struct pasta_str *out)
{
    struct pasta_plot_series *series = pasta_calloc(m->n, sizeof *series);
    for (size_t i = 0; i < m->n; i++) {
        thin(&m->lines[i]);
        series[i] = (struct pasta_plot_series){.name = r->metrics[m->lines[i].run].name, .look = 1 + m->lines[i].run, .points = m->lines[i].points,
                                               .n = m->lines[i].n};
    }
    struct pasta_plot plot = {.title = m->name, .x_title = "step", .y_title = "", .series = series, .n_series = (int)m->n, .reference = NAN};
    pasta_plot_lines(&plot, out);
    free(series);
}

pasta_status evaluate_report_curves(const struct evaluate_results *r, struct pasta_report *report, struct pasta_err *err)
{
    struct curves c = {0};
    pasta_status status = PASTA_OK;
    for (int i = 0; i < r->n_metrics && status == PASTA_OK; i++)
        status = read_run(&c, i, r->metrics[i].dir, err);
    if (status == PASTA_OK && c.n) {
        pasta_report_section(report, "training", "Training", "Metrics as they were recorded during training; long curves are averaged over neighbouring steps.");
        pasta_report_plots_begin(report, true);
        for (size_t i = 0; i < c.n; i++)
            plot_metric(&c.items[i], r, pasta_report_body(report));
        pasta_report_plots_end(report);
    }
    for (size_t i = 0; i < c.n; i++) {
        for (size_t j = 0; j < c.items[i].n; j++)
            free(c.items[i].lines[j].points);
        free(c.items[i].lines);
        free(c.items[i].name);
    }
    free(c.items);
    return status;
}
