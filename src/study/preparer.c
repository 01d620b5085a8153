#include "preparer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "events.h"
#include "pasta/base/log.h"
#include "pasta/base/progress.h"
#include "steps.h"

struct preparer {
    struct study *study;
    const struct pasta_rollout *rollouts;
    struct journal *journal;
    pthread_cond_t work;      /* something may be wanted; with study->lock */
    pthread_t *threads;
    int n_threads;
    bool stopping;
    struct pasta_err failure; /* for good */
};

/* What a worker takes along: a copy of the session that later answers do not change. Strings stay the session's, which lives on. Times and
 * checks are left out: a draft knows neither. */
struct job {
    struct pasta_session record;
    struct pasta_turn turns[PASTA_MAX_HORIZON];
    uint32_t index, person;
    int arm;
};

static void take(const struct study_session *session, struct job *job)
{
    const struct pasta_session *s = &session->record;
    job->record = *s;
    memcpy(job->turns, s->turns, (size_t)s->n_turns * sizeof *job->turns);
    for (int t = 0; t < s->n_turns; t++)
        job->turns[t].seconds = NAN;
    job->record.turns = job->turns;
    job->record.n_checks = 0;
    job->index = session->index;
    job->person = session->person;
    job->arm = session->arm;
}

/* The draft that the plan is for, as if it were the answer to the turn on show. */
static pasta_status assume(struct study_session *session, struct job *job, struct pasta_arena *arena, struct pasta_err *err)
{
    struct study_answer answer;
    const pasta_status status = event_answer_read(session->plan.after, "a draft", arena, &answer, err);
    struct pasta_turn *turn = &job->turns[job->record.n_turns];
    if (status != PASTA_OK)
        return status;
    *turn = session->record.turns[job->record.n_turns++];
    turn->choice = answer.choice;
    turn->versus = answer.versus;
    turn->rating = answer.rating;
    turn->critique = answer.critique;
    return PASTA_OK;
}

/* The turn in hand, if it is a turn, is not answered: the plan is for what a draft would lead to. */
static bool is_ahead(const struct study_session *session)
{
    return session->shown && !session->check;
}

/* A rater who ponders draws, or pays for, slates that nobody sees: only so many a turn. */
static bool is_one_too_many(const struct study_session *session)
{
    enum { DRAFTS = 4 };
    return session->plan.drafted == session->record.n_turns && session->plan.drafts >= DRAFTS;
}

static void count_draft(struct study_session *session)
{
    struct slate_plan *plan = &session->plan;
    plan->drafts = plan->drafted == session->record.n_turns ? plan->drafts + 1 : 1;
    plan->drafted = session->record.n_turns;
}

/* Something is to be done for it, now: a slate to be made, by one thread unless the rater waits, or one to be shown that could not be. */
static bool is_due(const struct slate_plan *plan, double now)
{
    if (plan->retry_at > now)
        return false;
    return plan->state == PLAN_WANTED ? plan->urgent || !plan->workers : plan->state == PLAN_READY && plan->urgent;
}

static struct study_session *most_wanted(const struct preparer *p, double now)
{
    struct study_session *best = NULL;
    for (size_t i = 0; i < p->study->n; i++) {
        struct study_session *s = p->study->sessions[i];
        if (!is_due(&s->plan, now))
            continue;
        if (!best || s->plan.urgent > best->plan.urgent ||
            (s->plan.urgent == best->plan.urgent && s->plan.wanted_at < best->plan.wanted_at))
            best = s;
    }
    return best;
}

/* Shows the slate that was prepared. A journal that cannot be written to is tried again: the rater waits meanwhile. */
static void show(struct preparer *p, struct study_session *session)
{
    struct slate_plan *plan = &session->plan;
    struct pasta_str line = {0};
    struct pasta_err err = {0};
    event_slate(session->record.session_id, false, plan->turn.data, study_clock(), &line);
    if (journal_append(p->journal, line.data, line.length, &session->shown_end, &err) != PASTA_OK) {
        pasta_warn("%s", err.message);
        plan->retry_at = pasta_now() + 1;
    } else if (event_show(session, false, plan->turn.data, "a slate that was prepared", &err) != PASTA_OK) {
        p->failure = err;
    } else {
        plan->state = PLAN_NONE;
        pasta_str_release(&plan->turn);
    }
    pthread_cond_broadcast(&p->study->changed);
    pasta_str_release(&line);
}

static void prepared(struct preparer *p, struct study_session *session, struct pasta_str *turn)
{
    struct slate_plan *plan = &session->plan;
    pasta_str_release(&plan->turn);
    plan->turn = *turn;
    *turn = (struct pasta_str){0};
    plan->state = PLAN_READY;
    plan->failures = 0;
    if (plan->urgent)
        show(p, session);
}

static void failed(struct preparer *p, struct study_session *session, const struct pasta_err *err)
{
    enum { LONGEST = 600 }; /* seconds: what fails again and again may be paid for each time */
    struct slate_plan *plan = &session->plan;
    if (err->status == PASTA_ERR_STOPPED && p->failure.status == PASTA_OK)
        p->failure = *err;
    pasta_warn("session %s: %s", session->record.session_id, err->message);
    plan->state = PLAN_WANTED;
    plan->retry_at = pasta_now() + fmin(LONGEST, ldexp(1, plan->failures < 10 ? plan->failures : 10));
    plan->failures++;
    pthread_cond_broadcast(&p->study->changed);
}

