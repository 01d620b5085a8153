/* single_flight.h: two who ask the same question at once: one asks, the other waits and finds the reply that was kept.
 *
 * Without it both would be paid for, and a session could go on with a reply that is not the one on the cassette. Whoever has a reply is
 * expected to keep it soon; one that is not kept within a second is not going to be, and the next asks.
 */
#ifndef PASTA_SRC_IO_SINGLE_FLIGHT_H
#define PASTA_SRC_IO_SINGLE_FLIGHT_H
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct single_flight {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    struct flight { char key[65]; double lapses; } *flights; /* lapses: infinity while it is asked */
    size_t n, capacity;
};
void single_flight_init(struct single_flight *s);
void single_flight_release(struct single_flight *s);
/* True: the caller asks. False: somebody did meanwhile, or a stop was asked for; look again. */
bool single_flight_begin(struct single_flight *s, const char key[65]);
void single_flight_answered(struct single_flight *s, const char key[65]); /* there is a reply, to be kept or not */
void single_flight_end(struct single_flight *s, const char key[65]);      /* it is kept, or there is none; no flight is legal */
#endif
