/* raters.c: many raters at once, for tests of the rater's page: each follows its link, plays its sessions and keeps a list of what was acknowledged.
 *
 *     raters LINKS.tsv [--raters N] [--seed N] [--base URL] [--think MS] [--stop-after N] >acknowledged.tsv
 *     raters --check SESSIONS.jsonl ACKNOWLEDGED.tsv...
 *
 * A rater asks for the page, its state, the images of every slate as a browser does (one connection, kept), sends a draft and then the answer,
 * one time in ten twice. A request that has no answer (the server is gone, 503) is sent again until it has one. A line of output is an
 * acknowledged answer: rater, step (which counts on from session to session), choice, versus, rating, critique. On stderr: requests and times by kind, and every
 * reply that is an error. --stop-after leaves after so many answers. --base puts another scheme, host and port in front of the links.
 *
 * --check: every acknowledged answer is in the sessions, once, and nothing else is; exit 1 where not.
 */
#include <curl/curl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/progress.h"
#include "pasta/base/rng.h"
#include "pasta/io/file.h"
#include "pasta/io/record.h"

enum kind { PAGE, STATE, WAIT, IMAGE, START, DRAFT, ANSWER, KINDS };
static const char *const kind_names[KINDS] = {"page", "state", "new slate", "image", "start", "draft", "answer"};
static const char *const versus_names[] = {"-", "worse", "same", "better"};

struct rater {
    CURL *curl;
    char *link, *name;
    struct pasta_rng rng;
    struct pasta_str reply;
    bool conflict_is_fine; /* the answer was sent before: it may be that the session has gone on */
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { double *seconds; size_t n, capacity; } times[KINDS];
static atomic_int errors, retries;
static int think_ms, stop_after;

static size_t take(char *bytes, size_t size, size_t n, void *reply)
{
    pasta_str_addn(reply, bytes, size * n);
    return size * n;
}

static void keep_time(enum kind kind, double seconds)
{
    pthread_mutex_lock(&lock);
    PASTA_GROW(times[kind].seconds, times[kind].n + 1, times[kind].capacity);
    times[kind].seconds[times[kind].n++] = seconds;
    pthread_mutex_unlock(&lock);
}

static void wait_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* The HTTP status, once there is one that is an answer. */
static long ask(struct rater *r, enum kind kind, const char *path, const char *body)
{
    static const char *const type = "Content-Type: application/json";
    char *url = pasta_asprintf("%s%s", r->link, path);
    struct curl_slist *headers = curl_slist_append(NULL, type);
    long status = 0;
    for (int attempt = 0; attempt < 600; attempt++) {
        pasta_str_clear(&r->reply);
        curl_easy_reset(r->curl);
        curl_easy_setopt(r->curl, CURLOPT_URL, url);
        curl_easy_setopt(r->curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(r->curl, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(r->curl, CURLOPT_TIMEOUT, 60L);
        curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, take);
        curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, &r->reply);
        if (body) {
            curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, headers);
            curl_easy_setopt(r->curl, CURLOPT_POSTFIELDS, body);
        }
        const double began = pasta_now();
        const CURLcode code = curl_easy_perform(r->curl);
        curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
        if (code == CURLE_OK && status != 503) {
            keep_time(kind, pasta_now() - began);
            break;
        }
        atomic_fetch_add(&retries, 1);
        r->conflict_is_fine = true;
        wait_ms(100);
    }
    if (status != 200 && status != 204 && !(status == 409 && r->conflict_is_fine)) {
        atomic_fetch_add(&errors, 1);
        fprintf(stderr, "raters: %s %s: HTTP %ld: %.300s\n", r->name, path, status, r->reply.data ? r->reply.data : "");
    }
    curl_slist_free_all(headers);
    free(url);
    return status;
}

static void look(struct rater *r, const cJSON *images)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, images) {
        char path[100];
        snprintf(path, sizeof path, "image/%s.png", item->valuestring);
        ask(r, IMAGE, path, NULL);
        if (r->reply.length < 8 || memcmp(r->reply.data + 1, "PNG", 3) != 0) {
            atomic_fetch_add(&errors, 1);
            fprintf(stderr, "raters: %s: %s is no image\n", r->name, path);
        }
    }
}

static bool asked(const cJSON *state, const char *what)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(state, "ask"), what));
}

