#include "pasta/io/service.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cassette.h"
#include "gate.h"
#include "http.h"
#include "pasta/base/progress.h"
#include "refusal.h"
#include "reply_cache.h"
#include "single_flight.h"

struct pasta_service {
    const struct pasta_http_settings *settings;
    char *cache;                 /* NULL: none */
    struct recording *recording; /* NULL: none */
    struct exchange_lines replay; /* name NULL: none */
    struct http *http;
    struct gate gate;
    struct single_flight flights;
    struct pasta_service_counts counts; /* atomic */
};

static void count(int64_t *counter)
{
    __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static bool given(const char *path)
{
    return path && *path;
}

pasta_status pasta_service_open(const struct pasta_http_settings *settings, const struct pasta_service_files *files,
                                struct pasta_service **out, struct pasta_err *err)
{
    struct pasta_service *s = pasta_calloc(1, sizeof *s);
    s->settings = settings;
    gate_init(&s->gate, settings);
    single_flight_init(&s->flights);
    pasta_status status = http_new(settings, &s->http, err);
    if (status == PASTA_OK && given(files->replay))
        status = cassette_open(files->replay, &s->replay, err);
    else if (given(files->cache)) /* a cassette answers alone: what a cache holds besides would hide that it lacks something */
        s->cache = pasta_strdup(files->cache);
    if (status == PASTA_OK && given(files->record))
        status = recording_open(files->record, files->resume, &s->recording, err);
    if (status == PASTA_OK)
        *out = s;
    else
        pasta_service_free(s);
    return status;
}

void pasta_service_free(struct pasta_service *s)
{
    if (!s)
        return;
    http_free(s->http);
    gate_release(&s->gate);
    single_flight_release(&s->flights);
    recording_free(s->recording);
    exchange_lines_release(&s->replay);
    free(s->cache);
    free(s);
}

pasta_status pasta_service_finish(struct pasta_service *s, struct pasta_err *err)
{
    return s->recording ? recording_finish(s->recording, err) : PASTA_OK;
}

struct pasta_service_counts pasta_service_counts(const struct pasta_service *s)
{
    const struct pasta_service_counts *c = &s->counts;
    return (struct pasta_service_counts){.asked = __atomic_load_n(&c->asked, __ATOMIC_RELAXED),
                                         .attempts = __atomic_load_n(&c->attempts, __ATOMIC_RELAXED),
                                         .from_cassette = __atomic_load_n(&c->from_cassette, __ATOMIC_RELAXED),
                                         .from_cache = __atomic_load_n(&c->from_cache, __ATOMIC_RELAXED),
                                         .limited = __atomic_load_n(&c->limited, __ATOMIC_RELAXED),
                                         .retried = __atomic_load_n(&c->retried, __ATOMIC_RELAXED)};
}

/* --- over the network --- */

/* Seconds before the next attempt where the service does not say: doubling, from half to all of it, so that threads that failed together do
 * not come back together. */
static double backoff(const struct pasta_http_settings *settings, int64_t attempt)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    const double jitter = (double)(t.tv_nsec / 1000 % 1000) / 1000; /* the clock's last digits: no result depends on them */
    const double wait = settings->backoff * exp2((double)(attempt < 60 ? attempt : 60));
    return fmin(wait, fmax(settings->backoff, settings->wait_max)) * (0.5 + 0.5 * jitter);
}

/* After a failure: may there be another attempt? PASTA_ERR_FAILED comes without a message. */
static pasta_status check_again(struct pasta_service *s, int64_t attempt, const struct http_failure *failure, struct pasta_err *err)
{
    const struct pasta_http_settings *settings = s->settings;
    if (failure->limited)
        count(&s->counts.limited);
    if (failure->retry_after > settings->wait_max)
        return pasta_fail(err, PASTA_ERR_STOPPED, "the service asks to wait for %.0f s, and http.wait_max is %g s; --resume goes on later",
                          failure->retry_after, settings->wait_max);
    if (!failure->may_pass || attempt >= settings->retries)
        return PASTA_ERR_FAILED;
    count(&s->counts.retried);
    return PASTA_OK;
}

static pasta_status ask_network(struct pasta_service *s, const struct pasta_question *q, const char *host, struct pasta_str *reply,
                                struct pasta_err *err)
{
    double ready = 0;
    for (int64_t attempt = 0;; attempt++) {
        struct http_failure failure;
        struct pasta_err cause = {0}, end = {0};
        double hold = 0;
        pasta_status status = gate_enter(&s->gate, q->kind, ready, host, err);
        if (status != PASTA_OK)
            return status;
        count(&s->counts.attempts);
        status = http_attempt(s->http, q, host, reply, &failure, &cause);
        if (failure.retry_after > 0 && failure.retry_after <= s->settings->wait_max)
            hold = pasta_now() + failure.retry_after;
        gate_leave(&s->gate, q->kind, hold);
        ready = hold > 0 ? hold : pasta_now() + backoff(s->settings, attempt);
        if (status == PASTA_OK)
            return PASTA_OK;
        if (status == PASTA_ERR_FAILED && (status = check_again(s, attempt, &failure, &end)) == PASTA_OK)
            continue;
        if (end.message[0])
            return pasta_fail(err, status, "%s: %s", cause.message, end.message);
        if (attempt)
            return pasta_fail(err, status, "%s (attempt %lld)", cause.message, (long long)attempt + 1);
        return pasta_fail(err, status, "%s", cause.message);
    }
}

