/* What happens when a rater begins, drafts and answers: slates prepared ahead equal those made when they are needed, one answer a step, and
 * failures of whoever makes slates or keeps the journal pass. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "../../src/study/clock.h"
#include "../../src/study/conduct.h"
#include "fake_world.h"
#include "study_made.h"

static const struct pasta_agent_settings agent = {.horizon = 4, .slate = 4, .images = 2, .candidates = 25};
static const struct pasta_study_settings study_settings = {.consent = "", .completion = "", .public_url = "", .rating = true};
static const char *const prompts[] = {"a cat"};

/* A generator that is slow or fails, counts who is at it, and writes all that it is told into its prompts. */
static struct {
    atomic_int calls, at_once, most_at_once;
    atomic_int fail;               /* so many more times */
    atomic_bool held;              /* until it is not */
    pasta_status with;
    long sleep_ms;
} world;

static pasta_status write_candidates(void *ctx, const struct pasta_session *session, uint64_t seed, uint32_t index, int n,
                                     struct pasta_arena *arena, struct pasta_candidate *out, struct pasta_err *err)
{
    const int now = atomic_fetch_add(&world.at_once, 1) + 1;
    atomic_fetch_add(&world.calls, 1);
    if (now > atomic_load(&world.most_at_once))
        atomic_store(&world.most_at_once, now);
    nanosleep(&(struct timespec){.tv_nsec = world.sleep_ms * 1000000}, NULL);
    while (atomic_load(&world.held))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    const bool fails = atomic_load(&world.fail) > 0;
    pasta_status status = fails ? pasta_fail(err, world.with, "the service is down") : PASTA_OK;
    if (fails)
        atomic_fetch_sub(&world.fail, 1);
    if (status == PASTA_OK)
        status = fake_candidates(ctx, session, seed, index, n, arena, out, err);
    const struct pasta_turn *last = session->n_turns ? &session->turns[session->n_turns - 1] : NULL;
    for (int i = 0; i < n && status == PASTA_OK && last; i++)
        out[i].prompt = pasta_arena_printf(arena, "%s, %d checks, %g s, rated %g, %s", out[i].prompt, session->n_checks, last->seconds, last->rating,
                                           last->critique ? last->critique : "-");
    atomic_fetch_sub(&world.at_once, 1);
    return status;
}

struct running {
    struct pasta_study_design design;
    struct pasta_rollout rollouts[2];
    struct pasta_study_service service;
    struct conduct conduct;
};

static void open_running(struct running *r, const char *dir, int preparers, double checks)
{
    struct pasta_err err = {0};
    struct pasta_str line = {0};
    int64_t end;
    memset(&world, 0, sizeof world);
    *r = (struct running){.design = made_design(4, 2, 2)};
    r->design.attention_rate = r->design.repeat_rate = checks;
    for (int a = 0; a < 2; a++) {
        r->rollouts[a] = (struct pasta_rollout){.settings = &agent, .generator = {.name = "slow", .candidates = write_candidates},
                                                .t2i = fake_t2i(NULL), .policy = pasta_policy_baseline(),
                                                .rater = {.source = PASTA_SOURCE_HUMAN}, .seed = 7};
        r->rollouts[a].policy.name = r->design.arms[a];
    }
    r->service = (struct pasta_study_service){.design = &r->design, .settings = &study_settings, .rollouts = r->rollouts, .prompts = prompts,
                                              .n_prompts = 1};
    r->conduct = (struct conduct){.service = &r->service, .study = study_new(&r->design)};
    char *folder_of = pasta_strdup(path_of(dir)), *journal = pasta_asprintf("%s/journal.jsonl", folder_of);
    char *sessions = pasta_asprintf("%s/sessions.jsonl", folder_of);
    assert_int_equal(pasta_mkdirs(folder_of, &err), PASTA_OK);
    assert_int_equal(journal_open(journal, &r->conduct.journal, &err), PASTA_OK);
    assert_int_equal(journal_open(sessions, &r->conduct.sessions, &err), PASTA_OK);
    event_open(&r->design, study_clock(), &line);
    assert_int_equal(journal_append(r->conduct.journal, line.data, line.length, &end, &err), PASTA_OK);
    r->conduct.preparer = preparer_start(r->conduct.study, r->rollouts, r->conduct.journal, preparers);
    assert_non_null(r->conduct.preparer);
    pasta_str_release(&line);
    free(folder_of), free(journal), free(sessions);
}

