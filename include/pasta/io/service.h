/* service.h: questions to a service over HTTP, each paid for once.
 *
 * A question is answered from the cassette that is replayed, else from the cache, else by the service. What makes two questions one is
 * all that decides the answer: the kind of service, the method, the URL's path, the body, and `repeat`, which tells apart the same
 * question asked again on purpose. Host, query and key are no part of it: the same model behind another address is the same model. The
 * path is, whole: some services name the model there. Two who ask the same at once are one question too: the second waits for what the
 * first keeps, a second at most. So whatever is gone on with is to be kept, a reply that was useless as well, if it led to another
 * question: else a replay lacks it.
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

enum pasta_service_kind { PASTA_SERVICE_CHAT, PASTA_SERVICE_IMAGE, PASTA_SERVICE_KINDS }; /* in flight and per minute are for each */
struct pasta_question {
    enum pasta_service_kind kind;
    const char *url;            /* http or https */
    const char *authorization;  /* "Bearer KEY", "Basic ...": the header's value, or NULL */
    const char *body;           /* JSON to POST, NUL-terminated; NULL: a GET */
    const char *expect;         /* the reply's content type begins so: "application/json"; NULL: any */
    int repeat;                 /* from 0 */
};
struct pasta_service_files {    /* each NULL: none */
    const char *cache;          /* folder: cache/ab/HASH.gz; made when it is first written to; left alone while a cassette is replayed */
    const char *record;         /* cassette to write: all that was answered in this run, sorted; compressed where its name ends in .gz;
                                   PATH.partial until pasta_service_finish. A PATH that is there is replaced */
    const char *replay;         /* cassette to answer from: nothing is asked over the network; what it does not hold is PASTA_ERR_INPUT */
    bool resume;                /* go on with PATH.partial, or PATH where only that is there; else a PATH.partial is replaced */
};
struct pasta_service_counts {
    int64_t asked;                  /* questions */
    int64_t from_cassette;          /* answered from the one that is replayed */
    int64_t from_cache;             /* answered from the cache, or from what this run has recorded */
    int64_t attempts, retried;      /* requests over the network; those of them after a failure */
    int64_t limited;                /* replies that the service is asked too much (429), or that say when to come again */
};

struct pasta_service; /* safe from several threads */
/* `settings` stay the caller's, and as they are, until free. */
pasta_status pasta_service_open(const struct pasta_http_settings *settings, const struct pasta_service_files *files,
                                struct pasta_service **out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Replaces `reply`. Failures that may pass (no connection, time-outs, 408, 429, 5xx, a reply cut off) are tried again, after Retry-After
 * where the service says it, when all questions of the kind wait. PASTA_ERR_STOPPED: the budget is spent, the service asks to wait longer
 * than http.wait_max, or a stop was asked for. PASTA_ERR_USAGE: the URL is none, or has a user name or password in it, or the key holds a
 * control character. PASTA_ERR_FAILED: anything else; the message has the host, the HTTP status and what the service says. */
pasta_status pasta_service_ask(struct pasta_service *s, const struct pasta_question *question, struct pasta_str *reply,
                               struct pasta_err *err) PASTA_MUST_CHECK;
/* Keeps a reply in cache and cassette; keeping it again is nothing. */
pasta_status pasta_service_keep(struct pasta_service *s, const struct pasta_question *question, const struct pasta_str *reply,
                                struct pasta_err *err) PASTA_MUST_CHECK;
struct pasta_service_counts pasta_service_counts(const struct pasta_service *s);
/* Writes the cassette. Free it all the same. */
pasta_status pasta_service_finish(struct pasta_service *s, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_service_free(struct pasta_service *s); /* PATH.partial stays for --resume; NULL is legal */

/* What a cache folder or a cassette holds: replies by kind, and their bytes before compression. A damaged entry of a cache is counted in
 * *damaged and stands for nothing: its question is asked again. A broken line of a cassette is PASTA_ERR_INPUT. */
struct pasta_cache_count { int64_t replies, bytes; };
extern const char *const pasta_service_kind_names[PASTA_SERVICE_KINDS]; /* "chat", "image" */
pasta_status pasta_cache_count(const char *path, struct pasta_cache_count out[PASTA_SERVICE_KINDS], int64_t *damaged,
                               struct pasta_err *err) PASTA_MUST_CHECK;
#endif
