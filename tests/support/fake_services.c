/* fake_services.c: language and image models over HTTP for the tests: each answer is a function of the request's body, so it does not matter
 * in which order requests come.
 *
 *     fake-services [--port N] [--log FILE] [--size PIXELS] [--trouble WORD]...
 *
 * Listens on 127.0.0.1, prints the port on stdout, serves until it is killed.
 *
 *   POST .../chat/completions    five prompts in each category that the request's JSON schema names (in all, where it has none), made of a
 *                                hash of the body
 *   POST .../images/generations  {"data":[{"b64_json":PNG}]}, POST .../txt2img {"images":[PNG]}: one colour, by the hash of body and --size
 *
 * Troubles, some of which befall a body only when it comes first, so that the same question asked once more is answered well:
 *
 *   status-500   the first time              broken-json  a quarter of the chats, and images the first time: half of the JSON
 *   status-429   the first time, half of     no-image     the first time: something else as base64
 *                them, Retry-After: 1        prose        the JSON stands amid prose, in a fence, with commas too many
 *   slow         the first time, 0.1 s       three        three prompts where all are asked for
 *   html         that content type           nothing      no JSON where all prompts are asked for
 *   never        three prompts and never any others       refuse       a refusal, whatever is asked
 *
 * The log has a line a request: its path and the first 12 digits of its body's hash.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/base/base64.h"
#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/io/image.h"
#include "pasta/io/record.h"
#include "pasta/io/sha256.h"

enum { TROUBLES = 16, SEEN = 1 << 14 };
static const char *troubles[TROUBLES];
static int n_troubles, size = 64;
static FILE *request_log;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards `seen` and the log */
static char seen[SEEN][13];
static int n_seen;

static bool is_troubled(const char *word)
{
    for (int i = 0; i < n_troubles; i++)
        if (strcmp(troubles[i], word) == 0)
            return true;
    return false;
}

/* Notes the request; true: its body is new. */
static bool note(const char *path, const char hex[65])
{
    bool known = false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < n_seen; i++)
        known = known || strncmp(seen[i], hex, 12) == 0;
    if (!known && n_seen < SEEN)
        snprintf(seen[n_seen++], sizeof *seen, "%.12s", hex);
    if (request_log) {
        fprintf(request_log, "%s %.12s\n", path, hex);
        fflush(request_log);
    }
    pthread_mutex_unlock(&lock);
    return !known;
}

/* --- what models say ---------------------------------------------------------------------------------- */

/* Does the request want this category? Only those of its schema, where it has one. */
static bool wants(const char *body, const char *category)
{
    const char *schema = strstr(body, "\"json_schema\":");
    char key[40];
    snprintf(key, sizeof key, "\"%s\":{\"type\":\"array\"", category);
    return !schema || strstr(schema, key);
}

static void put_prompts(const char *body, const char hex[65], int each, struct pasta_str *out)
{
    bool any = false;
    pasta_str_add(out, "{");
    for (int c = 0; c < PASTA_CATEGORIES; c++) {
        if (!wants(body, pasta_category_names[c]))
            continue;
        pasta_str_printf(out, "%s\"%s\": [", any ? ", " : "", pasta_category_names[c]);
        for (int i = 0; i < each; i++)
            pasta_str_printf(out, "%s\"a red fox %d, \\u00fcber %s, %.8s\"", i ? ", " : "", i, pasta_category_names[c], hex);
        pasta_str_add(out, "]");
        any = true;
    }
    pasta_str_printf(out, ", \"order\": [\"%s\", \"%s\"]}", pasta_category_names[hex[0] % 5], pasta_category_names[hex[1] % 5]);
}

/* The assistant's words; `whole`: everything is asked for, not what is missing. */
static void put_content(const char *body, const char hex[65], bool whole, struct pasta_str *out)
{
    struct pasta_str json = {0};
    if (is_troubled("refuse")) {
        pasta_str_add(out, "I'm sorry, but I can't help with that.");
    } else if (is_troubled("nothing") && whole) {
        pasta_str_add(out, "Here are the prompts, as you wished: a fox, a hare and [many] more {of them}.");
    } else if (is_troubled("never")) {
        pasta_str_add(out, "{\"style\": [\"an ink fox\", \"a neon fox\", \"a pixel fox\"]}");
    } else if (is_troubled("three") && whole) {
        pasta_str_printf(out, "{\"style\": [\"an ink fox %.8s\", \"a neon fox %.8s\", \"a pixel fox %.8s\"]}", hex, hex, hex);
    } else if (is_troubled("prose")) {
        put_prompts(body, hex, 5, &json);
        pasta_str_printf(out, "Sure! Here is what I would propose [25 prompts]:\n```json\n%.*s,\n}\n```\nShall I go on?",
                         (int)json.length - 1, json.data);
    } else {
        put_prompts(body, hex, 5, out);
    }
    pasta_str_release(&json);
}

