/* bad_server.c: a service over HTTP that misbehaves as told, for the tests of whatever asks services.
 *
 *     bad-server --script FILE [--log FILE] [--port N]
 *
 * Listens on 127.0.0.1, prints the port on stdout, serves until it is killed. Each line of the script says how one request is answered:
 *
 *     WORD [OPTION=VALUE]... [BODY]
 *
 *     200, 401, 503 ...  that status
 *     never              no answer
 *     close              the connection ends before an answer
 *     cut                status 200, half of the length that Content-Length promises
 *     chunk-cut          status 200, chunked, ends within a chunk
 *     garbage            no HTTP at all
 *     reset              status 200, half of the length that Content-Length promises, and the connection is reset
 *     huge               status 200, 64 MiB of body without a length
 *
 *     type=TYPE          content type; otherwise by the ending of BODY: .json, .png, .jpg, .html, else text/plain
 *     retry-after=TEXT   that header, as it is
 *     retry-date=N       that header, with the date N seconds from now
 *     location=URL       that header
 *     wait=MS            before the answer begins
 *     slow=MS            between the body's bytes
 *     times=N            the line counts as N lines
 *     path=PREFIX        only for requests whose path (without http://HOST, as proxies get it) begins so
 *     has=TEXT           only for requests whose body holds TEXT
 *
 * BODY is a file, or - for the request's own body; without one the body is {"error":{"message":"status WORD"}}. A request takes the first
 * line that fits it and is not used up; when all are, the last one that fits; when none fits, 404. Blank lines and lines that begin
 * with # are passed over. A value holds no white space.
 *
 * The log has a block for each request, written at once when all of it was read. In flight are those read whose answer has not begun.
 *
 *     === request 3, connection 2, in flight 1, script line 4, 0.125 s
 *     POST /v1/chat/completions HTTP/1.1
 *     ... headers as they came ...
 *     (empty line)
 *     BODY
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINES = 1000, REQUEST_MAX = 64 << 20, HUGE = 64 << 20 };
struct line {
    int number;                  /* in the script */
    char *word, *type, *retry_after, *location, *path, *has, *body;
    long retry_date, wait, slow, left;
};
struct request {
    char *bytes;                 /* head, empty line, body, NUL */
    size_t length, head;         /* head: with the empty line */
};

static struct line lines[LINES];
static int n_lines, log_fd = -1;
static struct timespec started;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the script's `left` and the counters */
static int n_requests, in_flight;

static void die(const char *what)
{
    fprintf(stderr, "bad-server: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *must(void *memory)
{
    if (!memory)
        die("memory");
    return memory;
}

static void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&t, &t) && errno == EINTR)
        ;
}

/* --- the script --- */

static bool option(struct line *line, char *word)
{
    struct { const char *name; char **text; long *number; } table[] = {
        {"type=", &line->type, NULL}, {"retry-after=", &line->retry_after, NULL}, {"location=", &line->location, NULL},
        {"path=", &line->path, NULL}, {"has=", &line->has, NULL}, {"retry-date=", NULL, &line->retry_date},
        {"wait=", NULL, &line->wait}, {"slow=", NULL, &line->slow}, {"times=", NULL, &line->left}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t n = strlen(table[i].name);
        if (strncmp(word, table[i].name, n) != 0)
            continue;
        if (table[i].text)
            *table[i].text = must(strdup(word + n));
        else
            *table[i].number = atol(word + n);
        return true;
    }
    return false;
}

static void read_script(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;
    if (!file)
        die(path);
    for (int number = 1; getline(&text, &size, file) >= 0; number++) {
        char *rest = text, *word = strtok_r(rest, " \t\n", &rest);
        if (!word || *word == '#')
            continue;
        if (n_lines == LINES)
            die("the script is too long");
        struct line *line = &lines[n_lines++];
        *line = (struct line){.number = number, .word = must(strdup(word)), .left = 1, .retry_date = -1};
        while ((word = strtok_r(NULL, " \t\n", &rest)))
            if (!option(line, word))
                line->body = must(strdup(word));
    }
    free(text);
    fclose(file);
}

/* The path of the request's first line, without scheme and host. */
static const char *path_of(const struct request *r)
{
    const char *path = strchr(r->bytes, ' ');
    path = path ? path + 1 : r->bytes;
    const char *host = strncmp(path, "http://", 7) == 0 ? path + 7 : NULL;
    return host && strchr(host, '/') ? strchr(host, '/') : path;
}

