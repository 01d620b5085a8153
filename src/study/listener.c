#include "pasta/study/listener.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pasta/base/mem.h"

/* "ADDR:PORT" with brackets around an IPv6 address, ":PORT" or "PORT". */
static pasta_status split_address(const char *text, char **host, const char **port, struct pasta_err *err)
{
    const char *colon = strrchr(text, ':');
    *port = colon ? colon + 1 : text;
    if (!**port || strspn(*port, "0123456789") != strlen(*port) || strlen(*port) > 5 || atoi(*port) > 65535)
        return pasta_fail(err, PASTA_ERR_USAGE, "--serve: expected ADDR:PORT, as 127.0.0.1:8080, found '%s'", text);
    *host = colon && colon > text ? pasta_strndup(text, (size_t)(colon - text)) : pasta_strdup("127.0.0.1");
    const size_t length = strlen(*host);
    if (length > 2 && **host == '[' && (*host)[length - 1] == ']') {
        memmove(*host, *host + 1, length - 2);
        (*host)[length - 2] = '\0';
    }
    return PASTA_OK;
}

/* At the first of the name's addresses that can be had: a machine may know "localhost" by one that it does not have. */
static pasta_status listen_at(const struct addrinfo *info, const char *address, int *out, struct pasta_err *err)
{
    const int one = 1;
    int number = 0;
    for (; info; info = info->ai_next) {
        const int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 && bind(fd, info->ai_addr, info->ai_addrlen) == 0 &&
            listen(fd, 1024) == 0) {
            *out = fd;
            return PASTA_OK;
        }
        number = errno;
        if (fd >= 0)
            close(fd);
    }
    return pasta_fail(err, PASTA_ERR_USAGE, "--serve: cannot listen at '%s': %s", address, strerror(number));
}

pasta_status pasta_listener_open(const char *address, struct pasta_listener *out, struct pasta_err *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *info = NULL;
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    char *host = NULL, number[64] = "", port_number[16] = "";
    const char *port;
    int code, fd = -1;
    pasta_status status = split_address(address, &host, &port, err);

    if (status == PASTA_OK && (code = getaddrinfo(host, port, &hints, &info)) != 0)
        status = pasta_fail(err, PASTA_ERR_USAGE, "--serve: '%s': %s", address, gai_strerror(code));
    if (status == PASTA_OK && (status = listen_at(info, address, &fd, err)) == PASTA_OK) {
        getsockname(fd, (struct sockaddr *)&bound, &length);
        getnameinfo((struct sockaddr *)&bound, length, number, sizeof number, port_number, sizeof port_number,
                    NI_NUMERICHOST | NI_NUMERICSERV);
        *out = (struct pasta_listener){fd, pasta_asprintf(strchr(number, ':') ? "http://[%s]:%s" : "http://%s:%s", number, port_number)};
    }
    if (info)
        freeaddrinfo(info);
    free(host);
    return status;
}

void pasta_listener_close(struct pasta_listener *listener)
{
    if (!listener->url)
        return;
    close(listener->fd);
    free(listener->url);
    *listener = (struct pasta_listener){0};
}
