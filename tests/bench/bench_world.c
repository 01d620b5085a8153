/* bench_world.c: drawing, reading of records, and the bootstrap. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/bench_sessions.h"
#include "pasta/base/json.h"
#include "pasta/base/paths.h"
#include "pasta/base/rng.h"
#include "pasta/eval/stats.h"
#include "pasta/io/file.h"

/* --- drawing --- */

enum { MOST_IMAGES = 48 };

struct drawing {
    const char *scratch;
    const struct pasta_t2i *t2i;
    const struct pasta_prompts *prompts;
    int n;
    struct pasta_image images[MOST_IMAGES]; /* drawn last */
};

static pasta_status draw_all(void *ctx, double *seconds, struct pasta_err *err)
{
    struct drawing *d = ctx;
    pasta_status status = PASTA_OK;
    (void)seconds;
    for (int i = 0; i < d->n && status == PASTA_OK; i++) {
        pasta_image_release(&d->images[i]);
        status = d->t2i->draw(d->t2i->ctx, d->prompts->items[(size_t)i % d->prompts->n], (uint64_t)i, &d->images[i], err);
    }
    return status;
}

static pasta_status write_all(void *ctx, double *seconds, struct pasta_err *err)
{
    const struct drawing *d = ctx;
    pasta_status status = PASTA_OK;
    (void)seconds;
    for (int i = 0; i < d->n && status == PASTA_OK; i++) {
        char *path = pasta_asprintf("%s/%d.png", d->scratch, i);
        struct pasta_str png = {0};
        status = pasta_png_encode(&d->images[i], NULL, 0, &png, err);
        if (status == PASTA_OK)
            status = pasta_file_write_lazy(path, png.data, png.length, err);
        pasta_str_release(&png);
        free(path);
    }
    return status;
}

static pasta_status draw_size(struct bench *b, int size, struct pasta_err *err)
{
    struct bench_world w = {0};
    struct bench_rounds r;
    pasta_status status = bench_world_open(&w, size, err);
    if (status == PASTA_OK) {
        struct drawing d = {.scratch = b->scratch, .t2i = &w.t2i, .prompts = &w.prompts, .n = b->quick ? 4 : MOST_IMAGES};
        const struct bench_side sides[] = {{draw_all, &d, d.n, false, NULL}, {write_all, &d, d.n, false, NULL}};
        status = bench_measure(b, sides, 2, &r, err);
        for (int i = 0; i < d.n; i++)
            pasta_image_release(&d.images[i]);
    }
    if (status == PASTA_OK)
        bench_row(b, &r, &(struct bench_label){bench_text(b, "drawing at %d px, 1 thread", size), "images/s", "PNG of it, encoded and written"}, 0, 1, 1, 1);
    bench_world_close(&w);
    return status;
}

pasta_status bench_drawing(struct bench *b, struct pasta_err *err)
{
    const pasta_status status = draw_size(b, 64, err);
    return status == PASTA_OK ? draw_size(b, 128, err) : status;
}

/* --- session records --- */

struct reading {
    const char *path;
    size_t expected; /* records */
};

static pasta_status check_count(const struct reading *r, size_t found, struct pasta_err *err)
{
    return found == r->expected ? PASTA_OK : pasta_fail(err, PASTA_ERR_FAILED, "\"%s\": expected %zu records, found %zu", r->path, r->expected, found);
}

static pasta_status read_sessions(void *ctx, double *seconds, struct pasta_err *err)
{
    const struct reading *r = ctx;
    struct pasta_sessions s = {0};
    (void)seconds;
    pasta_status status = pasta_sessions_read(r->path, 0, NULL, &s, err);
    if (status == PASTA_OK)
        status = check_count(r, s.n, err);
    pasta_sessions_release(&s);
    return status;
}

/* The lines, with each parsed by bare cJSON or not at all. */
static pasta_status read_lines(const struct reading *r, bool parse, struct pasta_err *err)
{
    FILE *f = fopen(r->path, "r");
    char *line = NULL;
    size_t capacity = 0, found = 0;
    ssize_t length;
    if (!f)
        return pasta_fail_errno(err, "\"%s\"", r->path);
    while ((length = getline(&line, &capacity, f)) > 0) {
        cJSON *json = parse ? cJSON_ParseWithLength(line, (size_t)length) : NULL;
        found += !parse || json;
        cJSON_Delete(json);
    }
    free(line);
    fclose(f);
    return check_count(r, found, err);
}

static pasta_status read_plain(void *ctx, double *seconds, struct pasta_err *err)
{
    (void)seconds;
    return read_lines(ctx, false, err);
}

static pasta_status read_json(void *ctx, double *seconds, struct pasta_err *err)
{
    (void)seconds;
    return read_lines(ctx, true, err);
}

