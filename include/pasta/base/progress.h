/* progress.h: a progress line with rate and remaining time, on a terminal only, and the stop flag
 * that SIGINT, SIGTERM and SIGUSR1 raise.
 *
 *     struct pasta_progress p;
 *     pasta_progress_init(&p, "collect", "sessions", total);
 *     ... pasta_progress_add(&p, 1); ...      // any thread
 *     pasta_progress_done(&p);
 */
#ifndef PASTA_BASE_PROGRESS_H
#define PASTA_BASE_PROGRESS_H
#include <stdbool.h>
#include <stdint.h>
struct pasta_progress {
    const char *what, *unit;
    int64_t total, done, first; /* first: done before this run (resume), left out of the rate */
    double started, drawn;      /* seconds, monotonic clock */
    bool on;
};
void pasta_progress_init(struct pasta_progress *p, const char *what, const char *unit, int64_t total);
void pasta_progress_add(struct pasta_progress *p, int64_t n); /* thread-safe */
void pasta_progress_done(struct pasta_progress *p);           /* clears the line */
double pasta_now(void);                                       /* monotonic seconds */

/* Installs the handlers; a second signal ends the process at once. */
void pasta_stop_install(void);
bool pasta_stop_asked(void);
#endif