static struct line *line_for(const struct request *r)
{
    struct line *last = NULL;
    for (int i = 0; i < n_lines; i++) {
        struct line *line = &lines[i];
        if ((line->path && strncmp(path_of(r), line->path, strlen(line->path)) != 0) ||
            (line->has && !strstr(r->bytes + r->head, line->has)))
            continue;
        last = line;
        if (line->left > 0) {
            line->left--;
            return line;
        }
    }
    return last;
}

/* --- what comes in --- */

/* The value of a header in the head of the request, or NULL. */
static const char *header(const struct request *r, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = strstr(r->bytes, "\r\n"); p && p + 2 < r->bytes + r->head; p = strstr(p + 2, "\r\n"))
        if (strncasecmp(p + 2, name, n) == 0 && p[2 + n] == ':')
            return p + 3 + n + strspn(p + 3 + n, " ");
    return NULL;
}

/* Reads one whole request; false at the connection's end. What follows it is not looked at: clients wait for the answer. */
static bool read_request(int fd, struct request *r)
{
    size_t capacity = 1 << 16, wanted = 0;
    *r = (struct request){.bytes = must(malloc(capacity + 1))};
    while (!r->head || r->length < wanted) {
        if (r->length == capacity)
            r->bytes = must(realloc(r->bytes, (capacity *= 2) + 1));
        ssize_t n = recv(fd, r->bytes + r->length, capacity - r->length, 0);
        if (n <= 0 || r->length > REQUEST_MAX)
            return false;
        r->length += (size_t)n;
        r->bytes[r->length] = '\0';
        char *end = r->head ? NULL : strstr(r->bytes, "\r\n\r\n");
        if (end) {
            r->head = (size_t)(end + 4 - r->bytes);
            const char *length = header(r, "Content-Length");
            wanted = r->head + (length ? strtoul(length, NULL, 10) : 0);
        }
    }
    return true;
}

static void log_request(const struct request *r, int connection, const struct line *line)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    char *block;
    double seconds = (double)(now.tv_sec - started.tv_sec) + 1e-9 * (double)(now.tv_nsec - started.tv_nsec);
    int n = asprintf(&block, "=== request %d, connection %d, in flight %d, script line %d, %.3f s\n%s\n", n_requests, connection, in_flight,
                     line ? line->number : 0, seconds, r->bytes);
    if (n < 0 || (log_fd >= 0 && write(log_fd, block, (size_t)n) != n))
        die("log");
    free(block);
}

/* --- what goes out --- */

static bool put(int fd, const void *bytes, size_t length)
{
    const char *p = bytes;
    while (length) {
        ssize_t n = send(fd, p, length, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        p += n;
        length -= (size_t)n;
    }
    return true;
}

static bool put_text(int fd, const char *format, ...)
{
    va_list args;
    char text[4000];
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return put(fd, text, strlen(text));
}

static char *body_of(const struct line *line, const struct request *r, size_t *length)
{
    char *bytes;
    if (!line->body) {
        int n = asprintf(&bytes, "{\"error\":{\"message\":\"status %s\"}}", line->word);
        *length = n < 0 ? 0 : (size_t)n;
        return n < 0 ? must(NULL) : bytes;
    }
    if (strcmp(line->body, "-") == 0) {
        *length = r->length - r->head;
        return memcpy(must(malloc(*length + 1)), r->bytes + r->head, *length + 1);
    }
    FILE *file = fopen(line->body, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        die(line->body);
    *length = (size_t)ftell(file);
    rewind(file);
    bytes = must(malloc(*length + 1));
    if (fread(bytes, 1, *length, file) != *length)
        die(line->body);
    fclose(file);
    return bytes;
}

static const char *type_of(const struct line *line)
{
    static const char *const types[][2] = {
        {".json", "application/json"}, {".png", "image/png"}, {".jpg", "image/jpeg"}, {".html", "text/html"}};
    const char *ending = line->body ? strrchr(line->body, '.') : ".json";
    if (line->type)
        return line->type;
    if (line->body && strcmp(line->body, "-") == 0)
        return "application/json";
    for (size_t i = 0; ending && i < sizeof types / sizeof *types; i++)
        if (strcmp(ending, types[i][0]) == 0)
            return types[i][1];
    return "text/plain";
}

static bool put_head(int fd, const struct line *line, int status, const char *framing)
{
    bool ok = put_text(fd, "HTTP/1.1 %d Test\r\nContent-Type: %s\r\n", status, type_of(line));
    if (line->retry_after)
        ok = ok && put_text(fd, "Retry-After: %s\r\n", line->retry_after);
    if (line->retry_date >= 0) {
        time_t then = time(NULL) + line->retry_date;
        struct tm utc;
        char date[64];
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&then, &utc));
        ok = ok && put_text(fd, "Retry-After: %s\r\n", date);
    }
    if (line->location)
        ok = ok && put_text(fd, "Location: %s\r\n", line->location);
    return ok && put_text(fd, "%s\r\n\r\n", framing);
}

