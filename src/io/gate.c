#include "gate.h"

#include <math.h>
#include <time.h>

#include "pasta/base/progress.h"

static const double look = 0.1; /* seconds between looks at the stop flag */

void gate_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t how;
    pthread_condattr_init(&how);
    pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &how);
    pthread_condattr_destroy(&how);
}

void gate_wait(pthread_cond_t *wake, pthread_mutex_t *lock, double seconds)
{
    const double until = pasta_now() + fmin(fmax(seconds, 0), look);
    const struct timespec t = {(time_t)until, (long)(1e9 * (until - floor(until)))};
    pthread_cond_timedwait(wake, lock, &t);
}

void gate_init(struct gate *g, const struct pasta_http_settings *settings)
{
    *g = (struct gate){.settings = settings};
    pthread_mutex_init(&g->lock, NULL);
    gate_cond_init(&g->left);
}

void gate_release(struct gate *g)
{
    pthread_cond_destroy(&g->left);
    pthread_mutex_destroy(&g->lock);
}

/* Why nobody may enter any more. */
static pasta_status check_end(const struct gate *g, const char *host, struct pasta_err *err)
{
    if (pasta_stop_asked())
        return pasta_fail(err, PASTA_ERR_STOPPED, "stopped while %s was to be asked; --resume goes on", host);
    if (g->settings->budget && g->begun >= g->settings->budget)
        return pasta_fail(err, PASTA_ERR_STOPPED, "the budget of %lld requests is spent (http.budget); --resume goes on with as many again",
                          (long long)g->settings->budget);
    return PASTA_OK;
}

pasta_status gate_enter(struct gate *g, enum pasta_service_kind kind, double ready, const char *host, struct pasta_err *err)
{
    struct gate_lane *lane = &g->lanes[kind];
    pasta_status status;
    pthread_mutex_lock(&g->lock);
    while ((status = check_end(g, host, err)) == PASTA_OK) {
        const double now = pasta_now(), from = fmax(fmax(ready, lane->next), lane->not_before);
        if (lane->in_flight < g->settings->in_flight && now >= from)
            break;
        gate_wait(&g->left, &g->lock, now < from ? from - now : look);
    }
    if (status == PASTA_OK) {
        lane->in_flight++;
        g->begun++;
        if (g->settings->per_minute > 0)
            lane->next = pasta_now() + 60 / g->settings->per_minute;
    }
    pthread_mutex_unlock(&g->lock);
    return status;
}

void gate_leave(struct gate *g, enum pasta_service_kind kind, double not_before)
{
    pthread_mutex_lock(&g->lock);
    g->lanes[kind].in_flight--;
    g->lanes[kind].not_before = fmax(g->lanes[kind].not_before, not_before);
    pthread_cond_broadcast(&g->left);
    pthread_mutex_unlock(&g->lock);
}
