/* browser_test.c: whole sessions on the rater's page, in a real browser: by mouse; by keyboard alone; with the server killed in the middle of a
 * turn and between two; in two tabs and by a trembling hand. At the end the records hold what was clicked and typed, each once, and the
 * console is clean.
 *
 *     browser-test DRIVER-URL FOLDER [--shots FOLDER] -- pasta-collect ARGUMENT...
 *
 * FOLDER becomes the study's (FOLDER/study) and the browser's; the agent takes its time while there is a FOLDER/slow. The study has four
 * raters and five places. --shots: pictures of every state of the page, on a laptop and on a phone, light and dark.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "rater.h"

enum { MOUSE, MOUSE_AGAIN, KEYBOARD, KILLED, TABS, GAMES };

static struct played games[GAMES];
static char *slow_file;

static void expect(const char *expression)
{
    browser_wait(&browser, "%s", expression);
}

/* --- by mouse --- */

/* Longer than two clicks of a double click are apart. */
static void pause_between_clicks(void)
{
    usleep(600000);
}

/* A mind that is changed twice, a rating that is taken back, and a look at the images. */
static void hesitate(void)
{
    rater_choose(0);
    rater_choose(1);
    expect("document.querySelectorAll('#columns input:checked').length === 1");
    pause_between_clicks();
    browser_click(&browser, "#columns .column:nth-child(2) label");
    expect(NO_CHOICE);
    rater_choose(3);
    rater_mark("rating", "9");
    expect("document.querySelector('#rating input[value=\"9\"]').checked");
    pause_between_clicks();
    rater_mark("rating", "9");
    expect("!document.querySelector('#rating input:checked')");
    browser_click(&browser, "#columns .column:nth-child(3) .magnify");
    expect("document.querySelector('#zoom').open && document.querySelector('#zoom-count').textContent === 'Image 1 of 4'");
    browser_click(&browser, "#zoom-on");
    expect("document.querySelector('#zoom-count').textContent === 'Image 2 of 4'");
    rater_shot("zoom");
    browser_click(&browser, "#zoom-choose");
    browser_wait(&browser, "!document.querySelector('#zoom').open && " COLUMN ".checked", 2);
}

static void session_by_mouse(struct played *game)
{
    static const char nasty[] = "<b>bold</b> & \"quoted\" 'text' <img src=x onerror=alert(1)> \xe2\x80\x94 \xf0\x9f\xa6\x8a";
    while (rater_next(game)) {
        const bool check = rater_step(game)->check;
        rater_shot(rater_sees("attention") ? "attention" : rater_sees("again") ? "again" : "slate");
        if (game->n == 1)
            hesitate();
        const int column = rater_column(game), rating = check ? 0 : 1 + (7 * game->n) % 10;
        const char *versus = rater_versus(game);
        rater_choose(column);
        if (versus)
            rater_mark("versus", versus);
        if (!check) {
            char *value = pasta_asprintf("%d", rating);
            rater_mark("rating", value);
            browser_type(&browser, "#critique-text", nasty);
            free(value);
        }
        rater_note(game, column, versus, rating, nasty);
        if (versus)
            rater_shot("answered");
        browser_click(&browser, "#send");
    }
}

/* Both sessions of a rater. */
static void by_mouse(struct played *first, struct played *second)
{
    rater_come(first, 0);
    rater_shot("consent");
    browser_click(&browser, "#consent-agree");
    session_by_mouse(first);
    expect("document.querySelector('#between-title').textContent === 'Part 1 of 2 is done'");
    rater_shot("between");
    second->rater = first->rater;
    second->before = first->n;
    browser_click(&browser, "#between-start");
    expect(SLATE_READY);
    session_by_mouse(second);
    rater_shot("done");
    expect("document.querySelector('#done-text').textContent === 'Your code is <b>42</b>' && !document.querySelector('#done-text b')");
    rater_console(NULL, NULL);
}

/* --- by keyboard alone --- */

static void tab_to(const char *expression)
{
    for (int i = 0; i < 30; i++) {
        if (browser_is(&browser, "%s", expression))
            return;
        browser_keys(&browser, KEY_TAB);
    }
    browser_fail("Tab does not lead to %s", expression);
}

