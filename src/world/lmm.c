#include "lmm.h"

#include <stdlib.h>
#include <string.h>

#include "lmm_request.h"
#include "pasta/base/json.h"
#include "pasta/base/rng.h"

enum { SAID_MOST = 1 << 15 }; /* bytes of a reply that the model is shown again */

struct lmm {
    struct lmm_template prompt_template;
    struct lmm_asking asking;
    struct pasta_service *service;
    char *url, *authorization, *name;
    /* added to by several threads */
    struct lmm_tally { int64_t turns, replies, repairs, unreadable, refused_replies; struct lmm_refused refused; } tally;
};

pasta_status lmm_open(const struct pasta_config *config, struct pasta_service *service, const char *url, const char *authorization,
                      struct pasta_t2i t2i, struct lmm **out, struct pasta_err *err)
{
    struct lmm *lmm = pasta_calloc(1, sizeof *lmm);
    const pasta_status status = lmm_template_read(config->generator.prompt_template, &lmm->prompt_template, err);

    if (status != PASTA_OK) {
        lmm_close(lmm);
        return status;
    }
    lmm->asking = (struct lmm_asking){.prompt_template = &lmm->prompt_template, .settings = &config->generator, .t2i = t2i,
                                      .horizon = (int)config->agent.horizon, .max_words = (int)config->agent.max_words};
    lmm->service = service;
    lmm->url = pasta_asprintf("%s/chat/completions", url);
    lmm->authorization = pasta_strdup(authorization);
    lmm->name = pasta_asprintf("openai/%s", config->generator.model);
    *out = lmm;
    return PASTA_OK;
}

void lmm_close(struct lmm *lmm)
{
    if (!lmm)
        return;
    lmm_template_release(&lmm->prompt_template);
    free(lmm->url);
    free(lmm->authorization);
    free(lmm->name);
    free(lmm);
}

/* --- a turn: questions, replies, and what they brought ------------------------------------------------ */

struct exchange {
    struct pasta_question question; /* its body is `body` */
    struct pasta_str body, reply;
};
struct talk {
    struct lmm *lmm;
    struct lmm_turn turn;
    struct lmm_prompts prompts;
    struct lmm_tally tally;
    struct exchange *exchanges;
    int n;                          /* replies so far */
    bool any;                       /* one of them could be read */
    const char *said;               /* the last reply's text, NULL where there is none */
    const char *why;                /* it could not be read: what was wrong */
    bool repaired;
};

static void count_lacking(const struct lmm_prompts *p, int lacking[PASTA_CATEGORIES])
{
    for (int c = 0; c < PASTA_CATEGORIES; c++)
        lacking[c] = p->each - p->n[c];
}

/* "style 3, subject 1" */
static void put_lacking(const struct lmm_prompts *p, struct pasta_str *out)
{
    pasta_str_add(out, "");
    for (int c = 0; c < PASTA_CATEGORIES; c++)
        if (p->n[c] < p->each)
            pasta_str_printf(out, "%s%s %d", out->length ? ", " : "", pasta_category_names[c], p->each - p->n[c]);
}

/* "2 longer than 62 words, 1 twice"; nothing where nothing was refused */
static void put_refused(const struct lmm_prompts *p, struct pasta_str *out)
{
    const struct lmm_refused *r = &p->refused;
    pasta_str_add(out, "");
    if (r->too_long)
        pasta_str_printf(out, "%lld longer than %d words", (long long)r->too_long, p->max_words);
    if (r->duplicates)
        pasta_str_printf(out, "%s%lld given twice or shown before", out->length ? ", " : "", (long long)r->duplicates);
    if (r->empty)
        pasta_str_printf(out, "%s%lld empty", out->length ? ", " : "", (long long)r->empty);
    if (r->refusals)
        pasta_str_printf(out, "%s%lld refusals", out->length ? ", " : "", (long long)r->refusals);
    if (r->unplaced)
        pasta_str_printf(out, "%s%lld of no category", out->length ? ", " : "", (long long)r->unplaced);
}

