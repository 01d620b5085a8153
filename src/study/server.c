/* server.c: HTTP for a study. What is asked for is told by request.h, what happens by conduct.h, what the page is told by view.h. */
#include "pasta/study/server.h"

#include <math.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <time.h>

#include "clock.h"
#include "conduct.h"
#include "events.h"
#include "links.h"
#include "page.h"
#include "pasta/agent/image_store.h"
#include "pasta/base/log.h"
#include "pasta/base/paths.h"
#include "pasta/base/progress.h"
#include "pasta/io/file.h"
#include "request.h"
#include "shown_image.h"
#include "view.h"

enum {
    FIRST_SECONDS = 15,         /* without a byte, of a connection that has not asked for anything yet */
    IDLE_SECONDS = 75,          /* of one that has */
    WAIT_SECONDS = 20,          /* of a reply that waits for a slate */
    WAITING_MOST = 4,           /* such replies of one rater: further ones come at once */
    HEADERS_MAX = 32 << 10,     /* bytes */
    FLOOD = 1 << 20,            /* bytes of a body after which the connection is cut instead of answered */
    STACK = 1 << 20,            /* bytes, of a connection's thread: JSON nests a thousand deep */
    OWN_FILES = 128,            /* that connections leave: images, journal, pipes of agents, sockets of services */
    LINGER_MS = 1500, LINGER_MOST_MS = 30000, /* after the study's end: until nobody has asked for so long, but no longer than that */
};

struct server {
    const struct pasta_study_service *service;
    struct conduct conduct;
    struct view_settings view;
    struct MHD_Daemon *daemon;
    atomic_int active;          /* requests that are not answered yet */
    atomic_llong asked_ms;      /* when the last of them came, on the monotonic clock */
    atomic_bool closing;        /* nobody waits any longer */
    atomic_bool refused_origin; /* said once */
};
struct exchange {               /* one request */
    struct pasta_str body;
    size_t received;
    bool too_long;              /* the body is not kept any more */
};