/* With the lock held, which is let go while the slate is made. */
static void prepare(struct preparer *p, struct study_session *session)
{
    struct job *job = pasta_calloc(1, sizeof *job);
    struct pasta_arena arena = {0};
    struct pasta_str text = {0};
    struct pasta_turn turn;
    struct pasta_err err = {0};
    pasta_status status = PASTA_OK;
    const unsigned generation = session->plan.generation;

    session->plan.state = PLAN_RUNNING;
    session->plan.workers++;
    take(session, job);
    if (is_ahead(session)) {
        count_draft(session);
        status = assume(session, job, &arena, &err);
    }
    pthread_mutex_unlock(&p->study->lock);
    if (status == PASTA_OK)
        status = pasta_rollout_slate(&p->rollouts[job->arm], &job->record, job->index, job->person, &arena, &turn, &err);
    if (status == PASTA_OK)
        pasta_turn_print(&turn, job->record.n_turns + 1, &text);
    pthread_mutex_lock(&p->study->lock);
    session->plan.workers--;
    if (session->plan.generation == generation && status == PASTA_OK)
        prepared(p, session, &text);
    else if (session->plan.generation == generation)
        failed(p, session, &err);
    pasta_str_release(&text);
    pasta_arena_release(&arena);
    free(job);
}

static void *work(void *ctx)
{
    struct preparer *p = ctx;
    /* Whoever answers a rater goes first. On Linux this sets the thread alone. */
    setpriority(PRIO_PROCESS, (id_t)gettid(), 10);
    pthread_mutex_lock(&p->study->lock);
    while (!p->stopping) {
        struct study_session *session = p->failure.status == PASTA_OK ? most_wanted(p, pasta_now()) : NULL;
        const struct timespec soon = study_deadline(0.25); /* something may be due by then */
        if (session && session->plan.state == PLAN_READY)
            show(p, session);
        else if (session)
            prepare(p, session);
        else
            pthread_cond_timedwait(&p->work, &p->study->lock, &soon);
    }
    pthread_mutex_unlock(&p->study->lock);
    return NULL;
}

struct preparer *preparer_start(struct study *study, const struct pasta_rollout *rollouts, struct journal *journal, int threads)
{
    struct preparer *p = pasta_calloc(1, sizeof *p);
    pthread_condattr_t monotonic;
    *p = (struct preparer){.study = study, .rollouts = rollouts, .journal = journal};
    p->threads = pasta_calloc((size_t)threads, sizeof *p->threads);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->work, &monotonic);
    pthread_condattr_destroy(&monotonic);
    while (p->n_threads < threads && pthread_create(&p->threads[p->n_threads], NULL, work, p) == 0)
        p->n_threads++;
    if (!p->n_threads) {
        preparer_stop(p);
        return NULL;
    }
    return p;
}

void preparer_stop(struct preparer *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->study->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->study->lock);
    for (int i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->work);
    free(p->threads);
    free(p);
}

/* The answer that the next turn follows, as the key of a plan. */
static char *key_of(const struct pasta_session *s, const struct study_answer *draft)
{
    struct pasta_str key = {0};
    pasta_str_printf(&key, "{\"turns\":%d", s->n_turns + (draft != NULL));
    if (draft) {
        event_answer_fields(draft, &key);
    } else if (s->n_turns) {
        const struct pasta_turn *last = &s->turns[s->n_turns - 1];
        event_answer_fields(&(struct study_answer){.choice = last->choice, .versus = last->versus, .rating = last->rating,
                                                   .critique = last->critique}, &key);
    }
    pasta_str_addc(&key, '}');
    return pasta_str_take(&key);
}

void preparer_plan(struct preparer *p, struct study_session *session, const struct study_answer *draft, bool urgent)
{
    const double settle = 1; /* seconds until a draft is worth a slate: words are typed letter by letter */
    struct slate_plan *plan = &session->plan;
    char *after = key_of(&session->record, draft);
    const bool another = plan->state == PLAN_NONE || strcmp(plan->after, after) != 0;
    if (draft && another && is_one_too_many(session)) {
        free(after);
        return;
    }
    if (another) {
        free(plan->after);
        plan->after = after;
        plan->state = PLAN_WANTED;
        plan->generation++;
        plan->failures = 0;
        plan->wanted_at = pasta_now();
        plan->retry_at = draft ? plan->wanted_at + settle : 0;
    } else {
        free(after);
    }
    if (urgent && !plan->failures)
        plan->retry_at = 0;
    plan->urgent = urgent;
    if (urgent && plan->state == PLAN_READY)
        show(p, session);
    else
        pthread_cond_signal(&p->work);
}

pasta_status preparer_failure(struct preparer *p, struct pasta_err *err)
{
    pthread_mutex_lock(&p->study->lock);
    const struct pasta_err failure = p->failure;
    pthread_mutex_unlock(&p->study->lock);
    return failure.status == PASTA_OK ? PASTA_OK : pasta_fail(err, failure.status, "%s", failure.message);
}
