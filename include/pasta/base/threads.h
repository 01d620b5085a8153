/* threads.h: parallel loops over independent items.
 *
 * Items are handed out one at a time, so they may differ in cost. Results belong into slots
 * indexed by item, never by worker or by order of completion: then bytes do not depend on the
 * number of threads. Workers are ordinary threads: library calls inside run on one thread each.
 */
#ifndef PASTA_BASE_THREADS_H
#define PASTA_BASE_THREADS_H
#include <stdint.h>
#include "pasta/base/err.h"
/* Called for item 0..n-1 by worker 0..threads-1. A status other than PASTA_OK stops the loop. */
typedef pasta_status (*pasta_work_fn)(void *ctx, int64_t item, int worker, struct pasta_err *err);
/* Runs fn for every item; returns the first failure in item order among those seen. A raised stop
 * flag (progress.h) is not looked at here. threads < 1 counts as 1. */
pasta_status pasta_parallel_for(int64_t n, int threads, pasta_work_fn fn, void *ctx,
                                struct pasta_err *err) PASTA_MUST_CHECK;
int pasta_cpu_count(void); /* processors this process may use */
#endif