static bool put_body(int fd, const struct line *line, const char *body, size_t length)
{
    if (!line->slow)
        return put(fd, body, length);
    for (size_t i = 0; i < length; i++) {
        sleep_ms(line->slow);
        if (!put(fd, body + i, 1))
            return false;
    }
    return true;
}

/* Answers; true: the connection stays open. */
static bool answer(int fd, const struct line *line, const struct request *r)
{
    size_t length;
    char *body = body_of(line, r, &length), framing[64], drop[4096];
    bool stays = false;
    int status = atoi(line->word);
    sleep_ms(line->wait);
    __atomic_sub_fetch(&in_flight, 1, __ATOMIC_SEQ_CST); /* before the client can know of it, so that it is never counted too high */
    if (strcmp(line->word, "never") == 0) {
        while (recv(fd, drop, sizeof drop, 0) > 0)
            ;
    } else if (strcmp(line->word, "garbage") == 0) {
        put_text(fd, "no protocol that anyone knows\r\n\r\n");
    } else if (strcmp(line->word, "cut") == 0 || strcmp(line->word, "reset") == 0) {
        snprintf(framing, sizeof framing, "Content-Length: %zu", 2 * length + 2);
        if (put_head(fd, line, 200, framing))
            put_body(fd, line, body, length);
        const struct linger reset = {1, 0};
        if (line->word[0] == 'r' && setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset))
            die("reset");
    } else if (strcmp(line->word, "chunk-cut") == 0) {
        if (put_head(fd, line, 200, "Transfer-Encoding: chunked") && put_text(fd, "%zx\r\n", length + 100))
            put_body(fd, line, body, length);
    } else if (strcmp(line->word, "huge") == 0) {
        memset(drop, 'x', sizeof drop);
        if (put_head(fd, line, 200, "Connection: close"))
            for (size_t sent = 0; sent < HUGE && put(fd, drop, sizeof drop); sent += sizeof drop)
                ;
    } else if (strcmp(line->word, "close") != 0) {
        snprintf(framing, sizeof framing, "Content-Length: %zu", length);
        stays = put_head(fd, line, status, framing) && put_body(fd, line, body, length);
    }
    free(body);
    return stays;
}

struct connection { int fd, number; };

static void *serve(void *argument)
{
    struct connection c = *(struct connection *)argument;
    struct request r;
    struct line none = {.word = "404", .retry_date = -1};
    bool more = true;
    free(argument);
    while (more && read_request(c.fd, &r)) {
        pthread_mutex_lock(&lock);
        n_requests++;
        __atomic_add_fetch(&in_flight, 1, __ATOMIC_SEQ_CST);
        struct line *line = line_for(&r);
        log_request(&r, c.number, line);
        pthread_mutex_unlock(&lock);
        more = answer(c.fd, line ? line : &none, &r);
        if (more)
            free(r.bytes);
    }
    free(r.bytes);
    close(c.fd);
    return NULL;
}

static int listen_on(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) || bind(fd, (struct sockaddr *)&at, size) || listen(fd, 1024) ||
        getsockname(fd, (struct sockaddr *)&at, &size))
        die("listen");
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static void open_log(const char *path)
{
    log_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    if (log_fd < 0)
        die(path);
}

int main(int argc, char **argv)
{
    int port = 0;
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], "--script") == 0)
            read_script(argv[i + 1]);
        else if (strcmp(argv[i], "--port") == 0)
            port = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--log") == 0)
            open_log(argv[i + 1]);
    if (!n_lines || argc % 2 == 0) {
        fprintf(stderr, "usage: bad-server --script FILE [--log FILE] [--port N]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    clock_gettime(CLOCK_MONOTONIC, &started);
    int fd = listen_on(port);
    for (int number = 1;; number++) {
        struct connection *c = must(malloc(sizeof *c));
        pthread_t thread;
        *c = (struct connection){.number = number, .fd = accept(fd, NULL, NULL)};
        if (c->fd < 0 || pthread_create(&thread, NULL, serve, c))
            die("accept");
        pthread_detach(thread);
    }
}