pasta_status bench_records(struct bench *b, struct pasta_err *err)
{
    char *path = pasta_path_join(b->scratch, "sessions.jsonl");
    struct reading reading = {path, b->quick ? 8 : 200};
    struct bench_rounds r;
    struct bench_world w = {0};
    struct pasta_str text = {0};
    pasta_status status = bench_world_open(&w, 64, err);
    for (size_t i = 0; i < reading.expected && status == PASTA_OK; i++) {
        struct pasta_arena arena = {0};
        struct pasta_session session;
        status = bench_world_session(&w, (uint32_t)i, 5, &arena, &session, err);
        if (status == PASTA_OK)
            pasta_session_print(&session, &text);
        pasta_arena_release(&arena);
    }
    if (status == PASTA_OK)
        status = pasta_file_write(path, text.data, text.length, err);
    if (status == PASTA_OK) {
        const double work = (double)text.length;
        const struct bench_side sides[] = {{read_sessions, &reading, work, false, NULL}, {read_plain, &reading, work, false, NULL}, {read_json, &reading, work, false, NULL}};
        status = bench_measure(b, sides, 3, &r, err);
    }
    if (status == PASTA_OK) {
        const char *what = bench_text(b, "reading %zu sessions, %.1f MB", reading.expected, (double)text.length * 1e-6);
        bench_row(b, &r, &(struct bench_label){what, "MB/s", "plain lines, cached (floor)"}, 0, 1e-6, 1, 1e-6);
        bench_row(b, &r, &(struct bench_label){what, "MB/s", "cJSON alone, nothing checked"}, 0, 1e-6, 2, 1e-6);
    }
    pasta_str_release(&text);
    bench_world_close(&w);
    free(path);
    return status;
}

/* --- bootstrap --- */

enum { PAIRS = 14000, RATERS = 400, RESAMPLES = 10000, TWIN_RESAMPLES = 200 };

struct bootstrap {
    double value[PAIRS];
    int32_t rater[PAIRS];
    int64_t resamples;
    const struct pasta_bootstrap *draws; /* made before; NULL: made anew */
    struct pasta_estimate found;
};

static pasta_status per_rater(void *ctx, double *seconds, struct pasta_err *err)
{
    struct bootstrap *s = ctx;
    struct pasta_bootstrap *boot = s->draws ? NULL : pasta_bootstrap_new(1, RATERS, s->resamples);
    (void)seconds;
    (void)err;
    s->found = pasta_estimate_mean(boot ? boot : s->draws, s->value, s->rater, PAIRS);
    pasta_bootstrap_free(boot);
    return PASTA_OK;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The naive twin: the same draws of people, and every pair summed again in each resample. */
static pasta_status per_pair(void *ctx, double *seconds, struct pasta_err *err)
{
    struct bootstrap *s = ctx;
    double *means = pasta_malloc((size_t)s->resamples * sizeof *means), weights[RATERS];
    (void)seconds;
    (void)err;
    for (int64_t b = 0; b < s->resamples; b++) {
        struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_BOOTSTRAP, (uint32_t)b, 0, 0);
        double sum = 0, count = 0;
        memset(weights, 0, sizeof weights);
        for (int i = 0; i < RATERS; i++)
            weights[pasta_rng_below(&rng, RATERS)] += 1;
        for (int i = 0; i < PAIRS; i++) {
            sum += weights[s->rater[i]] * s->value[i];
            count += weights[s->rater[i]];
        }
        means[b] = sum / count;
    }
    qsort(means, (size_t)s->resamples, sizeof *means, by_value);
    s->found.lo = pasta_quantile(means, s->resamples, 0.025);
    s->found.hi = pasta_quantile(means, s->resamples, 0.975);
    free(means);
    return PASTA_OK;
}

/* Both ways give the same interval, or their times are not worth comparing. */
static pasta_status check_bootstrap(struct bootstrap *s, struct pasta_err *err)
{
    double ignored = 0;
    s->resamples = TWIN_RESAMPLES;
    pasta_status status = per_rater(s, &ignored, err);
    const struct pasta_estimate ours = s->found;
    if (status == PASTA_OK)
        status = per_pair(s, &ignored, err);
    if (status == PASTA_OK && !(fabs(ours.lo - s->found.lo) < 1e-12 && fabs(ours.hi - s->found.hi) < 1e-12))
        status = pasta_fail(err, PASTA_ERR_CHECK, "bootstrap: expected the twin's interval [%.12f, %.12f], found [%.12f, %.12f]", s->found.lo, s->found.hi, ours.lo, ours.hi);
    return status;
}

pasta_status bench_bootstrap(struct bench *b, struct pasta_err *err)
{
    struct bootstrap *ours = pasta_calloc(3, sizeof *ours), *twin = ours + 1, *again = ours + 2;
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 0, 0, 0);
    struct bench_rounds r;
    for (int i = 0; i < PAIRS; i++) {
        ours->rater[i] = (int32_t)pasta_rng_below(&rng, RATERS);
        ours->value[i] = pasta_rng_uniform(&rng) < 0.65;
    }
    pasta_status status = check_bootstrap(ours, err);
    ours->resamples = b->quick ? TWIN_RESAMPLES : RESAMPLES;
    *twin = *again = *ours;
    twin->resamples = TWIN_RESAMPLES;
    struct pasta_bootstrap *draws = pasta_bootstrap_new(1, RATERS, again->resamples);
    again->draws = draws;
    const double work = (double)ours->resamples;
    const struct bench_side sides[] = {{per_rater, ours, work, false, NULL}, {per_pair, twin, TWIN_RESAMPLES, false, NULL}, {per_rater, again, work, false, NULL}};
    if (status == PASTA_OK)
        status = bench_measure(b, sides, 3, &r, err);
    if (status == PASTA_OK) {
        const char *what = bench_text(b, "bootstrap, %.0f resamples, %d pairs, %d people", work, PAIRS, RATERS);
        const char *against = bench_text(b, "every pair summed again (%d)", TWIN_RESAMPLES);
        bench_row(b, &r, &(struct bench_label){what, "resamples/s", against}, 0, 1, 1, 1);
        bench_row(b, &r, &(struct bench_label){"  a further statistic of the same draws", "resamples/s", against}, 2, 1, 1, 1);
    }
    pasta_bootstrap_free(draws);
    free(ours);
    return status;
}
