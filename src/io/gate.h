/* gate.h: when a request may begin: within the budget, so many at once and so many a minute to each kind of service, and not before a
 * service that asked to wait is to be asked again.
 *
 * The minute is a schedule: requests begin at least 60 / http.per_minute seconds apart, so that no part of it sees more than its share.
 */
#ifndef PASTA_SRC_IO_GATE_H
#define PASTA_SRC_IO_GATE_H
#include <pthread.h>
#include <stdint.h>
#include "pasta/io/service.h"

struct gate {
    const struct pasta_http_settings *settings;
    pthread_mutex_t lock;
    pthread_cond_t left;         /* a request has ended */
    int64_t begun;               /* of both kinds */
    struct gate_lane { int64_t in_flight; double next, not_before; } lanes[PASTA_SERVICE_KINDS];
};
void gate_init(struct gate *g, const struct pasta_http_settings *settings);
void gate_release(struct gate *g);
/* Waits until a request may begin, not before `ready` (pasta_now's seconds), and counts it. PASTA_ERR_STOPPED: the budget is spent, or a
 * stop was asked for, which is seen within a tenth of a second. `host` is for the message. */
pasta_status gate_enter(struct gate *g, enum pasta_service_kind kind, double ready, const char *host,
                        struct pasta_err *err) PASTA_MUST_CHECK;
/* `not_before`: nobody of this kind enters before; 0: whenever. */
void gate_leave(struct gate *g, enum pasta_service_kind kind, double not_before);
/* Waits on `wake` for up to a tenth of a second; the lock is held. */
void gate_wait(pthread_cond_t *wake, pthread_mutex_t *lock, double seconds);
void gate_cond_init(pthread_cond_t *cond); /* by the monotonic clock */
#endif