/* What has been accepted, as the model would have written it. */
static void put_accepted(const struct lmm_prompts *p, struct pasta_str *out)
{
    pasta_str_add(out, "{");
    for (int c = 0; c < PASTA_CATEGORIES; c++) {
        pasta_str_printf(out, "%s\"%s\": [", c ? ", " : "", pasta_category_names[c]);
        for (int i = 0; i < p->n[c]; i++) {
            pasta_str_add(out, i ? ", " : "");
            pasta_json_put_str(out, p->items[c][i]);
        }
        pasta_str_add(out, "]");
    }
    pasta_str_add(out, "}");
}

static void write_body(struct talk *t, int64_t seed, struct pasta_str *out)
{
    struct pasta_str said = {0}, problem = {0}, refused = {0};
    int wanted[PASTA_CATEGORIES];

    count_lacking(&t->prompts, wanted);
    if (t->any) {
        put_accepted(&t->prompts, &said);
        put_lacking(&t->prompts, &problem);
        put_refused(&t->prompts, &refused);
        if (refused.length)
            pasta_str_printf(&problem, "; not accepted so far: %s", refused.data);
        lmm_request_put(&t->turn, said.data, LMM_MISSING, problem.data, wanted, seed, out);
    } else if (t->said && !t->repaired) {
        t->repaired = true;
        t->tally.repairs++;
        lmm_request_put(&t->turn, t->said, LMM_REPAIR, t->why, wanted, seed, out);
    } else {
        lmm_request_put(&t->turn, NULL, LMM_USER, NULL, wanted, seed, out);
    }
    pasta_str_release(&said);
    pasta_str_release(&problem);
    pasta_str_release(&refused);
}

/* The first bytes of a text, whole characters only. */
static const char *shorten(const char *text, struct pasta_arena *arena)
{
    size_t n = strlen(text);
    if (n <= SAID_MOST)
        return text;
    for (n = SAID_MOST; n && ((unsigned char)text[n] & 0xC0) == 0x80; n--)
        ;
    return pasta_arena_printf(arena, "%.*s", (int)n, text);
}

static void hear(struct talk *t, const struct pasta_str *reply)
{
    const char *text;
    enum lmm_verdict verdict = lmm_reply_open(reply->data, reply->length, t->prompts.arena, &text, &t->why);

    if (verdict == LMM_READABLE) {
        verdict = lmm_reply_read(text, &t->prompts);
        t->why = verdict == LMM_READABLE ? "" : verdict == LMM_REFUSED ? "it was a refusal" : t->why;
    }
    t->said = text ? shorten(text, t->prompts.arena) : NULL;
    t->any = t->any || verdict == LMM_READABLE;
    t->tally.replies++;
    t->tally.unreadable += verdict == LMM_UNREADABLE;
    t->tally.refused_replies += verdict == LMM_REFUSED;
}

static pasta_status ask(struct talk *t, uint64_t seed, uint32_t index, uint32_t number, struct pasta_err *err)
{
    struct lmm *lmm = t->lmm;
    struct exchange *x = &t->exchanges[t->n];
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_CANDIDATES, index, number, (uint32_t)t->n);
    const int drawn = (int)(pasta_rng_u32(&rng) >> 1);

    write_body(t, lmm->asking.settings->seed ? drawn : -1, &x->body);
    x->question = (struct pasta_question){.kind = PASTA_SERVICE_CHAT, .url = lmm->url, .authorization = lmm->authorization,
                                          .body = x->body.data, .expect = "application/json",
                                          .repeat = lmm->asking.settings->seed ? 0 : drawn};
    const pasta_status status = pasta_service_ask(lmm->service, &x->question, &x->reply, err);
    if (status != PASTA_OK)
        return status;
    t->n++;
    hear(t, &x->reply);
    return PASTA_OK;
}

static pasta_status too_few(const struct talk *t, struct pasta_err *err)
{
    struct pasta_str lacking = {0}, refused = {0};
    put_lacking(&t->prompts, &lacking);
    put_refused(&t->prompts, &refused);
    pasta_fail(err, PASTA_ERR_FAILED, "generator '%s': expected %d prompts of each category within %d %s (generator.attempts), lacking are "
               "%s%s%s%s%s", t->lmm->name, t->prompts.each, t->n, t->n == 1 ? "reply" : "replies", lacking.data,
               refused.length ? "; refused: " : "", refused.data, *t->why ? "; the last reply: " : "", t->why);
    pasta_str_release(&lacking);
    pasta_str_release(&refused);
    return PASTA_ERR_FAILED;
}

