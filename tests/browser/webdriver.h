/* webdriver.h: a browser driven over WebDriver (W3C), as a test wants it: whatever goes wrong ends the test with a word on stderr and exit
 * status 1.
 *
 *     struct browser b;
 *     browser_open(&b, "http://127.0.0.1:9515", "/tmp/profile");
 *     browser_go(&b, "http://127.0.0.1:8080/r/TOKEN/");
 *     browser_wait(&b, "document.body.dataset.phase === 'consent'");
 *     browser_click(&b, "#consent-agree");
 *     browser_close(&b);
 *
 * Elements are named by CSS selectors. Strings that are returned belong to the caller.
 */
#ifndef PASTA_TESTS_WEBDRIVER_H
#define PASTA_TESTS_WEBDRIVER_H
#include <stdbool.h>
#include "pasta/base/json.h"

struct browser {
    void *curl;
    char *driver;          /* URL */
    char *session;
};

/* Keys of the protocol that are no characters. */
#define KEY_TAB "\xee\x80\x84"
#define KEY_ENTER "\xee\x80\x87"
#define KEY_SHIFT "\xee\x80\x88"
#define KEY_CONTROL "\xee\x80\x89"
#define KEY_ESCAPE "\xee\x80\x8c"
#define KEY_SPACE " "
#define KEY_LEFT "\xee\x80\x92"
#define KEY_RIGHT "\xee\x80\x94"

void browser_open(struct browser *b, const char *driver, const char *profile); /* headless Chromium; `profile`: an empty folder for it */
void browser_close(struct browser *b);
void browser_go(struct browser *b, const char *url);
void browser_reload(struct browser *b);

cJSON *browser_script(struct browser *b, const char *script); /* a function's body; the value it returns */
/* Expressions of the page's language, and selectors, are printed as printf does. */
#define PRINTED __attribute__((format(printf, 2, 3)))
bool browser_is(struct browser *b, const char *expression, ...) PRINTED;
char *browser_text(struct browser *b, const char *expression, ...) PRINTED; /* a string */
void browser_wait(struct browser *b, const char *expression, ...) PRINTED; /* until it is true */

void browser_click(struct browser *b, const char *selector, ...) PRINTED;
void browser_double_click(struct browser *b, const char *selector, ...) PRINTED;
void browser_type(struct browser *b, const char *selector, const char *text);
void browser_keys(struct browser *b, const char *keys);       /* one after the other, to whatever has the focus */
void browser_chord(struct browser *b, const char *held, const char *key);

char *browser_window(struct browser *b);                      /* the present one */
char *browser_new_window(struct browser *b);                  /* another tab, not yet the present one */
void browser_switch(struct browser *b, const char *window);

void browser_view(struct browser *b, int width, int height, bool dark); /* px of the page; below 640 a phone's, with touch */
void browser_devtools(struct browser *b, const char *command, const char *parameters); /* JSON */
void browser_shot(struct browser *b, const char *path);       /* PNG */
cJSON *browser_log(struct browser *b);                        /* what the console said since the last call: an array of {level, message} */

void browser_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
double browser_seconds(void);                                 /* monotonic */
#endif
