#include "conduct.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "events.h"
#include "pasta/base/log.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "steps.h"

static bool append(struct journal *journal, struct pasta_str *line, int64_t *end)
{
    struct pasta_err err = {0};
    const bool ok = journal_append(journal, line->data, line->length, end, &err) == PASTA_OK;
    if (!ok)
        pasta_warn("%s", err.message);
    pasta_str_release(line);
    return ok;
}

bool conduct_sync(struct conduct *c, int64_t end)
{
    struct pasta_err err = {0};
    if (journal_sync(c->journal, end, &err) == PASTA_OK)
        return true;
    pthread_mutex_lock(&c->study->lock);
    if (!c->failed)
        pasta_error("%s", err.message);
    c->failed = true;
    pthread_mutex_unlock(&c->study->lock);
    return false;
}

/* --- the next step; with the lock --- */

static void show_check(struct conduct *c, struct study_session *session, const struct pasta_check *check)
{
    struct pasta_str text = {0}, line = {0};
    struct pasta_err err = {0};
    pasta_check_print(check, &text);
    event_slate(session->record.session_id, true, text.data, study_clock(), &line);
    if (append(c->journal, &line, &session->shown_end) && event_show(session, true, text.data, "a check", &err) != PASTA_OK) {
        pasta_error("%s", err.message);
        c->failed = true;
    }
    pasta_str_release(&text);
}

static void go_on(struct conduct *c, struct study_session *session)
{
    struct pasta_session *s = &session->record;
    struct pasta_str line = {0};
    struct pasta_check check;
    int64_t unused;
    switch (step_next(&c->study->design, s, session->index, &session->arena, &check)) {
    case STEP_TURN:
        preparer_plan(c->preparer, session, NULL, true);
        break;
    case STEP_CHECK:
        show_check(c, session, &check);
        if (s->n_turns < c->study->design.horizon)
            preparer_plan(c->preparer, session, NULL, false);
        break;
    case STEP_END:
        pasta_session_print(s, &line);
        /* Never synced: should it be lost, the file is made from the journal when the study is opened again. */
        append(c->sessions, &line, &unused);
        break;
    }
    pthread_cond_broadcast(&c->study->changed);
}

/* --- requests --- */

static struct pasta_session begin(const struct conduct *c, const struct study_rater *rater, int arm, int64_t block,
                                  struct pasta_arena *arena)
{
    const struct study *study = c->study;
    const uint32_t person = study->design.first_rater + (uint32_t)(rater - study->raters);
    const struct pasta_rollout_job job =
        pasta_rollout_deal(study->design.seed, (uint32_t)block, 0, 1, c->service->prompts, c->service->n_prompts);
    return pasta_rollout_begin(&c->service->rollouts[arm], (uint32_t)study->n, person, job.prompt, arena);
}

enum conduct_result conduct_start(struct conduct *c, struct study_rater *rater)
{
    struct study *study = c->study;
    enum conduct_result result = CONDUCT_OK;
    struct pasta_arena arena = {0};
    struct pasta_str line = {0};
    const double now = study_clock();
    int64_t block, end = 0;
    int arm;

    pthread_mutex_lock(&study->lock);
    if (!study_current(rater) && rater->n_sessions < study->design.sessions_per_rater && study_deal(study, rater, now, &arm, &block)) {
        const struct pasta_session record = begin(c, rater, arm, block, &arena);
        const uint32_t person = study->design.first_rater + (uint32_t)(rater - study->raters);
        event_start(&record, person, study->design.arms[arm], block, now, &line);
        if (append(c->journal, &line, &end))
            go_on(c, study_begin(study, &record, &arena, person, arm, block, now));
        else
            result = CONDUCT_UNSAVED;
    }
    pthread_mutex_unlock(&study->lock);
    pasta_arena_release(&arena);
    return result == CONDUCT_OK && !conduct_sync(c, end) ? CONDUCT_UNSAVED : result;
}

