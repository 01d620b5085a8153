#include "pasta/io/metrics.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fields.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "tfevents.h"

static const char *const schema = "pasta.metrics/1";
static const char *const rows_name = "metrics.jsonl";
static const char *const events_name = "events.out.tfevents.0.pasta"; /* fixed: a resumed run goes on in the same file */

/* One output: what is not written yet, and the file it is appended to. */
struct stream {
    char *path;
    int fd;
    off_t size; /* of the file */
    struct pasta_str pending;
};
struct row {
    int64_t step;
    char **names;
    double *values;
    size_t n, names_capacity, values_capacity;
};
struct pasta_metrics {
    struct stream rows, events;
    struct row row; /* being gathered */
};

/* JSON has no NaN and no infinity: both files keep them as "not a number". */
static double storable(double value)
{
    return isfinite(value) ? value : NAN;
}

static void row_put(struct row *row, const char *name, double value)
{
    for (size_t i = 0; i < row->n; i++)
        if (strcmp(row->names[i], name) == 0) {
            row->values[i] = storable(value);
            return;
        }
    PASTA_GROW(row->names, row->n + 1, row->names_capacity);
    PASTA_GROW(row->values, row->n + 1, row->values_capacity);
    row->names[row->n] = pasta_strdup(name);
    row->values[row->n++] = storable(value);
}

static void row_clear(struct row *row)
{
    for (size_t i = 0; i < row->n; i++)
        free(row->names[i]);
    row->n = 0;
}

static void put_events(struct pasta_str *out, const struct row *row)
{
    pasta_tfevents_scalars(out, row->step, (const char *const *)row->names, row->values, row->n);
}

/* Moves the gathered row into the pending bytes of both files. */
static void end_row(struct pasta_metrics *m)
{
    if (!m->row.n)
        return;
    struct pasta_str *out = &m->rows.pending;
    pasta_str_printf(out, "{\"schema\":\"%s\",\"step\":%lld", schema, (long long)m->row.step);
    for (size_t i = 0; i < m->row.n; i++) {
        pasta_str_addc(out, ',');
        pasta_json_put_str(out, m->row.names[i]);
        pasta_str_addc(out, ':');
        pasta_json_put_num(out, m->row.values[i]);
    }
    pasta_str_add(out, "}\n");
    put_events(&m->events.pending, &m->row);
    row_clear(&m->row);
}

/* Parses a row that an earlier run wrote. */
static pasta_status parse_row(const char *line, size_t length, const char *where, struct row *row, struct pasta_err *err)
{
    struct pasta_fields f = {.where = where, .err = err};
    row_clear(row);
    cJSON *tree = pasta_fields_begin(&f, line, length, schema);
    if (!tree)
        return f.status;
    row->step = pasta_fields_int(&f, NULL, tree, "step", 0, (int64_t)1 << 53);
    for (const cJSON *value = tree->child; value && f.status == PASTA_OK; value = value->next) {
        if (strcmp(value->string, "schema") == 0 || strcmp(value->string, "step") == 0)
            continue;
        if (!cJSON_IsNumber(value) && !cJSON_IsNull(value))
            pasta_fields_fail(&f, NULL, value->string, "expected a number or null, found %s", pasta_json_type_name(value));
        else
            row_put(row, value->string, cJSON_IsNumber(value) ? value->valuedouble : NAN);
    }
    cJSON_Delete(tree);
    return f.status;
}

/* Keeps the rows up to resume_step and makes the events from them, so that the two files cannot disagree. The end of the
 * last line may be missing when a run was killed; that row is beyond any checkpoint. */
