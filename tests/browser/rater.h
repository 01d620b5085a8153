/* rater.h: a rater's eyes and hands on the page: the next slate, a choice, what it is to be recorded as. One browser, one study. */
#ifndef PASTA_TESTS_RATER_H
#define PASTA_TESTS_RATER_H
#include "played.h"
#include "served.h"
#include "webdriver.h"

/* Expressions of the page's language. */
#define SLATE_READY "document.body.dataset.phase === 'slate' && document.querySelector('#slate').dataset.ready === 'true'"
#define NOTICE "(document.querySelector('#notice').hidden ? '' : document.querySelector('#notice').textContent)"
#define COLUMN "document.querySelectorAll('#columns input')[%d]"
#define NO_CHOICE "!document.querySelector('#columns input:checked') && document.querySelector('#send').disabled"

extern struct browser browser;
extern struct served server;
extern const char *shots;          /* folder, or NULL: no pictures */

void rater_shot(const char *name); /* pictures of a kind of state, laptop and phone, light and dark: the first time that it is met */
void rater_console(const char *fine, const char *also); /* no complaints since the last call but what holds one of these (or NULL) */

void rater_come(struct played *game, int rater);        /* follows the link of links.tsv, up to the consent */
/* Waits for the slate that follows those of the game, which then has one step more; false: the session is over. */
bool rater_next(struct played *game);
struct played_step *rater_step(struct played *game);    /* the present one */
int rater_number(const struct played *game);            /* its number, counted over all sessions of the rater */
bool rater_sees(const char *kind);                      /* "turn", "attention" or "again" */
int rater_column(const struct played *game);            /* to choose: what an instruction names, else one of the step's own */
const char *rater_versus(const struct played *game);    /* to answer; NULL: not asked */

void rater_choose(int column);                          /* by mouse */
void rater_mark(const char *name, const char *value);   /* "versus" or "rating", by mouse */
/* The step is to be recorded as answered so, checks without the rest; the image is the page's own word for what was on show. Waits until Send
 * has become possible. */
void rater_note(struct played *game, int column, const char *versus, int rating, const char *critique);
void rater_answer(struct played *game);                 /* a choice and what must be said, by mouse, noted, not sent */
#endif
