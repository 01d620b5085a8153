#include "pasta/base/progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pasta/base/err.h"
#include "pasta/base/log.h"

double pasta_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void pasta_progress_init(struct pasta_progress *p, const char *what, const char *unit, int64_t total)
{
    *p = (struct pasta_progress){.what = what, .unit = unit, .total = total, .started = pasta_now()};
    p->on = isatty(STDERR_FILENO) && pasta_log_level_get() >= PASTA_LOG_INFO;
}

static pthread_mutex_t drawing = PTHREAD_MUTEX_INITIALIZER;

void pasta_progress_add(struct pasta_progress *p, int64_t n)
{
    int64_t done = __atomic_add_fetch(&p->done, n, __ATOMIC_RELAXED);
    if (!p->on || pthread_mutex_trylock(&drawing))
        return;
    double now = pasta_now();
    if (now - p->drawn >= 0.2) {
        p->drawn = now;
        double rate = (double)(done - p->first) / (now - p->started + 1e-9);
        int left = rate > 0 ? (int)((double)(p->total - done) / rate + 0.5) : 0;
        fprintf(stderr, "\r\033[K%s: %lld/%lld %s (%d%%), %.3g/s, %d:%02d left", p->what, (long long)done,
                (long long)p->total, p->unit, p->total ? (int)(100 * done / p->total) : 0, rate, left / 60, left % 60);
        fflush(stderr);
    }
    pthread_mutex_unlock(&drawing);
}

void pasta_progress_done(struct pasta_progress *p)
{
    if (p->on)
        fputs("\r\033[K", stderr);
}

/* --- stop requests --- */

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    if (stop_asked)
        _exit(128 + number);
    stop_asked = 1;
}

void pasta_stop_install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    /* A write beyond a file-size limit or to a closed pipe is an error code, not a death. */
    signal(SIGXFSZ, SIG_IGN);
}

bool pasta_stop_asked(void)
{
    return stop_asked;
}
