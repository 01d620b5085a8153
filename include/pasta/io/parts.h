/* parts.h: long outputs in numbered parts, so that a killed run loses at most one part.
 *
 * `DIR/parts/NAME-000017.jsonl` is written atomically when its items are done; `--resume` skips parts that exist;
 * pasta_parts_join concatenates them into `DIR/NAME.jsonl` (atomically) and removes them. Parts are numbered from 0. Where `DIR/NAME.jsonl`
 * exists, every part counts as done and joining only clears up: a run may be killed between the two steps.
 */
#ifndef PASTA_IO_PARTS_H
#define PASTA_IO_PARTS_H
#include <stdbool.h>
#include <stdint.h>
#include "pasta/base/err.h"
#include "pasta/base/str.h"
bool pasta_part_done(const char *dir, const char *name, int64_t part);
pasta_status pasta_part_write(const char *dir, const char *name, int64_t part, const struct pasta_str *text,
                              struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_parts_join(const char *dir, const char *name, int64_t n_parts, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
