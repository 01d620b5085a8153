/* service.h: questions to a service over HTTP, each paid for once.
 *
 * A question is answered from the cassette that is replayed, else from the cache, else by the service. What makes two questions one is all
 * that decides the answer: the kind of service, the method, the URL's path, the body, and `repeat`, which tells apart the same question asked again on
 * purpose. Host and key are no part of it: the same model behind another address is the same model.
 *
 *     struct pasta_service *s;
 *     pasta_service_open(&config.http, &where, &s, &err);
 *     pasta_service_ask(s, &question, &reply, &err);
 *     if (it can be used)
 *         pasta_service_keep(s, &question, &reply, &err);     // from now on it is answered without asking
 *     pasta_service_finish(s, &err);
 *     pasta_service_free(s);
 *
 * Keys and passwords are in headers only, which no log, message, cache, cassette or manifest ever holds.
 */
#ifndef PASTA_IO_SERVICE_H
#define PASTA_IO_SERVICE_H
#include <stdbool.h>
#include <stdint.h>
#include "pasta/base/config.h"
#include "pasta/base/err.h"
#include "pasta/base/str.h"

enum pasta_service_kind { PASTA_SERVICE_CHAT, PASTA_SERVICE_IMAGE, PASTA_SERVICE_KINDS }; /* in flight and per minute are counted for each */
struct pasta_question {
    enum pasta_service_kind kind;
    const char *url;            /* http or https */
    const char *authorization;  /* "Bearer KEY", "Basic ...": the header's value, or NULL */
    const char *body;           /* JSON to POST, NUL-terminated; NULL: a GET */
    const char *expect;         /* the reply's content type begins so: "application/json"; NULL: any */
    int repeat;                 /* from 0 */
};
struct pasta_service_files {    /* each NULL: none */
    const char *cache;          /* folder: cache/ab/HASH.gz; made when it is first written to */
    const char *record;         /* cassette to write: all that was answered in this run, sorted; PATH.partial until it is closed without an error */
    const char *replay;         /* cassette to answer from: nothing is asked over the network, and what it does not hold is PASTA_ERR_INPUT */
    bool resume;                /* go on with PATH.partial, else one that is there is replaced */
};
struct pasta_service_counts { int64_t asked, attempts, from_cassette, from_cache, limited, retried; };

struct pasta_service; /* safe from several threads */
pasta_status pasta_service_open(const struct pasta_http_settings *settings, const struct pasta_service_files *files,
                                struct pasta_service **out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Replaces `reply`. Failures that may pass (no connection, time-outs, 408, 429, 5xx, a reply cut off) are tried again, after Retry-After where
 * the service says it. PASTA_ERR_STOPPED: the budget is spent, the service asks to wait longer than http.wait_max, or a stop was asked for.
 * PASTA_ERR_FAILED: anything else; the message has the host, the HTTP status and what the service says. */
pasta_status pasta_service_ask(struct pasta_service *s, const struct pasta_question *question, struct pasta_str *reply,
                               struct pasta_err *err) PASTA_MUST_CHECK;
/* Keeps a reply in cache and cassette; keeping it again is nothing. */
pasta_status pasta_service_keep(struct pasta_service *s, const struct pasta_question *question, const struct pasta_str *reply,
                                struct pasta_err *err) PASTA_MUST_CHECK;
struct pasta_service_counts pasta_service_counts(const struct pasta_service *s);
/* Writes the cassette. Free it all the same. */
pasta_status pasta_service_finish(struct pasta_service *s, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_service_free(struct pasta_service *s); /* PATH.partial stays for --resume; NULL is legal */

/* What a cache folder or a cassette holds: replies and bytes by kind. */
struct pasta_cache_count { int64_t replies, bytes; };
pasta_status pasta_cache_count(const char *path, struct pasta_cache_count out[PASTA_SERVICE_KINDS], struct pasta_err *err) PASTA_MUST_CHECK;
#endif
