#include "http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pasta/base/mem.h"
#include "pasta/base/progress.h"
#include "pasta/base/version.h"
#include "refusal.h"

enum { LOOK_MS = 100 /* between looks at the stop flag */ };

/* A multi handle for each easy handle: it is what keeps the connection, and its waiting can be cut short. */
struct lent {
    CURLM *multi;
    CURL *easy;
    char reason[CURL_ERROR_SIZE];
};
struct http {
    const struct pasta_http_settings *settings;
    pthread_mutex_t lock; /* guards `idle` */
    struct lent **idle;
    size_t n_idle, capacity;
};
struct incoming {
    struct pasta_str body;
    size_t most;
    bool too_long;
};

static CURLcode started;

static void start(void)
{
    started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

pasta_status http_new(const struct pasta_http_settings *settings, struct http **out, struct pasta_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
    if (started != CURLE_OK)
        return pasta_fail(err, PASTA_ERR_FAILED, "libcurl does not start: %s", curl_easy_strerror(started));
    struct http *h = pasta_calloc(1, sizeof *h);
    h->settings = settings;
    pthread_mutex_init(&h->lock, NULL);
    *out = h;
    return PASTA_OK;
}

static void lent_free(struct lent *l)
{
    curl_easy_cleanup(l->easy);
    curl_multi_cleanup(l->multi);
    free(l);
}

void http_free(struct http *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->n_idle; i++)
        lent_free(h->idle[i]);
    free(h->idle);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

/* The handle given back last, whose connection is the most likely to be open still; a new one where all are lent. NULL: no memory. */
static struct lent *lend(struct http *h)
{
    struct lent *l = NULL;
    pthread_mutex_lock(&h->lock);
    if (h->n_idle)
        l = h->idle[--h->n_idle];
    pthread_mutex_unlock(&h->lock);
    if (l)
        return l;
    l = pasta_calloc(1, sizeof *l);
    l->multi = curl_multi_init();
    l->easy = curl_easy_init();
    if (l->multi && l->easy)
        return l;
    lent_free(l);
    return NULL;
}

static void give_back(struct http *h, struct lent *l)
{
    pthread_mutex_lock(&h->lock);
    PASTA_GROW(h->idle, h->n_idle + 1, h->capacity);
    h->idle[h->n_idle++] = l;
    pthread_mutex_unlock(&h->lock);
}

/* --- URLs --- */

static char *part_of(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    char *copy = curl_url_get(url, part, &text, 0) == CURLUE_OK ? pasta_strdup(text) : NULL;
    curl_free(text);
    return copy;
}

/* "host" or "host:port"; NULL: no URL. */
static char *host_of(CURLU *url)
{
    char *name = part_of(url, CURLUPART_HOST), *port = part_of(url, CURLUPART_PORT);
    char *host = name && port ? pasta_asprintf("%s:%s", name, port) : pasta_strdup(name);
    free(name);
    free(port);
    return host;
}

pasta_status http_url(const char *text, char **host, char **path, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    CURLU *url = curl_url();
    const bool known = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK;
    char *scheme = known ? part_of(url, CURLUPART_SCHEME) : NULL;
    char *user = known ? part_of(url, CURLUPART_USER) : NULL, *password = known ? part_of(url, CURLUPART_PASSWORD) : NULL;
    char *name = known ? host_of(url) : NULL;
    if (user || password)
        status = pasta_fail(err, PASTA_ERR_USAGE, "the URL for %s holds a user name or a password: expected them in the environment "
                            "variable for the service's key, where no file keeps them", name);
    else if (!scheme || !name || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        status = pasta_fail(err, PASTA_ERR_USAGE, "expected a URL as http://HOST/PATH or https://HOST/PATH, found %s",
                            scheme ? "another protocol" : "something else");
    if (status == PASTA_OK) {
        *host = name;
        *path = part_of(url, CURLUPART_PATH); /* "/" where there is none */
        name = NULL;
    }
    free(scheme);
    free(user);
    free(password);
    free(name);
    curl_url_cleanup(url);
    return status;
}

static pasta_status redirected(CURL *easy, const char *host, long code, struct pasta_err *err)
{
    const char *target = NULL;
    curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &target);
    CURLU *url = curl_url();
    char *name = target && url && curl_url_set(url, CURLUPART_URL, target, 0) == CURLUE_OK ? host_of(url) : NULL;
    pasta_status status = pasta_fail(err, PASTA_ERR_FAILED, "%s: HTTP %ld: redirects to %s, which is not followed; give the address itself",
                                     host, code, name ? name : "nowhere");
    free(name);
    curl_url_cleanup(url);
    return status;
}

/* --- one transfer --- */

static size_t take(char *bytes, size_t size, size_t n, void *ctx)
{
    struct incoming *in = ctx;
    n *= size;
    in->too_long = n > in->most - in->body.length;
    if (in->too_long)
        return CURL_WRITEFUNC_ERROR;
    pasta_str_addn(&in->body, bytes, n);
    return n;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* The order of the curl tool: its own variable, else OpenSSL's two. */
static void set_trust(CURL *easy)
{
    const char *bundle = environment("CURL_CA_BUNDLE");
    const char *file = bundle ? bundle : environment("SSL_CERT_FILE"), *folder = bundle ? NULL : environment("SSL_CERT_DIR");
    if (file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, file);
    if (folder)
        curl_easy_setopt(easy, CURLOPT_CAPATH, folder);
}

static struct curl_slist *add_header(struct curl_slist *list, const char *name, const char *value)
{
    char *text = pasta_asprintf("%s%s", name, value);
    struct curl_slist *longer = curl_slist_append(list, text);
    free(text);
    return longer ? longer : list;
}

static struct curl_slist *headers(const struct pasta_question *q)
{
    struct curl_slist *list = add_header(NULL, "Accept: ", q->expect ? q->expect : "*/*");
    list = add_header(list, "User-Agent: pasta/", pasta_version());
    list = add_header(list, "Expect:", ""); /* libcurl would wait for "100 Continue", which not every service sends */
    if (q->body)
        list = add_header(list, "Content-Type: ", "application/json");
    if (q->authorization)
        list = add_header(list, "Authorization: ", q->authorization);
    return list;
}

static void prepare(struct lent *l, const struct pasta_http_settings *settings, const struct pasta_question *q, struct curl_slist *list,
                    struct incoming *in)
{
    CURL *easy = l->easy;
    curl_easy_reset(easy); /* keeps connections */
    l->reason[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, l->reason);
    curl_easy_setopt(easy, CURLOPT_URL, q->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a name server that is silent does not hold up a stop */
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)ceil(1000 * settings->timeout));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, in);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
    if (q->body) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(q->body));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, q->body);
    }
    set_trust(easy);
}

