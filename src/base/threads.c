#include "pasta/base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "pasta/base/mem.h"

struct loop {
    int64_t n, next;
    pasta_work_fn fn;
    void *ctx;
    pthread_mutex_t lock; /* guards the first failure */
    int64_t failed_item;  /* n = none */
    struct pasta_err failure;
    pasta_status status;
};

struct worker {
    struct loop *loop;
    int number;
    pthread_t thread;
};

static void *work(void *argument)
{
    struct worker *w = argument;
    struct loop *loop = w->loop;
    for (;;) {
        int64_t item = __atomic_fetch_add(&loop->next, 1, __ATOMIC_RELAXED);
        if (item >= loop->n)
            return NULL;
        struct pasta_err err = {0};
        pasta_status status = loop->fn(loop->ctx, item, w->number, &err);
        if (status == PASTA_OK)
            continue;
        pthread_mutex_lock(&loop->lock);
        if (item < loop->failed_item) {
            loop->failed_item = item;
            loop->failure = err;
            loop->status = status;
        }
        pthread_mutex_unlock(&loop->lock);
        /* Items after a failure are not started; those before it were handed out already. */
        __atomic_store_n(&loop->next, loop->n, __ATOMIC_RELAXED);
        return NULL;
    }
}

pasta_status pasta_parallel_for(int64_t n, int threads, pasta_work_fn fn, void *ctx, struct pasta_err *err)
{
    struct loop loop = {.n = n, .fn = fn, .ctx = ctx, .failed_item = n, .lock = PTHREAD_MUTEX_INITIALIZER};
    if (threads > n)
        threads = (int)n;
    if (threads < 1)
        threads = 1;
    struct worker *workers = pasta_calloc((size_t)threads, sizeof *workers);
    int started = 0;
    for (int i = 0; i < threads; i++) {
        workers[i] = (struct worker){.loop = &loop, .number = i};
        /* The loop runs with however many threads the system grants. */
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
            break;
        started++;
    }
    if (!started)
        work(&workers[0]);
    for (int i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    free(workers);
    if (loop.status != PASTA_OK)
        return pasta_fail(err, loop.status, "%s", loop.failure.message);
    return PASTA_OK;
}

int pasta_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set))
        return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n;
}