static void look_around(void)
{
    browser_keys(&browser, "?");
    expect("document.querySelector('#help').open");
    rater_shot("help");
    browser_keys(&browser, KEY_ESCAPE);
    expect("!document.querySelector('#help').open");
    browser_keys(&browser, "2");
    browser_wait(&browser, COLUMN ".checked && document.activeElement === " COLUMN, 1, 1);
    browser_keys(&browser, "z");
    expect("document.querySelector('#zoom').open && document.querySelector('#zoom-title').textContent === 'Column 2'");
    browser_keys(&browser, KEY_RIGHT KEY_RIGHT);
    expect("document.querySelector('#zoom-count').textContent === 'Image 3 of 4'");
    browser_keys(&browser, KEY_ESCAPE);
    browser_wait(&browser, "!document.querySelector('#zoom').open && document.activeElement === " COLUMN " && " COLUMN ".checked", 1, 1);
    browser_keys(&browser, KEY_RIGHT);
    browser_wait(&browser, COLUMN ".checked", 2);
    browser_keys(&browser, KEY_ESCAPE);
    expect(NO_CHOICE);
}

static void by_keyboard(struct played *game)
{
    static const char words[] = "1 bsw? z"; /* every key with another meaning elsewhere */
    rater_come(game, 1);
    tab_to("document.activeElement.id === 'consent-agree'");
    browser_keys(&browser, KEY_ENTER);
    while (rater_next(game)) {
        if (game->n == 1)
            look_around();
        const int column = rater_column(game);
        const char *versus = rater_versus(game);
        const char digit[2] = {(char)('1' + column), 0}, letter[2] = {versus ? versus[0] : 0, 0};
        const bool writes = !rater_step(game)->check && game->n > 1;
        browser_keys(&browser, digit);
        if (versus)
            browser_keys(&browser, letter);
        if (writes) {
            tab_to("document.activeElement.name === 'rating'");
            browser_keys(&browser, KEY_SPACE KEY_RIGHT KEY_RIGHT KEY_RIGHT);
            tab_to("document.activeElement.id === 'critique-text'");
            browser_keys(&browser, words);
        }
        rater_note(game, column, versus, writes ? 4 : 0, writes ? words : NULL);
        if (writes)
            browser_chord(&browser, KEY_CONTROL, KEY_ENTER);
        else
            browser_keys(&browser, KEY_ENTER);
    }
    rater_console(NULL, NULL);
}

/* --- a server that dies --- */

static void block(const char *address)
{
    char *parameters = pasta_asprintf("{\"urls\":[%s]}", address);
    browser_devtools(&browser, "Network.enable", "{}");
    browser_devtools(&browser, "Network.setBlockedURLs", parameters);
    free(parameters);
}

/* Killed after the answer was acknowledged and before there is a next slate: drafts do not get through, so that nothing is prepared ahead,
 * and the agent takes its time. False: a check followed, which needs no preparing; the server lives. */
static bool die_after_send(struct played *game)
{
    struct pasta_err err = {0};
    if (pasta_file_write(slow_file, "", 0, &err) != PASTA_OK)
        browser_fail("%s", err.message);
    block("\"*/draft\"");
    rater_answer(game);
    browser_click(&browser, "#send");
    browser_wait(&browser, "document.body.dataset.phase !== 'slate' || document.body.dataset.step !== '%d'", rater_number(game));
    const bool caught = browser_is(&browser, "document.querySelector('[data-phase=preparing][aria-busy=true]').checkVisibility()");
    if (caught)
        served_kill(&server);
    unlink(slow_file);
    if (caught) {
        expect(NOTICE ".startsWith('No connection')");
        rater_shot("preparing");
        served_start(&server);
    }
    block("");
    return caught;
}

/* Killed while a choice is made that is not sent: Send says so, and gets through once the server is back. */
static bool die_before_send(struct played *game)
{
    rater_answer(game);
    served_kill(&server);
    browser_click(&browser, "#send");
    expect(NOTICE ".startsWith('Not saved yet')");
    expect("document.querySelector('#send').disabled && document.querySelector('#columns').disabled");
    rater_shot("unsaved");
    served_start(&server);
    return true;
}