static void close_running(struct running *r)
{
    preparer_stop(r->conduct.preparer);
    journal_close(r->conduct.journal);
    journal_close(r->conduct.sessions);
    study_free(r->conduct.study);
}

static struct study_rater *rater_of(struct running *r) { return &r->conduct.study->raters[0]; }

static struct study_session *last_of(struct running *r)
{
    const struct study_rater *rater = rater_of(r);
    return rater->sessions[rater->n_sessions - 1];
}

enum what { SHOWN, PREPARED, TROUBLED };
static bool is(struct running *r, enum what what)
{
    pthread_mutex_lock(&r->conduct.study->lock);
    const struct study_session *s = last_of(r);
    const bool yes = what == SHOWN ? s->shown : what == PREPARED ? s->plan.state == PLAN_READY
                     : s->plan.failures > 0;
    pthread_mutex_unlock(&r->conduct.study->lock);
    return yes;
}

static void until(struct running *r, enum what what)
{
    for (int i = 0; i < 10000; i++) {
        if (is(r, what))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    fail_msg("waited in vain for %d", what);
}

/* The answer of step `n` on the page to what is on show. */
static struct study_answer answer_to(struct running *r, int step)
{
    const struct study_session *s = last_of(r);
    struct study_answer a = {.step = step, .choice = step % 4, .rating = NAN, .seconds = step + 0.5};
    if (s->check)
        return a;
    a.rating = 1 + step % 9;
    a.critique = step % 2 ? "darker" : NULL;
    a.versus = study_asks_versus(s) ? PASTA_BETTER : PASTA_VERSUS_NONE;
    return a;
}

/* Plays all sessions of the rater; drafts: every answer is a draft before, and the answer waits until its slate is prepared. */
static void play(struct running *r, bool drafts)
{
    const char *problem = NULL;
    int step = 0;
    for (int session = 0; session < 2; session++) {
        assert_int_equal(conduct_start(&r->conduct, rater_of(r)), CONDUCT_OK);
        while (!last_of(r)->ended) {
            until(r, SHOWN);
            const struct study_answer answer = answer_to(r, ++step);
            struct study_answer draft = answer;
            const bool last = last_of(r)->record.n_turns + 1 == r->design.horizon;
            draft.seconds = NAN;
            if (drafts)
                conduct_draft(&r->conduct, rater_of(r), &draft);
            if (drafts && !last_of(r)->check && !last) {
                const int calls = atomic_load(&world.calls);
                until(r, PREPARED);
                assert_int_equal(conduct_answer(&r->conduct, rater_of(r), &answer, &problem), CONDUCT_OK);
                assert_true(atomic_load(&world.calls) <= calls + 1);
                assert_true(last_of(r)->shown); /* at once: the check that comes first, or the slate that was prepared */
                continue;
            }
            assert_int_equal(conduct_answer(&r->conduct, rater_of(r), &answer, &problem), CONDUCT_OK);
        }
    }
}

static void assert_same_file(const char *a, const char *b)
{
    struct pasta_str x = {0}, y = {0};
    assert_int_equal(pasta_file_read(path_of(a), &x, NULL), PASTA_OK);
    assert_int_equal(pasta_file_read(path_of(b), &y, NULL), PASTA_OK);
    assert_true(x.length > 0);
    assert_string_equal(x.data, y.data);
    pasta_str_release(&x), pasta_str_release(&y);
}

static void ahead_is_as_when_needed(void **state)
{
    (void)state;
    struct running ahead, needed;
    open_running(&ahead, "ahead", 2, 0.7);
    play(&ahead, true);
    const int calls = atomic_load(&world.calls);
    assert_int_equal(calls, 2 * 4); /* nothing was made in vain */
    close_running(&ahead);
    open_running(&needed, "needed", 1, 0.7);
    play(&needed, false);
    /* sessions.jsonl as it grew, and as it is made anew from the state */
    int64_t n;
    struct pasta_err err = {0};
    assert_int_equal(pasta_mkdirs(path_of("anew"), &err), PASTA_OK);
    assert_int_equal(conduct_write_sessions(needed.conduct.study, path_of("anew"), false, &n, &err), PASTA_OK);
    assert_int_equal(n, 2);
    close_running(&needed);
    assert_same_file("ahead/sessions.jsonl", "needed/sessions.jsonl");
    assert_same_file("anew/sessions.jsonl", "needed/sessions.jsonl");
    /* and from the journal */
    struct study *study;
    assert_int_equal(study_read(path_of("needed/journal.jsonl"), &study, NULL, &err), PASTA_OK);
    assert_int_equal(conduct_write_sessions(study, path_of("anew"), true, &n, &err), PASTA_OK);
    study_free(study);
    assert_same_file("anew/sessions.jsonl", "needed/sessions.jsonl");
}

static void drafts_keep_one_thread_busy(void **state)
{
    (void)state;
    struct running r;
    open_running(&r, "drafts", 4, 0);
    assert_int_equal(conduct_start(&r.conduct, rater_of(&r)), CONDUCT_OK);
    until(&r, SHOWN);
    world.sleep_ms = 20;
    atomic_store(&world.calls, 0);
    for (int i = 0; i < 12; i++) { /* a rater who cannot decide */
        conduct_draft(&r.conduct, rater_of(&r), &(struct study_answer){.step = 1, .choice = i % 4, .rating = NAN, .seconds = NAN});
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    }
    until(&r, PREPARED);
    assert_int_equal(atomic_load(&world.most_at_once), 1);
    assert_true(atomic_load(&world.calls) < 12);
    close_running(&r);
}

static void one_answer_a_step(void **state)
{
    (void)state;
    struct running r;
    const char *problem = NULL;
    open_running(&r, "once", 1, 0);
    struct conduct *c = &r.conduct;
    struct study_answer answer = {.step = 1, .choice = 1, .rating = NAN, .seconds = 1};
    assert_int_equal(conduct_answer(c, rater_of(&r), &answer, &problem), CONDUCT_CONFLICT); /* nothing has begun */
    conduct_draft(c, rater_of(&r), &answer);
    conduct_look(c, rater_of(&r));
    assert_int_equal(conduct_start(c, rater_of(&r)), CONDUCT_OK);
    assert_int_equal(conduct_start(c, rater_of(&r)), CONDUCT_OK); /* a double click begins one session */
    assert_int_equal(c->study->n, 1);
    until(&r, SHOWN);
    answer.choice = 9;
    assert_int_equal(conduct_answer(c, rater_of(&r), &answer, &problem), CONDUCT_REFUSED);
    assert_string_equal(problem, "there is no such column");
    answer.choice = -1; /* none is not allowed here */
    assert_int_equal(conduct_answer(c, rater_of(&r), &answer, &problem), CONDUCT_REFUSED);
    answer.choice = 1;
    answer.step = 2;
    assert_int_equal(conduct_answer(c, rater_of(&r), &answer, &problem), CONDUCT_CONFLICT);
    answer.step = 1;
    assert_int_equal(conduct_answer(c, rater_of(&r), &answer, &problem), CONDUCT_OK);
    until(&r, SHOWN);
    const int64_t shown = journal_written(c->journal);
    answer.seconds = 2; /* sent again later */
    assert_int_equal(conduct_answer(c, rater_of(&r), &answer, &problem), CONDUCT_OK);
    answer.choice = 2;
    assert_int_equal(conduct_answer(c, rater_of(&r), &answer, &problem), CONDUCT_CONFLICT);
    answer.choice = 1;
    answer.rating = 3;
    assert_int_equal(conduct_answer(c, rater_of(&r), &answer, &problem), CONDUCT_CONFLICT);
    assert_int_equal(journal_written(c->journal), shown);
    assert_int_equal(last_of(&r)->record.n_turns, 1);

    /* the tab that was left open at step 2 of the first session answers no step of the second */
    for (int step = 2; step <= 4; step++) {
        until(&r, SHOWN);
        answer = answer_to(&r, step);
        assert_int_equal(conduct_answer(c, rater_of(&r), &answer, &problem), CONDUCT_OK);
    }
    assert_int_equal(conduct_start(c, rater_of(&r)), CONDUCT_OK);
    until(&r, SHOWN);
    answer = answer_to(&r, 5);
    assert_int_equal(conduct_answer(c, rater_of(&r), &answer, &problem), CONDUCT_OK);
    until(&r, SHOWN);
    answer = answer_to(&r, 2);
    answer.choice = 3;
    assert_int_equal(conduct_answer(c, rater_of(&r), &answer, &problem), CONDUCT_CONFLICT);
    assert_int_equal(last_of(&r)->record.n_turns, 1);
    close_running(&r);
}

static void a_slate_is_tried_again(void **state)
{
    (void)state;
    struct running r;
    struct pasta_err err = {0};
    open_running(&r, "again", 2, 0);
    world.with = PASTA_ERR_FAILED;
    atomic_store(&world.fail, 1);
    assert_int_equal(conduct_start(&r.conduct, rater_of(&r)), CONDUCT_OK);
    until(&r, TROUBLED);
    conduct_look(&r.conduct, rater_of(&r));
    until(&r, SHOWN);
    assert_int_equal(atomic_load(&world.calls), 2);
    assert_false(is(&r, TROUBLED));
    assert_int_equal(preparer_failure(r.conduct.preparer, &err), PASTA_OK);
    close_running(&r);
}

static void a_spent_budget_ends_it(void **state)
{
    (void)state;
    struct running r;
    struct pasta_err err = {0};
    open_running(&r, "budget", 2, 0);
    world.with = PASTA_ERR_STOPPED;
    atomic_store(&world.fail, 100);
    assert_int_equal(conduct_start(&r.conduct, rater_of(&r)), CONDUCT_OK);
    until(&r, TROUBLED);
    assert_int_equal(preparer_failure(r.conduct.preparer, &err), PASTA_ERR_STOPPED);
    assert_non_null(strstr(err.message, "the service is down"));
    assert_int_equal(atomic_load(&world.calls), 1);
    close_running(&r);
}

/* A slate that cannot be written down is shown as soon as it can, and not made again. */
static void full_disk(void **state)
{
    (void)state;
    struct running r;
    struct rlimit before, full;
    const char *problem;
    open_running(&r, "full", 2, 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    atomic_store(&world.held, true);
    assert_int_equal(conduct_start(&r.conduct, rater_of(&r)), CONDUCT_OK);
    full = (struct rlimit){(rlim_t)journal_written(r.conduct.journal), before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
    atomic_store(&world.held, false);
    until(&r, PREPARED);
    assert_false(is(&r, SHOWN));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    until(&r, SHOWN);
    assert_int_equal(atomic_load(&world.calls), 1);
    /* an answer that cannot be kept is not taken */
    full.rlim_cur = (rlim_t)journal_written(r.conduct.journal);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
    const struct study_answer answer = answer_to(&r, 1);
    assert_int_equal(conduct_answer(&r.conduct, rater_of(&r), &answer, &problem), CONDUCT_UNSAVED);
    assert_int_equal(last_of(&r)->record.n_turns, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(conduct_answer(&r.conduct, rater_of(&r), &answer, &problem), CONDUCT_OK);
    assert_int_equal(last_of(&r)->record.n_turns, 1);
    close_running(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ahead_is_as_when_needed), cmocka_unit_test(drafts_keep_one_thread_busy), cmocka_unit_test(one_answer_a_step),
        cmocka_unit_test(a_slate_is_tried_again), cmocka_unit_test(a_spent_budget_ends_it), cmocka_unit_test(full_disk)};
    return cmocka_run_group_tests(tests, made_setup, made_teardown);
}
