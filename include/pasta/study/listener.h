/* listener.h: the address at which a study is served.
 *
 *     struct pasta_listener listener = {0};
 *     pasta_listener_open("127.0.0.1:8080", &listener, &err);
 *     pasta_listener_close(&listener);
 */
#ifndef PASTA_STUDY_LISTENER_H
#define PASTA_STUDY_LISTENER_H
#include "pasta/base/err.h"

struct pasta_listener {
    int fd;
    char *url; /* "http://127.0.0.1:8080"; NULL: not open */
};
/* "ADDR:PORT" (an IPv6 address in brackets), ":PORT" or "PORT" on the loopback interface; port 0: any that is free. PASTA_ERR_USAGE: no such
 * address, or it cannot be had. Whoever connects waits until somebody accepts. */
pasta_status pasta_listener_open(const char *address, struct pasta_listener *out, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_listener_close(struct pasta_listener *listener); /* legal on a zeroed struct */
#endif