/* Looks at the slate, decides and sends. */
static void answer(struct rater *r, const cJSON *state)
{
    const cJSON *columns = cJSON_GetObjectItemCaseSensitive(state, "columns"), *column;
    const int step = cJSON_GetObjectItemCaseSensitive(state, "step")->valueint;
    const int choice = (int)pasta_rng_below(&r->rng, (uint32_t)cJSON_GetArraySize(columns));
    const int versus = asked(state, "versus") ? 1 + (int)pasta_rng_below(&r->rng, 3) : 0;
    const int rating = asked(state, "rating") ? (int)pasta_rng_below(&r->rng, 11) : 0; /* 0: none */
    const bool words = asked(state, "critique") && pasta_rng_below(&r->rng, 4) == 0;
    char body[400], *text = pasta_asprintf("words %u <b>\xc3\xa9</b>", pasta_rng_u32(&r->rng));
    int n = snprintf(body, sizeof body, "{\"step\":%d,\"choice\":%d", step, choice);

    cJSON_ArrayForEach(column, columns)
        look(r, cJSON_GetObjectItemCaseSensitive(column, "images"));
    if (versus)
        n += snprintf(body + n, sizeof body - (size_t)n, ",\"versus\":\"%s\"", versus_names[versus]);
    if (rating)
        n += snprintf(body + n, sizeof body - (size_t)n, ",\"rating\":%d", rating);
    snprintf(body + n, sizeof body - (size_t)n, "%s%s%s,\"seconds\":1.5}", words ? ",\"critique\":\"" : "", words ? text : "", words ? "\"" : "");
    if (pasta_rng_below(&r->rng, 2))
        ask(r, DRAFT, "draft", body);
    wait_ms(think_ms ? (long)pasta_rng_below(&r->rng, 2 * (uint32_t)think_ms) : 0);
    r->conflict_is_fine = false;
    const long status = ask(r, ANSWER, "answer", body);
    if (status == 200) {
        pthread_mutex_lock(&lock);
        printf("%s\t%d\t%d\t%s\t%d\t%s\n", r->name, step, choice, versus_names[versus], rating, words ? text : "");
        fflush(stdout);
        pthread_mutex_unlock(&lock);
        r->conflict_is_fine = true;
        if (pasta_rng_below(&r->rng, 10) == 0)
            ask(r, ANSWER, "answer", body);
    }
    free(text);
}

static void *play(void *ctx)
{
    struct rater *r = ctx;
    int answers = 0;
    bool waits = false, more = true;
    r->curl = curl_easy_init();
    ask(r, PAGE, "", NULL);
    while (more) {
        ask(r, waits ? WAIT : STATE, waits ? "state?wait=1" : "state", NULL);
        cJSON *state = cJSON_Parse(r->reply.data);
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(state, "phase");
        const char *phase = cJSON_IsString(item) ? item->valuestring : "none";
        waits = strcmp(phase, "preparing") == 0 || strcmp(phase, "trouble") == 0;
        if (strcmp(phase, "slate") == 0 && !(stop_after && answers == stop_after)) {
            answer(r, state);
            answers++;
        } else if (strcmp(phase, "consent") == 0 || strcmp(phase, "between") == 0) {
            ask(r, START, "start", "{\"consent\":true}");
        } else {
            more = waits;
        }
        cJSON_Delete(state);
    }
    curl_easy_cleanup(r->curl);
    pasta_str_release(&r->reply);
    return NULL;
}

/* --- the report --- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void report(double seconds)
{
    size_t all = 0;
    for (int k = 0; k < KINDS; k++) {
        const size_t n = times[k].n;
        all += n;
        if (!n)
            continue;
        qsort(times[k].seconds, n, sizeof *times[k].seconds, ascending);
        fprintf(stderr, "raters: %-9s %7zu requests, ms: median %.1f, p99 %.1f, most %.1f\n", kind_names[k], n, 1e3 * times[k].seconds[n / 2],
                1e3 * times[k].seconds[(size_t)(0.99 * (double)(n - 1))], 1e3 * times[k].seconds[n - 1]);
    }
    fprintf(stderr, "raters: %zu requests in %.1f s, %d sent again, %d errors\n", all, seconds, atomic_load(&retries), atomic_load(&errors));
}

/* --- checking --- */

struct lines { struct pasta_arena arena; const char **items; size_t n, capacity; };

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add(struct lines *lines, const char *text)
{
    PASTA_GROW(lines->items, lines->n + 1, lines->capacity);
    lines->items[lines->n++] = pasta_arena_strdup(&lines->arena, text);
}

static void release(struct lines *lines)
{
    free(lines->items);
    pasta_arena_release(&lines->arena);
}

static void add_step(struct lines *lines, const struct pasta_session *s, int step, int choice, int versus, double rating, const char *critique)
{
    char *line = pasta_asprintf("%s\t%d\t%d\t%s\t%d\t%s", s->rater_id, step, choice, versus_names[versus], isnan(rating) ? 0 : (int)rating,
                                critique ? critique : "");
    add(lines, line);
    free(line);
}

