#include "rater.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"

struct browser browser;
struct served server;
const char *shots;

void rater_shot(const char *name)
{
    static const struct { int width, height; } sizes[] = {{390, 844}, {1440, 900}};
    static struct pasta_str taken;
    char *known = pasta_asprintf(" %s ", name);
    if (shots && !(taken.data && strstr(taken.data, known))) {
        pasta_str_add(&taken, known);
        for (int i = 0; i < 4; i++) {
            const int size = i / 2, dark = !(i % 2);
            char *path = pasta_asprintf("%s/%s-%d-%s.png", shots, name, sizes[size].width, dark ? "dark" : "light");
            browser_view(&browser, sizes[size].width, sizes[size].height, dark);
            browser_wait(&browser, "matchMedia('(prefers-color-scheme: %s)').matches", dark ? "dark" : "light");
            browser_wait(&browser, "document.documentElement.scrollWidth <= document.documentElement.clientWidth");
            cJSON_Delete(browser_script(&browser, "return new Promise((done) => setTimeout(done, 250));"));
            browser_shot(&browser, path);
            free(path);
        }
    }
    free(known);
}

void rater_console(const char *fine, const char *also)
{
    cJSON *log = browser_log(&browser);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, log) {
        const char *level = cJSON_GetObjectItemCaseSensitive(entry, "level")->valuestring;
        const char *message = cJSON_GetObjectItemCaseSensitive(entry, "message")->valuestring;
        const bool complaint = strcmp(level, "SEVERE") == 0 || strcmp(level, "WARNING") == 0;
        const bool expected = (fine && strstr(message, fine)) || (also && strstr(message, also));
        if (strstr(message, "Content Security Policy") || (complaint && !expected))
            browser_fail("the console says: %s: %s", level, message);
    }
    cJSON_Delete(log);
}

void rater_come(struct played *game, int rater)
{
    char *link = served_link(&server, rater, &game->rater);
    browser_go(&browser, link);
    browser_wait(&browser, "document.body.dataset.phase === 'consent'");
    browser_wait(&browser, "document.querySelector('#consent-text').textContent.includes('<b>as text</b>')");
    browser_wait(&browser, "!document.querySelector('#consent-text b, #consent-text script')");
    free(link);
}

struct played_step *rater_step(struct played *game)
{
    return &game->steps[game->n - 1];
}

int rater_number(const struct played *game)
{
    return game->before + game->n;
}

bool rater_sees(const char *kind)
{
    return browser_is(&browser, "document.querySelector('#slate').dataset.kind === '%s'", kind);
}

bool rater_next(struct played *game)
{
    static const char over[] = "['done', 'between'].includes(document.body.dataset.phase)";
    browser_wait(&browser, "%s || (" SLATE_READY " && document.body.dataset.step === '%d')", over, rater_number(game) + 1);
    if (browser_is(&browser, "%s", over))
        return false;
    if (game->n == PLAYED_STEPS)
        browser_fail("%s: more than %d steps", game->rater, PLAYED_STEPS);
    browser_wait(&browser, "document.activeElement === document.querySelector('#question')");
    browser_wait(&browser, NO_CHOICE);
    browser_wait(&browser, "!document.querySelector('#slate i, #slate script')");
    game->steps[game->n++] = (struct played_step){0};
    rater_step(game)->check = !rater_sees("turn");
    return true;
}

int rater_column(const struct played *game)
{
    char *question = browser_text(&browser, "document.querySelector('#question').textContent");
    const char *named = rater_sees("attention") ? strstr(question, "column ") : NULL;
    const int column = named ? atoi(named + strlen("column ")) - 1 : (3 * game->n + 1) % 4;
    free(question);
    return column;
}

const char *rater_versus(const struct played *game)
{
    static const char *const names[] = {"better", "same", "worse"};
    return browser_is(&browser, "document.querySelector('#slate').dataset.asks.includes('versus')") ? names[game->n % 3] : NULL;
}

void rater_choose(int column)
{
    browser_click(&browser, "#columns .column:nth-child(%d) label", column + 1);
    browser_wait(&browser, COLUMN ".checked", column);
}

void rater_mark(const char *name, const char *value)
{
    browser_click(&browser, "label:has(input[name=%s][value=\"%s\"])", name, value);
}

void rater_note(struct played *game, int column, const char *versus, int rating, const char *critique)
{
    struct played_step *step = rater_step(game);
    step->column = column;
    step->image = browser_text(&browser, COLUMN ".closest('.column').querySelector('img').src.match(/image\\/(.*)\\.png/)[1]", column);
    if (!step->check) {
        step->versus = versus;
        step->rating = rating;
        step->critique = critique;
    }
    browser_wait(&browser, COLUMN ".checked && !document.querySelector('#send').disabled", column);
}

void rater_answer(struct played *game)
{
    const int column = rater_column(game);
    const char *versus = rater_versus(game);
    rater_choose(column);
    if (versus)
        rater_mark("versus", versus);
    rater_note(game, column, versus, 0, NULL);
}