/* The page is loaded again in the middle of a turn, then the server is: the answer is still there. */
static bool reload(struct played *game)
{
    rater_answer(game);
    browser_reload(&browser);
    expect(SLATE_READY);
    browser_wait(&browser, COLUMN ".checked && !document.querySelector('#send').disabled", rater_step(game)->column);
    served_kill(&server);
    served_start(&server);
    browser_click(&browser, "#send");
    return true;
}

static void with_kills(struct played *game)
{
    bool (*const ways[])(struct played *) = {die_after_send, die_before_send, reload};
    const int n = sizeof ways / sizeof *ways;
    int done = 0;
    rater_come(game, 2);
    browser_click(&browser, "#consent-agree");
    while (rater_next(game))
        if (done < n) {
            done += ways[done](game);
        } else {
            rater_answer(game);
            browser_click(&browser, "#send");
        }
    if (done < n)
        browser_fail("the session had %d steps, too few for %d ways to die", game->n, n);
    rater_console("net::ERR_", NULL);
}

/* --- two tabs, and a double click --- */

/* The second tab still shows what the first one has answered; what it sends is not taken, and it says where the rater is. */
static void in_two_tabs(struct played *game)
{
    char *link = browser_text(&browser, "location.href"), *first = browser_window(&browser), *second = browser_new_window(&browser);
    browser_switch(&browser, second);
    browser_go(&browser, link);
    browser_view(&browser, 1440, 900, false);
    expect(SLATE_READY);
    rater_choose((rater_column(game) + 1) % 4);
    block("\"*/state\""); /* or it asks by itself when it is seen again */
    browser_switch(&browser, first);
    rater_answer(game);
    browser_click(&browser, "#send");
    rater_next(game);

    browser_switch(&browser, second);
    expect("!document.querySelector('#send').disabled");
    browser_click(&browser, "#send");
    browser_wait(&browser, SLATE_READY " && document.body.dataset.step === '%d' && " NOTICE ".includes('answered already')", rater_number(game));
    rater_shot("elsewhere");
    block("");
    free(link);
    free(first);
    free(second);
}

static void by_trembling_hand(struct played *game)
{
    rater_come(game, 3);
    browser_click(&browser, "#consent-agree");
    rater_next(game);
    in_two_tabs(game);
    do {
        const int column = rater_column(game);
        const char *versus = rater_versus(game);
        browser_double_click(&browser, "#columns .column:nth-child(%d) label", column + 1);
        if (versus)
            rater_mark("versus", versus);
        rater_note(game, column, versus, 0, NULL);
        browser_double_click(&browser, "#send");
    } while (rater_next(game));
    rater_console("409", "ERR_BLOCKED_BY_CLIENT");
}

int main(int argc, char **argv)
{
    int at = 3;
    if (argc > 5 && strcmp(argv[3], "--shots") == 0) {
        shots = argv[4];
        at = 5;
    }
    if (argc <= at + 1 || strcmp(argv[at], "--") != 0)
        browser_fail("usage: browser-test DRIVER-URL FOLDER [--shots FOLDER] -- pasta-collect ARGUMENT...");
    struct pasta_err err = {0};
    char *study = pasta_path_join(argv[2], "study"), *profile = pasta_path_join(argv[2], "profile");
    char *sessions = pasta_path_join(study, "sessions.jsonl");
    slow_file = pasta_path_join(argv[2], "slow");
    if (pasta_mkdirs(profile, &err) != PASTA_OK || (shots && pasta_mkdirs(shots, &err) != PASTA_OK))
        browser_fail("%s", err.message);

    server = (struct served){.binary = argv[at + 1], .arguments = argv + at + 2, .out = study};
    served_start(&server);
    browser_open(&browser, argv[1], profile);
    browser_view(&browser, 1440, 900, false);
    by_mouse(&games[MOUSE], &games[MOUSE_AGAIN]);
    by_keyboard(&games[KEYBOARD]);
    with_kills(&games[KILLED]);
    by_trembling_hand(&games[TABS]);
    browser_close(&browser);

    const int code = served_wait(&server);
    if (code != 0)
        browser_fail("the server ended with %d, expected 0 once every session is done", code);
    played_check(sessions, games, GAMES);
    for (int i = 0; i < GAMES; i++)
        printf("%s: %d steps, recorded as they were clicked\n", games[i].rater, games[i].n);
    free(study);
    free(profile);
    free(sessions);
    free(slow_file);
    return 0;
}
