/* server.h: the rater's page, over HTTP.
 *
 * Each rater has a link with a token, /r/TOKEN/, and everything below it is theirs alone. Bodies are JSON.
 *
 *   GET  /r/TOKEN/                the page: the same bytes for everyone; /assets/page.css and /assets/page.js beside it
 *   GET  /r/TOKEN/state           what to show now (below); with ?wait=1 the reply waits up to 20 s while a slate is being prepared
 *   GET  /r/TOKEN/image/ID.png    an image that this rater was shown; the pixels alone, without the prompt in its tEXt chunk
 *   POST /r/TOKEN/start           {"consent":true}: begins the next session -> state
 *   POST /r/TOKEN/draft           {"step":3,"choice":1,...}: an answer that is not sent yet: the next slate is prepared for it -> 204
 *   POST /r/TOKEN/answer          {"step":3,"choice":1,"versus":"better","rating":7,"critique":"...","seconds":12.3} -> state, once the answer
 *                                 is in the journal and synced. The same answer again (double click, retry) is the same reply;
 *                                 another answer to a step that is answered is 409 with the state. `versus`, `rating`, `critique` only where
 *                                 asked; rating and critique may be left out; `choice` null where "none" is allowed. Steps count on from
 *                                 session to session.
 *
 * States:
 *   {"phase":"consent","text":TEXT,"sessions":{"done":0,"of":2}}                     blank lines in TEXT part paragraphs
 *   {"phase":"between","sessions":{"done":1,"of":2}}                                 start begins the next session
 *   {"phase":"preparing","step":4,"progress":{"turn":4,"of":5}}                      ask again with ?wait=1
 *   {"phase":"slate","step":3,"task":INITIAL_PROMPT,"instruction":null,"progress":{"turn":3,"of":5},
 *    "columns":[{"images":[ID,...],"prompt":TEXT where shown},...],
 *    "previous":[ID,...] or null,                                                     the images chosen in the turn before
 *    "ask":{"versus":true,"rating":true,"critique":true,"none":false}}                versus: better, same or worse than previous
 *        `instruction`: an attention check's sentence, to be shown above the columns, and then only a choice is asked for; "again":true: the
 *        slate was seen before and only a choice is asked for
 *   {"phase":"done","text":TEXT or null,"sessions":{"done":2,"of":2}}
 *   {"phase":"closed"}                                                               the study takes no further sessions
 *   {"phase":"trouble"}                                                              a slate could not be made; it is tried again: ask with ?wait=1
 * Errors are {"error":SENTENCE}: 400 what was sent cannot be an answer, 403 another origin, 404 no such rater or image, 409 above, 413 too long,
 * 415 not application/json, 429 too many requests (Retry-After), 503 the answer could not be saved and was not taken.
 */
#ifndef PASTA_STUDY_SERVER_H
#define PASTA_STUDY_SERVER_H
#include "pasta/agent/rollout.h"
#include "pasta/study/design.h"
#include "pasta/study/listener.h"

struct pasta_study_service {                     /* all borrowed */
    const struct pasta_study_design *design;
    const struct pasta_study_settings *settings;
    const struct pasta_rollout *rollouts;        /* [n_arms]; their rater's source is human, their image_root the folder below */
    const char *const *prompts;                  /* [n_prompts] that sessions start from */
    uint32_t n_prompts;
    const char *consent;                         /* what a rater agrees to */
    const char *dir;                             /* journal.jsonl, links.tsv, sessions.jsonl and images/; what is there is gone on with */
    const struct pasta_listener *listener;       /* where it is served */
    void (*listening)(void *ctx, const char *url); /* called once raters can come */
    void *ctx;
};
/* Serves until every place has a session that has ended (PASTA_OK; sessions.jsonl is whole, with the turns of whoever is still in one), and a little longer for raters whose last reply was
 * lost; or until a stop is asked for (PASTA_ERR_STOPPED: calling it again goes on). Other errors: a journal that another process has open is
 * PASTA_ERR_USAGE, one that cannot be is PASTA_ERR_INPUT. */
pasta_status pasta_study_serve(const struct pasta_study_service *service, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