/* --- replies --- */

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, const char *type, const char *caching, const void *bytes,
                             size_t length, enum MHD_ResponseMemoryMode mode)
{
    static const char *const always[][2] = {
        {"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
                                    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
        {"X-Content-Type-Options", "nosniff"}, {"X-Frame-Options", "DENY"}, {"Referrer-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"}, {"Cross-Origin-Opener-Policy", "same-origin"}};
    struct MHD_Response *response = MHD_create_response_from_buffer(length, (void *)(uintptr_t)bytes, mode);
    if (!response)
        return MHD_NO;
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        MHD_add_response_header(response, always[i][0], always[i][1]);
    if (length)
        MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", caching);
    if (status == MHD_HTTP_BAD_REQUEST)
        MHD_add_response_header(response, "Connection", "close"); /* what else is on its way may not be what it seems */
    if (status == MHD_HTTP_TOO_MANY_REQUESTS || status == MHD_HTTP_SERVICE_UNAVAILABLE)
        MHD_add_response_header(response, "Retry-After", "2");
    const enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* For the page's own requests JSON; for a person who came to a wrong address the sentence. */
static enum MHD_Result reply_error(struct MHD_Connection *connection, unsigned status, const char *sentence)
{
    struct pasta_str text = {0};
    const char *accept = header(connection, "Accept");
    if (accept && strstr(accept, "text/html"))
        return reply(connection, status, "text/plain; charset=utf-8", "no-store", sentence, strlen(sentence), MHD_RESPMEM_MUST_COPY);
    pasta_str_add(&text, "{\"error\":");
    pasta_json_put_str(&text, sentence);
    pasta_str_addc(&text, '}');
    const enum MHD_Result result = reply(connection, status, "application/json", "no-store", text.data, text.length, MHD_RESPMEM_MUST_COPY);
    pasta_str_release(&text);
    return result;
}

static enum MHD_Result reply_state(struct server *server, struct MHD_Connection *connection, const struct study_rater *rater,
                                   unsigned status)
{
    struct study *study = server->conduct.study;
    struct pasta_str text = {0};
    pthread_mutex_lock(&study->lock);
    const struct study_session *session = study_current(rater);
    const int64_t end = session && session->shown ? session->shown_end : 0;
    view_state(study, rater, &server->view, study_clock(), &text);
    pthread_mutex_unlock(&study->lock);
    /* What is seen is on disk: after a power cut an answer still meets the slate that it was given to. */
    const enum MHD_Result result =
        conduct_sync(&server->conduct, end)
            ? reply(connection, status, "application/json", "no-store", text.data, text.length, MHD_RESPMEM_MUST_COPY)
            : reply_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "the study cannot be kept at the moment; please try again");
    pasta_str_release(&text);
    return result;
}

static enum MHD_Result reply_asset(struct MHD_Connection *connection, const char *name, size_t length)
{
    for (const struct page_asset *a = page_assets; a->name; a++)
        if (strlen(a->name) == length && memcmp(a->name, name, length) == 0)
            return reply(connection, MHD_HTTP_OK, a->type, "no-cache", a->bytes, a->length, MHD_RESPMEM_PERSISTENT);
    return reply_error(connection, MHD_HTTP_NOT_FOUND, "there is no such page");
}

/* An image that the file system lost, or has in part, after a power cut: what made it is known. */
static pasta_status draw_again(const struct server *server, const struct study_session *session, const struct pasta_column *column,
                               const struct pasta_image_ref *image, struct pasta_err *err)
{
    return pasta_image_save(&server->service->rollouts[session->arm].t2i, column->prompt, image->seed, image->id, server->service->dir,
                            err);
}

static enum MHD_Result reply_image(struct server *server, struct MHD_Connection *connection, const struct study_rater *rater,
                                   const struct request *request)
{
    struct study *study = server->conduct.study;
    const struct study_session *session;
    const struct pasta_image_ref *image;
    struct pasta_str png = {0};
    struct pasta_err err = {0}, first = {0};
    char id[65];
    memcpy(id, request->name, 64);
    id[64] = '\0';
    pthread_mutex_lock(&study->lock);
    const struct pasta_column *column = view_image(rater, id, &session, &image);
    pthread_mutex_unlock(&study->lock);
    if (!column)
        return reply_error(connection, MHD_HTTP_NOT_FOUND, "there is no such image");
    pasta_status status = shown_image_read(server->service->dir, id, &png, &first);
    if (status != PASTA_OK && (status = draw_again(server, session, column, image, &err)) == PASTA_OK)
        status = shown_image_read(server->service->dir, id, &png, &err);
    const enum MHD_Result result =
        status == PASTA_OK ? reply(connection, MHD_HTTP_OK, "image/png", "private, max-age=31536000, immutable", png.data, png.length,
                                   MHD_RESPMEM_MUST_COPY)
                           : reply_error(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "the image cannot be read");
    if (status != PASTA_OK)
        pasta_warn("%s; it could not be drawn again: %s", first.message, err.message);
    pasta_str_release(&png);
    return result;
}

/* --- requests of raters --- */

static enum MHD_Result on_state(struct server *server, struct MHD_Connection *connection, struct study_rater *rater)
{
    struct study *study = server->conduct.study;
    const bool wait = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "wait") != NULL;
    const struct timespec deadline = study_deadline(WAIT_SECONDS);
    conduct_look(&server->conduct, rater);
    pthread_mutex_lock(&study->lock);
    const bool may_wait = wait && rater->waiting < WAITING_MOST;
    rater->waiting += may_wait;
    for (int late = 0; may_wait && !late && !atomic_load(&server->closing) && view_waits(rater);)
        late = pthread_cond_timedwait(&study->changed, &study->lock, &deadline);
    rater->waiting -= may_wait;
    const bool in_vain = may_wait && atomic_load(&server->closing) && view_waits(rater);
    pthread_mutex_unlock(&study->lock);
    if (in_vain) /* or whoever waits would ask again and again until the server is gone */
        return reply_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "the study is not available at the moment; please try again");
    return reply_state(server, connection, rater, MHD_HTTP_OK);
}

static enum MHD_Result on_result(struct server *server, struct MHD_Connection *connection, const struct study_rater *rater,
                                 enum conduct_result result, const char *problem)
{
    switch (result) {
    case CONDUCT_OK: return reply_state(server, connection, rater, MHD_HTTP_OK);
    case CONDUCT_CONFLICT: return reply_state(server, connection, rater, MHD_HTTP_CONFLICT);
    case CONDUCT_REFUSED: return reply_error(connection, MHD_HTTP_BAD_REQUEST, problem);
    case CONDUCT_UNSAVED: break;
    }
    return reply_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "this could not be saved and was not taken; please try again");
}

