#include "single_flight.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate.h"
#include "pasta/base/mem.h"
#include "pasta/base/progress.h"

void single_flight_init(struct single_flight *s)
{
    *s = (struct single_flight){0};
    pthread_mutex_init(&s->lock, NULL);
    gate_cond_init(&s->ended);
}

void single_flight_release(struct single_flight *s)
{
    free(s->flights);
    pthread_cond_destroy(&s->ended);
    pthread_mutex_destroy(&s->lock);
}

static struct flight *find(const struct single_flight *s, const char key[65])
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->flights[i].key, key) == 0)
            return &s->flights[i];
    return NULL;
}

/* A place for one more: that of a flight that nobody kept anything of, else a new one. */
static struct flight *add(struct single_flight *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (pasta_now() >= s->flights[i].lapses)
            return &s->flights[i];
    PASTA_GROW(s->flights, s->n + 1, s->capacity);
    return &s->flights[s->n++];
}

bool single_flight_begin(struct single_flight *s, const char key[65])
{
    bool waited = false;
    struct flight *flight;
    pthread_mutex_lock(&s->lock);
    while ((flight = find(s, key)) && pasta_now() < flight->lapses && !pasta_stop_asked()) {
        gate_wait(&s->ended, &s->lock, flight->lapses - pasta_now());
        waited = true;
    }
    /* Whoever waited for a flight that lapsed takes it over; whoever waited for one that ended looks for what was kept. */
    const bool mine = flight ? pasta_now() >= flight->lapses || pasta_stop_asked() : !waited;
    if (mine && !flight) {
        flight = add(s);
        memcpy(flight->key, key, sizeof flight->key);
    }
    if (mine)
        flight->lapses = INFINITY;
    pthread_mutex_unlock(&s->lock);
    return mine;
}

void single_flight_answered(struct single_flight *s, const char key[65])
{
    pthread_mutex_lock(&s->lock);
    struct flight *flight = find(s, key);
    if (flight)
        flight->lapses = pasta_now() + 1;
    pthread_mutex_unlock(&s->lock);
}

void single_flight_end(struct single_flight *s, const char key[65])
{
    pthread_mutex_lock(&s->lock);
    struct flight *flight = find(s, key);
    if (flight)
        *flight = s->flights[--s->n];
    pthread_cond_broadcast(&s->ended);
    pthread_mutex_unlock(&s->lock);
}