static bool same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Is it what was answered to that step before? Time apart: a page that sends again may have counted on. */
static bool is_answer_again(const struct pasta_session *s, const struct study_answer *answer)
{
    const struct pasta_turn *turn;
    const struct pasta_check *check;
    step_find(s, answer->step, &turn, &check);
    if (check)
        return check->choice == answer->choice;
    return turn && turn->choice == answer->choice && turn->versus == answer->versus && same_number(turn->rating, answer->rating) &&
           strcmp(turn->critique ? turn->critique : "", answer->critique ? answer->critique : "") == 0;
}

enum conduct_result conduct_answer(struct conduct *c, struct study_rater *rater, const struct study_answer *given, const char **problem)
{
    struct study_answer own = *given, *const answer = &own;
    struct study *study = c->study;
    enum conduct_result result = CONDUCT_CONFLICT;
    struct pasta_str line = {0};
    const double now = study_clock();
    int64_t end = 0;

    pthread_mutex_lock(&study->lock);
    struct study_session *session = study_session_of(rater, &answer->step);
    const int step = session ? step_number(&session->record) : 0;
    if (session && answer->step < step && is_answer_again(&session->record, answer)) {
        result = CONDUCT_OK;
        end = journal_written(c->journal); /* the first time may not be on disk yet */
    } else if (session && session->shown && answer->step == step) {
        *problem = study_refuse(session, answer, c->service->settings->none);
        result = *problem ? CONDUCT_REFUSED : CONDUCT_UNSAVED;
        event_answer(session->record.session_id, answer, now, &line);
        if (!*problem && append(c->journal, &line, &end)) {
            result = CONDUCT_OK;
            study_answer(study, session, answer, now);
            go_on(c, session);
            end = journal_written(c->journal); /* a next step that is shown at once is in the same sync */
        }
        pasta_str_release(&line);
    }
    pthread_mutex_unlock(&study->lock);
    return result == CONDUCT_OK && !conduct_sync(c, end) ? CONDUCT_UNSAVED : result;
}

void conduct_draft(struct conduct *c, struct study_rater *rater, const struct study_answer *given)
{
    struct study_answer own = *given, *const draft = &own;
    pthread_mutex_lock(&c->study->lock);
    struct study_session *session = study_session_of(rater, &draft->step);
    if (session && session->shown && !session->check && draft->step == step_number(&session->record) &&
        session->record.n_turns + 1 < c->study->design.horizon && !study_refuse(session, draft, c->service->settings->none))
        preparer_plan(c->preparer, session, draft, false);
    pthread_mutex_unlock(&c->study->lock);
}

void conduct_look(struct conduct *c, struct study_rater *rater)
{
    pthread_mutex_lock(&c->study->lock);
    struct study_session *session = study_current(rater);
    if (session && !session->shown && !(session->plan.urgent && session->plan.state != PLAN_NONE))
        go_on(c, session);
    pthread_mutex_unlock(&c->study->lock);
}

/* --- sessions.jsonl --- */

static int as_they_ended(const void *a, const void *b)
{
    const struct study_session *x = *(struct study_session *const *)a, *y = *(struct study_session *const *)b;
    if (x->ended != y->ended)
        return x->ended ? -1 : 1;
    if (x->ended_as != y->ended_as)
        return x->ended_as < y->ended_as ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

pasta_status conduct_write_sessions(const struct study *study, const char *dir, bool unfinished, int64_t *n, struct pasta_err *err)
{
    struct study_session **order = pasta_malloc(study->n * sizeof *order);
    char *path = pasta_path_join(dir, STUDY_SESSIONS);
    struct pasta_out out;
    pasta_status status = pasta_out_open(&out, path, err);
    *n = 0;
    for (size_t i = 0; i < study->n; i++)
        order[i] = study->sessions[i];
    if (study->n)
        qsort(order, study->n, sizeof *order, as_they_ended);
    for (size_t i = 0; i < study->n && status == PASTA_OK; i++) {
        struct pasta_str line = {0};
        if (!order[i]->ended && !(unfinished && order[i]->record.n_turns > 0))
            continue;
        pasta_session_print(&order[i]->record, &line);
        status = pasta_out_write(&out, line.data, line.length, err);
        ++*n;
        pasta_str_release(&line);
    }
    if (status == PASTA_OK)
        status = pasta_out_commit(&out, err);
    free(order);
    free(path);
    return status;
}