static enum MHD_Result on_answer(struct server *server, struct MHD_Connection *connection, struct study_rater *rater,
                                 const struct pasta_str *body, bool draft)
{
    struct pasta_arena arena = {0};
    struct study_answer answer;
    const char *problem = NULL;
    enum conduct_result result = CONDUCT_REFUSED;
    const bool sound = request_answer(body->data, body->length, &arena, &answer, &problem);
    if (sound && draft)
        conduct_draft(&server->conduct, rater, &answer);
    else if (sound)
        result = conduct_answer(&server->conduct, rater, &answer, &problem);
    pasta_arena_release(&arena);
    return sound && draft ? reply(connection, MHD_HTTP_NO_CONTENT, NULL, "no-store", "", 0, MHD_RESPMEM_PERSISTENT)
                          : on_result(server, connection, rater, result, problem);
}

static enum MHD_Result on_start(struct server *server, struct MHD_Connection *connection, struct study_rater *rater,
                                const struct pasta_str *body)
{
    const char *problem = NULL;
    const enum conduct_result result = request_start(body->data, body->length, &problem) ? conduct_start(&server->conduct, rater)
                                                                                          : CONDUCT_REFUSED;
    return on_result(server, connection, rater, result, problem);
}

/* A bucket for each rater: it holds the requests of ten seconds, and fills up as time goes by. */
static bool within_rate(struct server *server, struct study_rater *rater)
{
    const double rate = server->service->settings->requests_per_minute / 60, most = fmax(10 * rate, 1), now = pasta_now();
    pthread_mutex_lock(&server->conduct.study->lock);
    rater->allowance = rater->asked_at > 0 ? fmin(most, rater->allowance + rate * (now - rater->asked_at)) : most;
    rater->asked_at = now;
    const bool ok = rater->allowance >= 1;
    rater->allowance -= ok;
    pthread_mutex_unlock(&server->conduct.study->lock);
    return ok;
}

/* What is wrong with a post before its body is looked at: an HTTP status, 0: nothing. */
static unsigned refuse_post(struct server *server, struct MHD_Connection *connection, const struct exchange *exchange,
                            const char **sentence)
{
    if (!request_same_origin(header(connection, "Origin"), header(connection, "Host"), header(connection, "Sec-Fetch-Site"),
                             server->service->settings->public_url)) {
        if (!atomic_exchange(&server->refused_origin, true))
            pasta_warn("a post from '%.200s' was refused; if raters come from there, set study.public_url to it",
                       header(connection, "Origin") ? header(connection, "Origin") : "another site");
        *sentence = "This page may not post here.";
        return MHD_HTTP_FORBIDDEN;
    }
    if (exchange->too_long) {
        *sentence = "that is too long";
        return MHD_HTTP_CONTENT_TOO_LARGE;
    }
    if (!request_is_json(header(connection, "Content-Type"))) {
        *sentence = "expected application/json";
        return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
    }
    return 0;
}

static enum MHD_Result answer(struct server *server, struct MHD_Connection *connection, const char *path, const char *method,
                              const struct exchange *exchange)
{
    const struct request request = request_route(path);
    const bool post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    const bool get = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    struct study_rater *rater = NULL;
    const char *sentence = NULL;
    unsigned refused;

    if (request.route == ROUTE_NONE || (request.token && !(rater = links_find(server->conduct.study, request.token, request.token_length))))
        return reply_error(connection, MHD_HTTP_NOT_FOUND, "there is no such page; please use the link that you were given");
    if (request.post ? !post : !get)
        return reply_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "this cannot be done here");
    if (rater && !within_rate(server, rater))
        return reply_error(connection, MHD_HTTP_TOO_MANY_REQUESTS, "too many requests; please wait a little");
    if (post && (refused = refuse_post(server, connection, exchange, &sentence)) != 0)
        return reply_error(connection, refused, sentence);
    switch (request.route) {
    case ROUTE_PAGE: return reply_asset(connection, "page.html", strlen("page.html"));
    case ROUTE_ASSET: return reply_asset(connection, request.name, request.name_length);
    case ROUTE_STATE: return on_state(server, connection, rater);
    case ROUTE_IMAGE: return reply_image(server, connection, rater, &request);
    case ROUTE_START: return on_start(server, connection, rater, &exchange->body);
    case ROUTE_DRAFT: return on_answer(server, connection, rater, &exchange->body, true);
    case ROUTE_ANSWER: return on_answer(server, connection, rater, &exchange->body, false);
    case ROUTE_MOVED:
    case ROUTE_NONE: break;
    }
    return reply_error(connection, MHD_HTTP_NOT_FOUND, "there is no such page; the link that you were given ends with a slash");
}