static pasta_status keep_all(struct talk *t, struct pasta_err *err)
{
    for (int i = 0; i < t->n; i++) {
        const pasta_status status = pasta_service_keep(t->lmm->service, &t->exchanges[i].question, &t->exchanges[i].reply, err);
        if (status != PASTA_OK)
            return status;
    }
    return PASTA_OK;
}

static void add(int64_t *to, int64_t n)
{
    __atomic_add_fetch(to, n, __ATOMIC_RELAXED);
}

static void add_tally(struct talk *t)
{
    struct lmm_tally *sum = &t->lmm->tally;
    add(&sum->turns, 1);
    add(&sum->replies, t->tally.replies);
    add(&sum->repairs, t->tally.repairs);
    add(&sum->unreadable, t->tally.unreadable);
    add(&sum->refused_replies, t->tally.refused_replies);
    add(&sum->refused.too_long, t->prompts.refused.too_long);
    add(&sum->refused.duplicates, t->prompts.refused.duplicates);
    add(&sum->refused.empty, t->prompts.refused.empty);
    add(&sum->refused.refusals, t->prompts.refused.refusals);
    add(&sum->refused.unplaced, t->prompts.refused.unplaced);
}

static pasta_status converse(struct talk *t, uint64_t seed, uint32_t index, uint32_t number, struct pasta_err *err)
{
    const int most = (int)t->lmm->asking.settings->attempts;
    pasta_status status = PASTA_OK;

    while (status == PASTA_OK && t->n < most && !lmm_prompts_whole(&t->prompts))
        status = ask(t, seed, index, number, err);
    if (status == PASTA_OK && !lmm_prompts_whole(&t->prompts))
        status = too_few(t, err);
    if (status != PASTA_OK && status != PASTA_ERR_STOPPED)
        return status;
    const pasta_status kept = keep_all(t, status == PASTA_OK ? err : NULL); /* of a stopped turn too: it was paid for */
    return status == PASTA_OK ? kept : status;
}

static pasta_status candidates(void *ctx, const struct pasta_session *session, uint64_t seed, uint32_t index, int n,
                               struct pasta_arena *arena, struct pasta_candidate *out, struct pasta_err *err)
{
    struct lmm *lmm = ctx;
    const int most = (int)lmm->asking.settings->attempts;
    struct talk t = {.lmm = lmm, .why = "",
                     .prompts = {.arena = arena, .session = session, .each = n / PASTA_CATEGORIES, .max_words = lmm->asking.max_words}};

    pasta_status status = lmm_turn_begin(&lmm->asking, session, n, &t.turn, err);
    if (status != PASTA_OK)
        return status;
    t.exchanges = pasta_calloc((size_t)most, sizeof *t.exchanges);
    status = converse(&t, seed, index, (uint32_t)session->n_turns + 1, err);
    if (status == PASTA_OK)
        lmm_prompts_list(&t.prompts, out);
    add_tally(&t);
    for (int i = 0; i < most; i++) {
        pasta_str_release(&t.exchanges[i].body);
        pasta_str_release(&t.exchanges[i].reply);
    }
    free(t.exchanges);
    lmm_turn_release(&t.turn);
    return status;
}

struct pasta_generator lmm_generator(struct lmm *lmm)
{
    return (struct pasta_generator){.ctx = lmm, .name = lmm->name, .candidates = candidates, .template_hash = lmm->prompt_template.hash};
}

void lmm_counts(const struct lmm *lmm, struct pasta_str *json)
{
    const struct lmm_tally *t = &lmm->tally;
    const struct { const char *name; int64_t n; } counts[] = {
        {"turns", t->turns}, {"replies", t->replies}, {"repairs", t->repairs}, {"unreadable", t->unreadable},
        {"refused", t->refused_replies}, {"prompts_too_long", t->refused.too_long}, {"prompts_duplicate", t->refused.duplicates},
        {"prompts_empty", t->refused.empty}, {"prompts_refused", t->refused.refusals}, {"prompts_of_no_category", t->refused.unplaced}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        pasta_str_printf(json, "%s\"%s\":%lld", i ? "," : "{", counts[i].name, (long long)counts[i].n);
    pasta_str_addc(json, '}');
}