/* --- from what was kept --- */

static pasta_status missing(const struct pasta_service *s, const struct pasta_question *q, const struct exchange *e, struct pasta_err *err)
{
    struct pasta_str words = {0}, elsewhere = {0};
    const char *path = s->replay.paths[e->kind];
    pasta_str_add(&words, "");
    pasta_str_add(&elsewhere, "");
    if (q->body)
        refusal_put_text(&words, q->body, strlen(q->body), 120);
    if (path && strcmp(path, e->path) != 0)
        pasta_str_printf(&elsewhere, ", and with path %s", path);
    pasta_fail(err, PASTA_ERR_INPUT, "the cassette '%s' has no reply to this %s question (path %s, repeat %d): %s%s; it was recorded with "
               "other settings%s", s->replay.name, pasta_service_kind_names[e->kind], e->path, e->repeat, words.data,
               words.length ? "..." : "", elsewhere.data);
    pasta_str_release(&words);
    pasta_str_release(&elsewhere);
    return PASTA_ERR_INPUT;
}

static pasta_status ask_cassette(struct pasta_service *s, const struct pasta_question *q, const struct exchange *e, struct pasta_str *reply,
                                 struct pasta_err *err)
{
    const struct exchange_line *line = exchange_lines_find(&s->replay, e->key);
    struct exchange kept = {0};
    struct pasta_str text = {0};
    if (!line)
        return missing(s, q, e, err);
    pasta_status status = exchange_lines_fetch(&s->replay, line, &text, err);
    if (status == PASTA_OK)
        status = exchange_parse(text.data, text.length, s->replay.name, &kept, reply, err);
    if (status == PASTA_OK)
        count(&s->counts.from_cassette);
    exchange_release(&kept);
    pasta_str_release(&text);
    return status;
}

static pasta_status find_kept(struct pasta_service *s, const struct exchange *e, bool *found, struct pasta_str *reply,
                              struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    *found = false;
    if (s->recording)
        status = recording_find(s->recording, e->key, found, reply, err);
    if (status == PASTA_OK && !*found && s->cache)
        status = reply_cache_find(s->cache, e, found, reply, err);
    if (status == PASTA_OK && *found)
        count(&s->counts.from_cache);
    return status;
}

/* From what was kept, else over the network, where one asks at a time. */
static pasta_status ask_once(struct pasta_service *s, const struct pasta_question *q, const struct exchange *e, const char *host,
                             bool *kept, struct pasta_str *reply, struct pasta_err *err)
{
    *kept = false;
    if (!s->recording && !s->cache)
        return ask_network(s, q, host, reply, err);
    do {
        pasta_status status = find_kept(s, e, kept, reply, err);
        if (status != PASTA_OK || *kept)
            return status;
    } while (!single_flight_begin(&s->flights, e->key));
    pasta_status status = find_kept(s, e, kept, reply, err); /* between the look and the start another may have come and gone */
    if (status == PASTA_OK && !*kept)
        status = ask_network(s, q, host, reply, err);
    if (status == PASTA_OK && !*kept)
        single_flight_answered(&s->flights, e->key);
    else
        single_flight_end(&s->flights, e->key);
    return status;
}

pasta_status pasta_service_ask(struct pasta_service *s, const struct pasta_question *q, struct pasta_str *reply, struct pasta_err *err)
{
    char *host, *path;
    bool kept;
    struct exchange e = {0};
    struct pasta_str answer = {0};
    pasta_status status = http_url(q->url, &host, &path, err);
    if (status != PASTA_OK)
        return status;
    exchange_init(&e, q, path);
    count(&s->counts.asked);
    if (s->replay.name) {
        status = ask_cassette(s, q, &e, &answer, err);
        kept = true;
    } else {
        status = ask_once(s, q, &e, host, &kept, &answer, err);
    }
    if (status == PASTA_OK && kept && s->recording)
        status = recording_add(s->recording, &e, &answer, err);
    if (status == PASTA_OK) {
        pasta_str_release(reply);
        *reply = answer;
    } else {
        pasta_str_release(&answer);
    }
    exchange_release(&e);
    free(host);
    return status;
}

pasta_status pasta_service_keep(struct pasta_service *s, const struct pasta_question *q, const struct pasta_str *reply,
                                struct pasta_err *err)
{
    char *host, *path;
    struct exchange e = {0};
    pasta_status status = http_url(q->url, &host, &path, err);
    if (status != PASTA_OK)
        return status;
    exchange_init(&e, q, path);
    if (s->recording)
        status = recording_add(s->recording, &e, reply, err);
    if (status == PASTA_OK && s->cache)
        status = reply_cache_keep(s->cache, &e, reply, err);
    single_flight_end(&s->flights, e.key);
    exchange_release(&e);
    free(host);
    return status;
}
