/* part_run.h: many independent records, worked on in parallel and written in numbered parts (io/parts.h).
 *
 * The bytes of DIR/NAME.jsonl depend on the items alone: not on threads, and not on how often the run was killed and resumed. Whatever an
 * item leaves elsewhere (images) must be written before its line is returned, and must be the same when it is done again.
 *
 *     struct pasta_part_run run = {.dir = out, .name = "sessions", .items = 7000, .part = 16, .threads = 2, .line = play, .ctx = &rollout};
 *     pasta_part_run(&run, &err);     // goes on after the parts that are there
 */
#ifndef PASTA_AGENT_PART_RUN_H
#define PASTA_AGENT_PART_RUN_H
#include "pasta/base/progress.h"
#include "pasta/base/str.h"
#include "pasta/base/threads.h"

struct pasta_part_run {
    const char *dir, *name;
    int64_t items, part; /* in all, and in one part: a kill loses at most `part` items. Resuming takes the same numbers. */
    int threads;
    struct pasta_progress *progress; /* moves by one an item, and at once over what was done before; or NULL */
    /* Appends the item's line; called by worker 0..threads-1. */
    pasta_status (*line)(void *ctx, int64_t item, int worker, struct pasta_str *out, struct pasta_err *err);
    void *ctx;
};

/* Writes what is missing of DIR/NAME.jsonl; items 0 writes nothing. A raised stop flag (progress.h) is obeyed between parts with
 * PASTA_ERR_STOPPED; on any error the finished parts stay and a later call goes on from them. */
pasta_status pasta_part_run(const struct pasta_part_run *run, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
