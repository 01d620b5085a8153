/* http.h: one attempt at a request over HTTP; the one place where libcurl is used.
 *
 * Proxies (http_proxy, https_proxy, all_proxy, no_proxy) and certificates (CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR) are taken from the
 * environment as the curl tool does. Redirects are not followed: a POST does not survive most of them, and a key would go to another host.
 */
#ifndef PASTA_SRC_IO_HTTP_H
#define PASTA_SRC_IO_HTTP_H
#include <stdbool.h>
#include "pasta/io/service.h"

struct http; /* handles that keep their connections, each lent to one attempt at a time; safe from several threads */
struct http_failure {
    bool may_pass;               /* another attempt may do better */
    bool limited;                /* the service says that it was asked too much (429) or when to come again */
    double retry_after;          /* seconds that it asks to wait; 0: it does not say */
};

pasta_status http_new(const struct pasta_http_settings *settings, struct http **out, struct pasta_err *err) PASTA_MUST_CHECK;
void http_free(struct http *h); /* NULL is legal */
/* Host, with the port where one is given, and path of a URL, without its query; the caller frees both. PASTA_ERR_USAGE: neither http nor
 * https, or a user name or password in it. The message does not repeat the URL. */
pasta_status http_url(const char *url, char **host, char **path, struct pasta_err *err) PASTA_MUST_CHECK;
/* Replaces `reply` by a reply with status 2xx and the expected type. Otherwise *failure is set and the message begins with `host`. A stop
 * request ends the attempt within a tenth of a second: PASTA_ERR_STOPPED. */
pasta_status http_attempt(struct http *h, const struct pasta_question *q, const char *host, struct pasta_str *reply,
                          struct http_failure *failure, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
