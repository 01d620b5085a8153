#include "webdriver.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pasta/base/base64.h"
#include "pasta/base/mem.h"
#include "pasta/io/file.h"

static const double patience = 20; /* s until what is waited for counts as not coming */

void browser_fail(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("FAIL: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

double browser_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- the protocol --- */

static size_t collect(char *bytes, size_t size, size_t n, void *reply)
{
    pasta_str_addn(reply, bytes, size * n);
    return size * n;
}

/* The reply's "value", which the caller deletes; an error is one of the test, with what was asked. `body` NULL: GET, or DELETE. */
static cJSON *call(struct browser *b, const char *method, const char *url, const char *body)
{
    struct pasta_str reply = {0};
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_reset(b->curl);
    curl_easy_setopt(b->curl, CURLOPT_URL, url);
    curl_easy_setopt(b->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(b->curl, CURLOPT_TIMEOUT, 120L);
    curl_easy_setopt(b->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(b->curl, CURLOPT_HTTPHEADER, headers);
    if (body)
        curl_easy_setopt(b->curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(b->curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(b->curl, CURLOPT_WRITEDATA, &reply);
    const CURLcode code = curl_easy_perform(b->curl);
    if (code != CURLE_OK)
        browser_fail("%s %s: %s", method, url, curl_easy_strerror(code));
    curl_slist_free_all(headers);

    cJSON *tree = cJSON_Parse(reply.data ? reply.data : "");
    cJSON *value = tree ? cJSON_DetachItemFromObjectCaseSensitive(tree, "value") : NULL;
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(value, "error"), *message = cJSON_GetObjectItemCaseSensitive(value, "message");
    if (!value || cJSON_IsString(error))
        browser_fail("%s %s %s: %s: %.300s", method, url, body ? body : "", value ? error->valuestring : "no reply",
                     cJSON_IsString(message) ? message->valuestring : reply.data);
    cJSON_Delete(tree);
    pasta_str_release(&reply);
    return value;
}

static cJSON *command(struct browser *b, const char *method, const char *path, const char *body)
{
    char *url = pasta_asprintf("%s/session/%s/%s", b->driver, b->session, path);
    cJSON *value = call(b, method, url, body);
    free(url);
    return value;
}

/* {"KEY":"TEXT"} */
static char *object(const char *key, const char *text)
{
    struct pasta_str s = {0};
    pasta_str_printf(&s, "{\"%s\":", key);
    pasta_json_put_str(&s, text);
    pasta_str_addc(&s, '}');
    return pasta_str_take(&s);
}

static void post(struct browser *b, const char *path, const char *key, const char *text)
{
    char *body = object(key, text);
    cJSON_Delete(command(b, "POST", path, body));
    free(body);
}

static char *string_of(cJSON *value, const char *what)
{
    if (!cJSON_IsString(value))
        browser_fail("%s: expected a string, found %s", what, pasta_json_type_name(value));
    char *text = pasta_strdup(value->valuestring);
    cJSON_Delete(value);
    return text;
}

/* --- sessions --- */

/* Everything that Chromium does on its own account is off: the test is to be alone with the page. --no-sandbox and --disable-gpu: as root, and
 * in containers. A mouse and hovering are there, as on a laptop. */
static const char capabilities[] =
    "{\"capabilities\":{\"alwaysMatch\":{\"browserName\":\"chrome\",\"goog:loggingPrefs\":{\"browser\":\"ALL\"},"
    "\"goog:chromeOptions\":{\"args\":["
    "\"--headless\",\"--no-sandbox\",\"--disable-gpu\",\"--disable-dev-shm-usage\",\"--disable-quic\",\"--no-first-run\","
    "\"--disable-background-networking\",\"--disable-component-update\",\"--disable-sync\",\"--disable-extensions\",\"--no-proxy-server\","
    "\"--hide-scrollbars\",\"--force-color-profile=srgb\","
    "\"--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4\","
    "\"--user-data-dir=%s\"]}}}}";

void browser_open(struct browser *b, const char *driver, const char *profile)
{
    char *url = pasta_asprintf("%s/session", driver), *body = pasta_asprintf(capabilities, profile);
    *b = (struct browser){.curl = curl_easy_init(), .driver = pasta_strdup(driver)};
    cJSON *value = call(b, "POST", url, body);
    b->session = string_of(cJSON_DetachItemFromObjectCaseSensitive(value, "sessionId"), "sessionId");
    cJSON_Delete(value);
    free(url);
    free(body);
}

void browser_close(struct browser *b)
{
    char *url = pasta_asprintf("%s/session/%s", b->driver, b->session);
    cJSON_Delete(call(b, "DELETE", url, NULL));
    curl_easy_cleanup(b->curl);
    free(url);
    free(b->driver);
    free(b->session);
}

void browser_go(struct browser *b, const char *url)
{
    post(b, "url", "url", url);
}

void browser_reload(struct browser *b)
{
    cJSON_Delete(command(b, "POST", "refresh", "{}"));
}

/* --- looking --- */

cJSON *browser_script(struct browser *b, const char *script)
{
    struct pasta_str body = {0};
    pasta_str_add(&body, "{\"args\":[],\"script\":");
    pasta_json_put_str(&body, script);
    pasta_str_addc(&body, '}');
    cJSON *value = command(b, "POST", "execute/sync", body.data);
    pasta_str_release(&body);
    return value;
}

/* printf, as a string of its own. */
#define PRINT(out, fmt) \
    do { \
        va_list args; \
        va_start(args, fmt); \
        if (vasprintf(&(out), fmt, args) < 0) \
            browser_fail("no memory"); \
        va_end(args); \
    } while (0)

static cJSON *evaluate(struct browser *b, const char *expression)
{
    char *script = pasta_asprintf("return (%s);", expression);
    cJSON *value = browser_script(b, script);
    free(script);
    return value;
}

static bool is_true(struct browser *b, const char *expression)
{
    cJSON *value = evaluate(b, expression);
    const bool is = cJSON_IsTrue(value);
    cJSON_Delete(value);
    return is;
}

bool browser_is(struct browser *b, const char *fmt, ...)
{
    char *expression;
    PRINT(expression, fmt);
    const bool is = is_true(b, expression);
    free(expression);
    return is;
}

char *browser_text(struct browser *b, const char *fmt, ...)
{
    char *expression;
    PRINT(expression, fmt);
    char *text = string_of(evaluate(b, expression), expression);
    free(expression);
    return text;
}

void browser_wait(struct browser *b, const char *fmt, ...)
{
    char *expression;
    PRINT(expression, fmt);
    for (const double end = browser_seconds() + patience; !is_true(b, expression);) {
        if (browser_seconds() > end)
            browser_fail("waited %g s in vain for: %s\nthe page: %s", patience, expression,
                         browser_text(b, "document.title + '; step ' + document.body.dataset.step + '; focus on ' + "
                                         "document.activeElement.outerHTML.slice(0, 80) + '; ' + document.body.innerText.slice(0, 300)"));
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    free(expression);
}

/* --- hands --- */

static char *find(struct browser *b, const char *selector)
{
    struct pasta_str body = {0};
    pasta_str_add(&body, "{\"using\":\"css selector\",\"value\":");
    pasta_json_put_str(&body, selector);
    pasta_str_addc(&body, '}');
    cJSON *value = command(b, "POST", "element", body.data);
    char *id = string_of(cJSON_DetachItemFromObjectCaseSensitive(value, "element-6066-11e4-a52e-4f735466cecf"), selector);
    cJSON_Delete(value);
    pasta_str_release(&body);
    return id;
}

void browser_click(struct browser *b, const char *fmt, ...)
{
    char *selector;
    PRINT(selector, fmt);
    char *id = find(b, selector), *path = pasta_asprintf("element/%s/click", id);
    cJSON_Delete(command(b, "POST", path, "{}"));
    free(path);
    free(id);
    free(selector);
}

/* As an input method does it, at once: older drivers have no keys for characters such as emoji. */
void browser_type(struct browser *b, const char *selector, const char *text)
{
    struct pasta_str parameters = {0};
    browser_click(b, "%s", selector);
    pasta_str_add(&parameters, "{\"text\":");
    pasta_json_put_str(&parameters, text);
    pasta_str_addc(&parameters, '}');
    browser_devtools(b, "Input.insertText", parameters.data);
    pasta_str_release(&parameters);
}

void browser_double_click(struct browser *b, const char *fmt, ...)
{
    static const char press[] = "{\"type\":\"pointerDown\",\"button\":0},{\"type\":\"pointerUp\",\"button\":0}";
    char *selector;
    PRINT(selector, fmt);
    char *id = find(b, selector);
    char *body = pasta_asprintf("{\"actions\":[{\"type\":\"pointer\",\"id\":\"mouse\",\"actions\":["
                                "{\"type\":\"pointerMove\",\"x\":0,\"y\":0,"
                                "\"origin\":{\"element-6066-11e4-a52e-4f735466cecf\":\"%s\"}},%s,%s]}]}", id, press, press);
    cJSON_Delete(command(b, "POST", "actions", body));
    free(body);
    free(id);
    free(selector);
}

/* Appends the press, the release or both of one key. */
static void put_key(struct pasta_str *s, const char *key, bool down, bool up)
{
    static const char *const kinds[] = {"keyDown", "keyUp"};
    for (int i = 0; i < 2; i++) {
        if (!(i == 0 ? down : up))
            continue;
        pasta_str_printf(s, "%s{\"type\":\"%s\",\"value\":", s->data[s->length - 1] == '[' ? "" : ",", kinds[i]);
        pasta_json_put_str(s, key);
        pasta_str_addc(s, '}');
    }
}

static size_t character(const char *text)
{
    size_t n = 1;
    while (((unsigned char)text[n] & 0xc0) == 0x80)
        n++;
    return n;
}

static void press(struct browser *b, const char *held, const char *keys)
{
    struct pasta_str body = {0};
    pasta_str_add(&body, "{\"actions\":[{\"type\":\"key\",\"id\":\"keyboard\",\"actions\":[");
    if (held)
        put_key(&body, held, true, false);
    while (*keys) {
        char *key = pasta_strndup(keys, character(keys));
        put_key(&body, key, true, true);
        keys += strlen(key);
        free(key);
    }
    if (held)
        put_key(&body, held, false, true);
    pasta_str_add(&body, "]}]}");
    cJSON_Delete(command(b, "POST", "actions", body.data));
    pasta_str_release(&body);
}

void browser_keys(struct browser *b, const char *keys)
{
    press(b, NULL, keys);
}

void browser_chord(struct browser *b, const char *held, const char *key)
{
    press(b, held, key);
}

/* --- windows, sizes, pictures --- */

char *browser_window(struct browser *b)
{
    return string_of(command(b, "GET", "window", NULL), "window");
}

char *browser_new_window(struct browser *b)
{
    cJSON *value = command(b, "POST", "window/new", "{\"type\":\"tab\"}");
    char *handle = string_of(cJSON_DetachItemFromObjectCaseSensitive(value, "handle"), "handle");
    cJSON_Delete(value);
    return handle;
}

void browser_switch(struct browser *b, const char *window)
{
    post(b, "window", "handle", window);
}

void browser_devtools(struct browser *b, const char *name, const char *parameters)
{
    char *body = pasta_asprintf("{\"cmd\":\"%s\",\"params\":%s}", name, parameters);
    cJSON_Delete(command(b, "POST", "goog/cdp/execute", body));
    free(body);
}

void browser_view(struct browser *b, int width, int height, bool dark)
{
    const bool phone = width < 640;
    char *metrics = pasta_asprintf("{\"width\":%d,\"height\":%d,\"deviceScaleFactor\":%d,\"mobile\":%s}", width, height,
                                   phone ? 2 : 1, phone ? "true" : "false");
    char *touch = pasta_asprintf("{\"enabled\":%s}", phone ? "true" : "false");
    char *media = pasta_asprintf("{\"features\":[{\"name\":\"prefers-color-scheme\",\"value\":\"%s\"}]}", dark ? "dark" : "light");
    browser_devtools(b, "Emulation.setDeviceMetricsOverride", metrics);
    browser_devtools(b, "Emulation.setTouchEmulationEnabled", touch);
    browser_devtools(b, "Emulation.setEmulatedMedia", media);
    free(metrics);
    free(touch);
    free(media);
}

void browser_shot(struct browser *b, const char *path)
{
    struct pasta_str png = {0};
    struct pasta_err err = {0};
    char *text = string_of(command(b, "GET", "screenshot", NULL), "screenshot");
    if (!pasta_base64_read(&png, text, strlen(text)) || pasta_file_write(path, png.data, png.length, &err) != PASTA_OK)
        browser_fail("screenshot '%s': %s", path, err.message);
    pasta_str_release(&png);
    free(text);
}

cJSON *browser_log(struct browser *b)
{
    return command(b, "POST", "se/log", "{\"type\":\"browser\"}");
}