static CURLcode transfer(struct lent *l, bool *stopped)
{
    CURLcode result = CURLE_FAILED_INIT;
    CURLMcode code = curl_multi_add_handle(l->multi, l->easy);
    int running = 1, left;
    while (code == CURLM_OK && running && !(*stopped = pasta_stop_asked())) {
        code = curl_multi_perform(l->multi, &running);
        if (code == CURLM_OK && running)
            code = curl_multi_poll(l->multi, NULL, 0, LOOK_MS, NULL);
    }
    for (CURLMsg *message; (message = curl_multi_info_read(l->multi, &left));)
        if (message->msg == CURLMSG_DONE)
            result = message->data.result;
    curl_multi_remove_handle(l->multi, l->easy);
    return result;
}

/* --- what came of it --- */

static bool transfer_may_pass(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM: return true;
    default: return false;
    }
}

static pasta_status transfer_failed(const struct http *h, struct lent *l, CURLcode code, const struct incoming *in, const char *host,
                                    struct pasta_err *err)
{
    if (in->too_long)
        return pasta_fail(err, PASTA_ERR_FAILED, "%s: the reply is longer than %lld MiB (http.reply_max)", host,
                          (long long)h->settings->reply_max);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return pasta_fail(err, PASTA_ERR_FAILED, "%s: no whole reply within %g s (http.timeout)", host, h->settings->timeout);
    /* A reason that names a proxy may name its password too. */
    const bool tells = l->reason[0] && !strchr(l->reason, '@');
    struct pasta_str reason = {0};
    pasta_str_add(&reason, "");
    refusal_put_text(&reason, tells ? l->reason : curl_easy_strerror(code), strlen(tells ? l->reason : curl_easy_strerror(code)), 200);
    if (reason.length > 1 && islower((unsigned char)reason.data[1])) /* a word, not "SSL" */
        reason.data[0] = (char)tolower((unsigned char)reason.data[0]);
    pasta_status status = pasta_fail(err, PASTA_ERR_FAILED, "%s: %s", host, reason.data);
    pasta_str_release(&reason);
    return status;
}