static pasta_status keep_rows(struct pasta_metrics *m, int64_t resume_step, struct pasta_err *err)
{
    struct pasta_str text = {0}, where = {0};
    struct row row = {0};
    int64_t number = 0;
    pasta_status status = pasta_file_read(m->rows.path, &text, err);
    for (char *line = text.data, *end; status == PASTA_OK && (end = strchr(line, '\n')); line = end + 1) {
        pasta_str_clear(&where);
        pasta_str_printf(&where, "%s:%lld", m->rows.path, (long long)++number);
        status = parse_row(line, (size_t)(end - line), where.data, &row, err);
        if (status != PASTA_OK || row.step > resume_step)
            continue;
        pasta_str_addn(&m->rows.pending, line, (size_t)(end + 1 - line));
        put_events(&m->events.pending, &row);
    }
    row_clear(&row);
    free(row.names);
    free(row.values);
    pasta_str_release(&text);
    pasta_str_release(&where);
    return status;
}

/* Replaces the file by the pending bytes and opens it for what follows. */
static pasta_status stream_open(struct stream *s, struct pasta_err *err)
{
    pasta_status status = pasta_file_write(s->path, s->pending.data, s->pending.length, err);
    if (status != PASTA_OK)
        return status;
    s->size = (off_t)s->pending.length;
    pasta_str_clear(&s->pending);
    s->fd = open(s->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    return s->fd >= 0 ? PASTA_OK : pasta_fail_errno(err, "cannot open '%s'", s->path);
}

/* Appends the pending bytes, all or none: what a full disk cut short is taken back, so that a later flush may try again. */
static pasta_status stream_flush(struct stream *s, struct pasta_err *err)
{
    size_t done = 0;
    while (done < s->pending.length) {
        ssize_t n = write(s->fd, s->pending.data + done, s->pending.length - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            pasta_status status = pasta_fail_errno(err, "cannot write '%s'", s->path);
            return ftruncate(s->fd, s->size) == 0 ? status : PASTA_ERR_IO;
        }
        done += (size_t)n;
    }
    s->size += (off_t)done;
    pasta_str_clear(&s->pending);
    return fdatasync(s->fd) == 0 ? PASTA_OK : pasta_fail_errno(err, "cannot write '%s'", s->path);
}

static void stream_release(struct stream *s)
{
    if (s->fd >= 0)
        close(s->fd);
    free(s->path);
    pasta_str_release(&s->pending);
}

static void metrics_free(struct pasta_metrics *m)
{
    stream_release(&m->rows);
    stream_release(&m->events);
    row_clear(&m->row);
    free(m->row.names);
    free(m->row.values);
    free(m);
}

pasta_status pasta_metrics_open(struct pasta_metrics **out, const char *dir, int64_t resume_step, struct pasta_err *err)
{
    struct pasta_metrics *m = pasta_calloc(1, sizeof *m);
    m->rows = (struct stream){.path = pasta_path_join(dir, rows_name), .fd = -1};
    m->events = (struct stream){.path = pasta_path_join(dir, events_name), .fd = -1};
    pasta_str_add(&m->rows.pending, "");
    pasta_tfevents_header(&m->events.pending);
    pasta_status status = PASTA_OK;
    if (resume_step >= 0 && pasta_file_exists(m->rows.path))
        status = keep_rows(m, resume_step, err);
    if (status == PASTA_OK)
        status = stream_open(&m->rows, err);
    if (status == PASTA_OK)
        status = stream_open(&m->events, err);
    if (status != PASTA_OK) {
        metrics_free(m);
        return status;
    }
    *out = m;
    return PASTA_OK;
}

void pasta_metrics_put(struct pasta_metrics *m, int64_t step, const char *name, double value)
{
    assert(step >= 0 && strcmp(name, "step") != 0 && strcmp(name, "schema") != 0);
    if (step != m->row.step)
        end_row(m);
    m->row.step = step;
    row_put(&m->row, name, value);
}

pasta_status pasta_metrics_flush(struct pasta_metrics *m, struct pasta_err *err)
{
    end_row(m);
    pasta_status status = stream_flush(&m->rows, err);
    return status == PASTA_OK ? stream_flush(&m->events, err) : status;
}

pasta_status pasta_metrics_close(struct pasta_metrics *m, struct pasta_err *err)
{
    if (!m)
        return PASTA_OK;
    pasta_status status = pasta_metrics_flush(m, err);
    metrics_free(m);
    return status;
}