/* --- libmicrohttpd --- */

static long long now_ms(void)
{
    return (long long)(1e3 * pasta_now());
}

/* Nothing in a path is decoded: request.h. */
static size_t as_it_is(void *ctx, struct MHD_Connection *connection, char *text)
{
    (void)ctx, (void)connection;
    return strlen(text);
}

/* How often these headers came, in all. */
static enum MHD_Result count_framing(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    int *n = ctx;
    (void)kind, (void)value;
    *n += strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0 || strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0;
    return MHD_YES;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
                                  const char *upload, size_t *upload_size, void **state)
{
    struct server *server = ctx;
    struct exchange *exchange = *state;
    int framing = 0;
    (void)version;
    if (!exchange) { /* headers only, so far */
        *state = pasta_calloc(1, sizeof *exchange);
        atomic_fetch_add(&server->active, 1);
        atomic_store(&server->asked_ms, now_ms());
        MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)IDLE_SECONDS);
        /* Where the body ends is said once. Said twice, a server in front of this one may take what follows for another request. */
        MHD_get_connection_values(connection, MHD_HEADER_KIND, count_framing, &framing);
        return framing > 1 ? reply_error(connection, MHD_HTTP_BAD_REQUEST, "expected one length of the body") : MHD_YES;
    }
    if (*upload_size) {
        exchange->received += *upload_size;
        exchange->too_long = exchange->received > REQUEST_BODY_MAX;
        if (exchange->received > FLOOD)
            return MHD_NO;
        if (!exchange->too_long)
            pasta_str_addn(&exchange->body, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    return answer(server, connection, path, method, exchange);
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
    struct server *server = ctx;
    struct exchange *exchange = *state;
    (void)connection, (void)code;
    if (!exchange)
        return;
    pasta_str_release(&exchange->body);
    free(exchange);
    *state = NULL;
    atomic_fetch_sub(&server->active, 1);
}

/* Its words about connections that broke off: of use to nobody but who looks for them. */
static void on_log(void *ctx, const char *format, va_list args)
{
    char text[500];
    (void)ctx;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\r\n")] = '\0';
    pasta_debug("http: %s", text);
}

/* --- a server's life --- */

static pasta_status open_study(struct server *server, struct pasta_err *err)
{
    const struct pasta_study_service *service = server->service;
    struct conduct *c = &server->conduct;
    char *path = pasta_path_join(service->dir, STUDY_JOURNAL), *sessions = pasta_path_join(service->dir, STUDY_SESSIONS);
    struct pasta_str line = {0};
    int64_t end, n;

    event_open(service->design, study_clock(), &line);
    pasta_status status = journal_open(path, &c->journal, err);
    if (status == PASTA_OK && journal_written(c->journal) > 0)
        status = study_read(path, &c->study, NULL, err);
    else if (status == PASTA_OK)
        c->study = study_new(service->design);
    if (status == PASTA_OK && (status = journal_append(c->journal, line.data, line.length, &end, err)) == PASTA_OK)
        status = journal_sync(c->journal, end, err);
    if (status == PASTA_OK && (status = conduct_write_sessions(c->study, service->dir, false, &n, err)) == PASTA_OK)
        status = journal_open(sessions, &c->sessions, err);
    pasta_str_release(&line);
    free(sessions);
    free(path);
    return status;
}

/* Connections that nobody uses must not take the files that an answer needs: the process may open more, or there are fewer of them. */
static unsigned connections_at_once(int64_t wanted)
{
    struct rlimit files;
    const rlim_t needed = (rlim_t)wanted + OWN_FILES;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= needed)
        return (unsigned)wanted;
    const struct rlimit more = {.rlim_cur = files.rlim_max < needed ? files.rlim_max : needed, .rlim_max = files.rlim_max};
    const rlim_t allowed = setrlimit(RLIMIT_NOFILE, &more) == 0 ? more.rlim_cur : files.rlim_cur;
    if (allowed >= needed)
        return (unsigned)wanted;
    const unsigned fewer = allowed > 2 * OWN_FILES ? (unsigned)(allowed - OWN_FILES) : (unsigned)(allowed / 2);
    pasta_warn("the system allows this process %llu open files: %u connections at once instead of %lld (study.connections)",
               (unsigned long long)allowed, fewer, (long long)wanted);
    return fewer;
}

