/* web_client.c: raw requests for tests of the rater's page: what it sends is what it was given, byte by byte.
 *
 *     web-client PORT <request >reply      sends stdin, then prints what comes back until the server closes or is silent for a while
 *     web-client PORT --hold N SECONDS     opens N connections that send a request's beginning and then nothing; prints "held" once all are open
 *
 * Silence is 1 second, WEB_CLIENT_WAIT=MS sets another. Exit 1: no connection; 3: nothing came back.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int connect_to(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("web-client");
        exit(1);
    }
    return fd;
}

static int hold(const char *port, int n, int seconds)
{
    static const char start[] = "GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ";
    for (int i = 0; i < n; i++) {
        const int fd = connect_to(port);
        if (send(fd, start, sizeof start - 1, MSG_NOSIGNAL) < 0)
            return 1;
    }
    puts("held");
    fflush(stdout);
    sleep((unsigned)seconds);
    return 0;
}

int main(int argc, char **argv)
{
    const char *wait = getenv("WEB_CLIENT_WAIT");
    char bytes[1 << 16];
    size_t n, all = 0;
    if (argc == 5 && strcmp(argv[2], "--hold") == 0)
        return hold(argv[1], atoi(argv[3]), atoi(argv[4]));
    if (argc != 2)
        return fprintf(stderr, "usage: web-client PORT [--hold N SECONDS]\n"), 2;
    const int fd = connect_to(argv[1]);
    while ((n = fread(bytes, 1, sizeof bytes, stdin)) > 0)
        for (size_t sent = 0; sent < n;) {
            const ssize_t m = send(fd, bytes + sent, n - sent, MSG_NOSIGNAL);
            if (m < 0)
                break; /* the server has had enough: what it said is still read */
            sent += (size_t)m;
        }
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    while (poll(&poll_fd, 1, wait ? atoi(wait) : 1000) > 0) {
        const ssize_t m = recv(fd, bytes, sizeof bytes, 0);
        if (m <= 0)
            break;
        all += (size_t)m;
        fwrite(bytes, 1, (size_t)m, stdout);
    }
    return all ? 0 : 3;
}
