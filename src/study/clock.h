/* clock.h: what time it is, for the journal and for those that wait. */
#ifndef PASTA_SRC_STUDY_CLOCK_H
#define PASTA_SRC_STUDY_CLOCK_H
#include <math.h>
#include <time.h>

/* Seconds since 1970, in whole milliseconds: what the journal keeps is what was reckoned with. */
static inline double study_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return floor(1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec) / 1e3;
}

/* The moment in so many seconds, for conditions on the monotonic clock. */
static inline struct timespec study_deadline(double seconds)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    const double nanoseconds = (double)at.tv_nsec + 1e9 * (seconds - floor(seconds));
    at.tv_sec += (time_t)floor(seconds) + (nanoseconds >= 1e9);
    at.tv_nsec = (long)(nanoseconds >= 1e9 ? nanoseconds - 1e9 : nanoseconds);
    return at;
}
#endif