static pasta_status start(struct server *server, struct pasta_err *err)
{
    const unsigned connections = connections_at_once(server->service->settings->connections);
    /* Without ITC the thread that accepts is not told when there is room again below the limit on connections. */
    server->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_request, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_UNESCAPE_CALLBACK, as_it_is, NULL, MHD_OPTION_LISTEN_SOCKET, server->service->listener->fd, MHD_OPTION_CONNECTION_LIMIT,
        connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)FIRST_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADERS_MAX,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    return server->daemon ? PASTA_OK : pasta_fail(err, PASTA_ERR_FAILED, "cannot start the HTTP server");
}

/* Everybody whose reply was lost may ask once more. *done_ms: when all was done. */
static bool lingers(struct server *server, long long *done_ms)
{
    const long long now = now_ms(), asked = atomic_load(&server->asked_ms);
    if (!*done_ms)
        *done_ms = now;
    return now - *done_ms < LINGER_MOST_MS && now - (asked > *done_ms ? asked : *done_ms) < LINGER_MS && !pasta_stop_asked();
}

/* Until all is done, or cannot go on. */
static pasta_status watch(struct server *server, struct pasta_err *err)
{
    struct study *study = server->conduct.study;
    long long done_ms = 0;
    for (;;) {
        const struct timespec tick = {.tv_nsec = 100000000};
        pthread_mutex_lock(&study->lock);
        const bool done = study_done(study) == study->design.places, failed = server->conduct.failed;
        pthread_mutex_unlock(&study->lock);
        const pasta_status status = done ? PASTA_OK : preparer_failure(server->conduct.preparer, err);
        if (failed)
            return pasta_fail(err, PASTA_ERR_IO, "'%s/%s' cannot be written: answers can no longer be kept", server->service->dir,
                              STUDY_JOURNAL);
        if (done && !lingers(server, &done_ms))
            return PASTA_OK;
        if (status != PASTA_OK)
            return status;
        if (pasta_stop_asked() && !done)
            return pasta_fail(err, PASTA_ERR_STOPPED, "stopped; raters go on where they were with --resume");
        nanosleep(&tick, NULL);
    }
}

/* Lets the requests that are under way have their replies. */
static void stop(struct server *server)
{
    const double deadline = pasta_now() + 5;
    if (server->daemon) {
        MHD_quiesce_daemon(server->daemon);
        atomic_store(&server->closing, true);
        while (atomic_load(&server->active) > 0 && pasta_now() < deadline) {
            const struct timespec tick = {.tv_nsec = 10000000};
            pthread_cond_broadcast(&server->conduct.study->changed);
            nanosleep(&tick, NULL);
        }
        MHD_stop_daemon(server->daemon);
    }
    preparer_stop(server->conduct.preparer);
    journal_close(server->conduct.sessions);
    journal_close(server->conduct.journal);
}

pasta_status pasta_study_serve(const struct pasta_study_service *service, struct pasta_err *err)
{
    struct server server = {.service = service, .conduct = {.service = service}, .view = {service->settings, service->consent}};
    struct conduct *c = &server.conduct;
    const char *url = service->listener->url, *base = *service->settings->public_url ? service->settings->public_url : url;
    int64_t n;
    pasta_status status = open_study(&server, err);

    if (status == PASTA_OK && (status = links_open(c->study, service->dir, base, err)) == PASTA_OK) {
        c->preparer = preparer_start(c->study, service->rollouts, c->journal, (int)service->settings->preparers);
        status = c->preparer ? start(&server, err) : pasta_fail(err, PASTA_ERR_FAILED, "cannot start a thread to prepare slates");
    }
    if (status == PASTA_OK) {
        service->listening(service->ctx, url);
        status = watch(&server, err);
    }
    stop(&server);
    if (status == PASTA_OK)
        status = conduct_write_sessions(c->study, service->dir, true, &n, err); /* who came back late may be in a session still */
    study_free(c->study);
    return status;
}