static pasta_status refused(CURL *easy, const struct pasta_question *q, const char *host, long code, const struct pasta_str *body,
                            struct http_failure *failure, struct pasta_err *err)
{
    curl_off_t seconds = 0;
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds); /* from a number or a date; before now is negative */
    failure->may_pass = code == 408 || code == 429 || code >= 500;
    failure->retry_after = failure->may_pass && seconds > 0 ? (double)seconds : 0;
    failure->limited = code == 429 || failure->retry_after > 0;
    struct pasta_str words = {0};
    pasta_str_add(&words, "");
    refusal_put(&words, body, q->authorization);
    pasta_status status = pasta_fail(err, PASTA_ERR_FAILED, "%s: HTTP %ld%s%s", host, code, words.length ? ": " : "", words.data);
    pasta_str_release(&words);
    return status;
}

/* Is it what was asked for? */
static pasta_status check_type(CURL *easy, const struct pasta_question *q, const char *host, const struct pasta_str *body,
                               struct pasta_err *err)
{
    const char *type = NULL;
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    if (!q->expect || (type && strncasecmp(type, q->expect, strlen(q->expect)) == 0))
        return PASTA_OK;
    struct pasta_str words = {0}, found = {0};
    pasta_str_add(&words, "");
    pasta_str_add(&found, type ? "" : "no type");
    refusal_put(&words, body, q->authorization);
    if (type)
        refusal_put_text(&found, type, strlen(type), 80);
    pasta_fail(err, PASTA_ERR_FAILED, "%s: expected a reply of type %s, found %s: %s", host, q->expect, found.data, words.data);
    pasta_str_release(&words);
    pasta_str_release(&found);
    return PASTA_ERR_FAILED;
}

static pasta_status judge(struct lent *l, const struct pasta_question *q, const char *host, const struct pasta_str *body,
                          struct http_failure *failure, struct pasta_err *err)
{
    long code = 0;
    curl_easy_getinfo(l->easy, CURLINFO_RESPONSE_CODE, &code);
    if (code >= 300 && code < 400)
        return redirected(l->easy, host, code, err);
    if (code < 200 || code >= 300)
        return refused(l->easy, q, host, code, body, failure, err);
    return check_type(l->easy, q, host, body, err);
}

/* A line break would begin another header; keys that are read from files bring one along. */
static bool has_control(const char *text)
{
    for (; text && *text; text++)
        if (iscntrl((unsigned char)*text))
            return true;
    return false;
}

pasta_status http_attempt(struct http *h, const struct pasta_question *q, const char *host, struct pasta_str *reply,
                          struct http_failure *failure, struct pasta_err *err)
{
    *failure = (struct http_failure){0};
    if (has_control(q->authorization))
        return pasta_fail(err, PASTA_ERR_USAGE, "the key for %s holds a line break or another control character", host);
    struct lent *l = lend(h);
    if (!l)
        return pasta_fail(err, PASTA_ERR_FAILED, "%s: libcurl does not start", host);
    struct incoming in = {.most = (size_t)h->settings->reply_max << 20};
    struct curl_slist *list = headers(q);
    bool stopped = false;
    pasta_str_add(&in.body, "");
    prepare(l, h->settings, q, list, &in);
    CURLcode code = transfer(l, &stopped);
    pasta_status status;
    if (code == CURLE_OK) {
        status = judge(l, q, host, &in.body, failure, err);
    } else if (stopped) {
        status = pasta_fail(err, PASTA_ERR_STOPPED, "stopped before %s had answered; --resume goes on", host);
    } else {
        failure->may_pass = transfer_may_pass(code);
        status = transfer_failed(h, l, code, &in, host, err);
    }
    curl_slist_free_all(list);
    give_back(h, l);
    if (status == PASTA_OK) {
        pasta_str_release(reply);
        *reply = in.body;
    } else {
        pasta_str_release(&in.body);
    }
    return status;
}