/* Sessions of one rater stand in the order in which they were played. */
static void add_session(struct lines *lines, const struct pasta_sessions *all, size_t i)
{
    const struct pasta_session *s = &all->items[i];
    int step = 0, c = 0;
    for (size_t j = 0; j < i; j++)
        if (strcmp(all->items[j].rater_id, s->rater_id) == 0)
            step += all->items[j].n_turns + all->items[j].n_checks;
    for (int t = 0; t < s->n_turns; t++) {
        const struct pasta_turn *turn = &s->turns[t];
        add_step(lines, s, ++step, turn->choice, (int)turn->versus, turn->rating, turn->critique);
        for (; c < s->n_checks && s->checks[c].after_turn == t + 1; c++)
            add_step(lines, s, ++step, s->checks[c].choice, 0, NAN, NULL);
    }
}

static int check(int argc, char **argv)
{
    struct pasta_err err = {0};
    struct pasta_sessions sessions = {0};
    struct lines found = {0}, told = {0};
    int wrong = 0;
    if (pasta_sessions_read(argv[0], 0, NULL, &sessions, &err) != PASTA_OK) {
        fprintf(stderr, "raters: %s\n", err.message);
        return 1;
    }
    for (size_t i = 0; i < sessions.n; i++)
        add_session(&found, &sessions, i);
    for (int i = 1; i < argc; i++) {
        struct pasta_lines lines = {0};
        bool more = true;
        if (pasta_lines_open(&lines, argv[i], &err) != PASTA_OK)
            return 1;
        while (pasta_lines_next(&lines, &more, &err) == PASTA_OK && more)
            add(&told, lines.line.data);
        pasta_lines_close(&lines);
    }
    qsort(found.items, found.n, sizeof *found.items, by_text);
    qsort(told.items, told.n, sizeof *told.items, by_text);
    for (size_t i = 0, j = 0; i < found.n || j < told.n;) {
        const int order = i == found.n ? 1 : j == told.n ? -1 : strcmp(found.items[i], told.items[j]);
        if (order)
            fprintf(stderr, "raters: %s: %s\n", order < 0 ? "not acknowledged, or twice in the file" : "acknowledged, but not in the file",
                    order < 0 ? found.items[i] : told.items[j]);
        wrong += order != 0;
        i += order <= 0;
        j += order >= 0;
    }
    printf("%zu sessions, %zu answers in the file, %zu acknowledged, %d wrong\n", sessions.n, found.n, told.n, wrong);
    pasta_sessions_release(&sessions);
    const bool any = found.n > 0;
    release(&found);
    release(&told);
    return wrong || !any;
}

/* --- */

static char *link_at(const char *url, const char *base)
{
    const char *path = strstr(url, "/r/");
    return base && path ? pasta_asprintf("%s%s", base, path) : pasta_strdup(url);
}

int main(int argc, char **argv)
{
    struct pasta_lines lines = {0};
    struct pasta_err err = {0};
    struct rater *raters = NULL;
    size_t n = 0, capacity = 0, most = SIZE_MAX;
    uint64_t seed = 1;
    const char *base = NULL;
    bool more = true;

    if (argc > 3 && strcmp(argv[1], "--check") == 0)
        return check(argc - 2, argv + 2);
    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--raters") == 0) most = (size_t)atol(argv[i + 1]);
        else if (strcmp(argv[i], "--seed") == 0) seed = (uint64_t)atoll(argv[i + 1]);
        else if (strcmp(argv[i], "--base") == 0) base = argv[i + 1];
        else if (strcmp(argv[i], "--think") == 0) think_ms = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--stop-after") == 0) stop_after = atoi(argv[i + 1]);
        else return fprintf(stderr, "raters: unknown flag %s\n", argv[i]), 2;
    }
    if (argc < 2 || pasta_lines_open(&lines, argv[1], &err) != PASTA_OK)
        return fprintf(stderr, "raters: %s\n", argc < 2 ? "expected a file of links" : err.message), 2;
    while (pasta_lines_next(&lines, &more, &err) == PASTA_OK && more && n < most) {
        char *tab = strchr(lines.line.data, '\t');
        if (lines.number == 1 || !tab)
            continue;
        PASTA_GROW(raters, n + 1, capacity);
        raters[n] = (struct rater){.link = link_at(tab + 1, base), .name = pasta_strndup(lines.line.data, (size_t)(tab - lines.line.data)),
                                   .rng = pasta_rng_at(seed, PASTA_RNG_TEST, (uint32_t)n, 0, 0)};
        n++;
    }
    pasta_lines_close(&lines);

    curl_global_init(CURL_GLOBAL_ALL);
    pthread_t *threads = pasta_calloc(n, sizeof *threads);
    const double began = pasta_now();
    for (size_t i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, play, &raters[i]) != 0)
            return fprintf(stderr, "raters: cannot start %zu threads\n", n), 1;
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    report(pasta_now() - began);
    for (size_t i = 0; i < n; i++) {
        free(raters[i].link);
        free(raters[i].name);
    }
    free(raters);
    free(threads);
    return atomic_load(&errors) > 0;
}
