/* part_run.c: see part_run.h. */
#include "pasta/agent/part_run.h"

#include <stdlib.h>

#include "pasta/base/mem.h"
#include "pasta/io/parts.h"

struct part {
    const struct pasta_part_run *run;
    int64_t first;           /* item of lines[0] */
    struct pasta_str *lines; /* one an item, in order */
};

static pasta_status do_item(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    const struct part *part = ctx;
    const pasta_status status = part->run->line(part->run->ctx, part->first + item, worker, &part->lines[item], err);
    if (status == PASTA_OK && part->run->progress)
        pasta_progress_add(part->run->progress, 1);
    return status;
}

static pasta_status do_part(const struct pasta_part_run *run, int64_t number, int64_t first, int64_t n, struct pasta_err *err)
{
    struct part part = {run, first, pasta_calloc((size_t)n, sizeof *part.lines)};
    struct pasta_str text = {0};

    pasta_status status = pasta_parallel_for(n, run->threads, do_item, &part, err);
    for (int64_t i = 0; i < n; i++) {
        if (status == PASTA_OK)
            pasta_str_addn(&text, part.lines[i].data, part.lines[i].length);
        pasta_str_release(&part.lines[i]);
    }
    if (status == PASTA_OK)
        status = pasta_part_write(run->dir, run->name, number, &text, err);
    pasta_str_release(&text);
    free(part.lines);
    return status;
}

static void pass_over(const struct pasta_part_run *run, int64_t n)
{
    if (!run->progress)
        return;
    run->progress->first += n;
    pasta_progress_add(run->progress, n);
}

pasta_status pasta_part_run(const struct pasta_part_run *run, struct pasta_err *err)
{
    const int64_t parts = (run->items + run->part - 1) / run->part;

    if (parts == 0)
        return PASTA_OK;
    for (int64_t i = 0; i < parts; i++) {
        const int64_t first = i * run->part, n = run->items - first < run->part ? run->items - first : run->part;
        if (pasta_part_done(run->dir, run->name, i)) {
            pass_over(run, n);
            continue;
        }
        if (pasta_stop_asked())
            return pasta_fail(err, PASTA_ERR_STOPPED, "stopped at part %lld of %lld of '%s'; --resume goes on from here",
                              (long long)i, (long long)parts, run->name);
        const pasta_status status = do_part(run, i, first, n, err);
        if (status != PASTA_OK)
            return status;
    }
    return pasta_parts_join(run->dir, run->name, parts, err);
}