static void put_chat(const char *body, const char hex[65], struct pasta_str *out)
{
    struct pasta_str content = {0};
    put_content(body, hex, !strstr(body, "\"role\":\"assistant\""), &content);
    pasta_str_add(out, "{\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    pasta_json_put_str(out, content.data);
    pasta_str_add(out, "},\"finish_reason\":\"stop\"}]}");
    pasta_str_release(&content);
}

static void put_image(const char *form, const char hex[65], bool first, struct pasta_str *out)
{
    struct pasta_image image = {size, size, pasta_malloc((size_t)size * (size_t)size * 3)};
    struct pasta_str png = {0};
    struct pasta_err err = {0};
    const char *const texts[1][2] = {{"parameters", "the prompt, as such servers write it"}};
    for (int i = 0; i < size * size * 3; i++)
        image.pixels[i] = (uint8_t)(hex[i % 3] * 7 + hex[10 + i % 3]);
    if (first && is_troubled("no-image"))
        pasta_str_add(&png, "this is no image, whatever its name may be");
    else if (pasta_png_encode(&image, texts, 1, &png, &err) != PASTA_OK)
        exit(1);
    pasta_str_add(out, form);
    pasta_base64_put(out, png.data, png.length);
    pasta_str_add(out, strstr(form, "b64_json") ? "\"}]}" : "\"],\"parameters\":{},\"info\":\"\"}");
    pasta_str_release(&png);
    pasta_image_release(&image);
}

/* --- HTTP --------------------------------------------------------------------------------------------- */

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status, const char *type, const struct pasta_str *text,
                                 const char *retry_after)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(text->length, text->data ? text->data : "", MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", type);
    if (retry_after)
        MHD_add_response_header(response, "Retry-After", retry_after);
    const enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(struct MHD_Connection *connection, const char *path, const struct pasta_str *body)
{
    const bool chat = pasta_ends_with(path, "/chat/completions"), openai = pasta_ends_with(path, "/images/generations");
    struct pasta_str reply = {0};
    const char *type = "application/json";
    unsigned status = 200;
    char hex[65];

    pasta_sha256(body->data, body->length, hex);
    const bool first = note(path, hex);
    if (chat)
        put_chat(body->data, hex, &reply);
    else if (openai || pasta_ends_with(path, "/txt2img"))
        put_image(openai ? "{\"created\":1,\"data\":[{\"b64_json\":\"" : "{\"images\":[\"", hex, first, &reply);
    else
        status = 404;
    if (first && is_troubled("slow"))
        usleep(100000);
    if ((chat ? hex[0] < '4' : first) && is_troubled("broken-json"))
        reply.length /= 2;
    if (is_troubled("html"))
        type = "text/html";
    if (first && is_troubled("status-500"))
        status = 500;
    if (first && hex[0] < '8' && is_troubled("status-429"))
        status = 429;
    const enum MHD_Result result = send_text(connection, status, type, &reply, status == 429 ? "1" : NULL);
    pasta_str_release(&reply);
    return result;
}

static enum MHD_Result handle(void *ctx, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
                              const char *data, size_t *length, void **request)
{
    (void)ctx, (void)method, (void)version;
    struct pasta_str *body = *request;
    if (!body) {
        *request = pasta_calloc(1, sizeof *body);
        return MHD_YES;
    }
    if (*length) {
        pasta_str_addn(body, data, *length);
        *length = 0;
        return MHD_YES;
    }
    pasta_str_addn(body, "", 0);
    return answer(connection, path, body);
}

static void done(void *ctx, struct MHD_Connection *connection, void **request, enum MHD_RequestTerminationCode how)
{
    (void)ctx, (void)connection, (void)how;
    if (*request)
        pasta_str_release(*request);
    free(*request);
}

int main(int argc, char **argv)
{
    int port = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--port") == 0)
            port = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--log") == 0)
            request_log = fopen(argv[i + 1], "w");
        else if (strcmp(argv[i], "--size") == 0)
            size = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--trouble") == 0 && n_troubles < TROUBLES)
            troubles[n_troubles++] = argv[i + 1];
        else
            return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    const struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, handle,
                                                 NULL, MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_NOTIFY_COMPLETED, done, NULL, MHD_OPTION_END);
    if (!daemon)
        return 1;
    printf("%d\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    for (;;)
        pause();
}
