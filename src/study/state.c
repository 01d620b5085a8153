#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/rng.h"
#include "steps.h"

struct study *study_new(const struct pasta_study_design *design)
{
    struct study *study = pasta_calloc(1, sizeof *study);
    pthread_condattr_t monotonic;
    study->design = *design;
    study->design.arms = pasta_arena_alloc(&study->arena, (size_t)design->n_arms * sizeof *design->arms);
    for (int i = 0; i < design->n_arms; i++)
        study->design.arms[i] = pasta_arena_strdup(&study->arena, design->arms[i]);
    study->raters = pasta_calloc(design->raters, sizeof *study->raters);
    pthread_mutex_init(&study->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&study->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return study;
}

void study_free(struct study *study)
{
    if (!study)
        return;
    for (size_t i = 0; i < study->n; i++) {
        struct study_session *session = study->sessions[i];
        free(session->plan.after);
        pasta_str_release(&session->plan.turn);
        pasta_arena_release(&session->arena);
        free(session);
    }
    for (uint32_t r = 0; r < study->design.raters; r++)
        free(study->raters[r].sessions);
    free(study->sessions);
    free(study->raters);
    pasta_arena_release(&study->arena);
    pthread_mutex_destroy(&study->lock);
    pthread_cond_destroy(&study->changed);
    free(study);
}

struct study_session *study_current(const struct study_rater *rater)
{
    struct study_session *last = rater->n_sessions ? rater->sessions[rater->n_sessions - 1] : NULL;
    return last && !last->ended ? last : NULL;
}

static int steps_answered(const struct study_session *session)
{
    return step_number(&session->record) - 1;
}

struct study_session *study_session_of(const struct study_rater *rater, int *step)
{
    int i = 0;
    for (; i < rater->n_sessions - 1 && *step > steps_answered(rater->sessions[i]); i++)
        *step -= steps_answered(rater->sessions[i]);
    return rater->n_sessions ? rater->sessions[i] : NULL;
}

int study_steps_before(const struct study_rater *rater)
{
    int steps = 0;
    for (int i = 0; i < rater->n_sessions - 1; i++)
        steps += steps_answered(rater->sessions[i]);
    return steps;
}

bool study_abandoned(const struct study *study, const struct study_session *session, double now)
{
    return !session->ended && now - session->last > study->design.idle_seconds;
}

/* taken[block,arm]: the place has a session that has ended, or is under way. */
static bool *taken_places(const struct study *study, double now)
{
    const int arms = study->design.n_arms;
    bool *taken = pasta_calloc((size_t)study->design.places, sizeof *taken);
    for (size_t i = 0; i < study->n; i++) {
        const struct study_session *s = study->sessions[i];
        if (!study_abandoned(study, s, now))
            taken[s->block * arms + s->arm] = true;
    }
    return taken;
}

/* seen[arm]: how often the rater was dealt it. Returns the least of those with a place left; -1: no place is left. */
static int least_seen(const struct study *study, const struct study_rater *rater, const bool *taken, int *seen)
{
    int least = -1;
    for (int i = 0; i < rater->n_sessions; i++)
        seen[rater->sessions[i]->arm]++;
    for (int64_t place = 0; place < study->design.places; place++) {
        const int times = seen[place % study->design.n_arms];
        if (!taken[place] && (least < 0 || times < least))
            least = times;
    }
    return least;
}

bool study_deal(const struct study *study, const struct study_rater *rater, double now, int *arm, int64_t *block)
{
    const int arms = study->design.n_arms;
    struct pasta_rng rng = pasta_rng_at(study->design.seed, PASTA_RNG_STUDY, (uint32_t)study->n, 0, STUDY_SLOT_ARM);
    bool *taken = taken_places(study, now);
    int *seen = pasta_calloc((size_t)arms, sizeof *seen);
    const int least = least_seen(study, rater, taken, seen);
    uint32_t ties = 0;

    for (int64_t place = 0; place < study->design.places && least >= 0; place++) {
        if (place % arms == 0 && ties)
            break;
        if (taken[place] || seen[place % arms] != least)
            continue;
        *block = place / arms;
        if (pasta_rng_below(&rng, ++ties) == 0) /* one of the block's, each as likely */
            *arm = (int)(place % arms);
    }
    free(seen);
    free(taken);
    return least >= 0;
}

int64_t study_done(const struct study *study)
{
    bool *done = pasta_calloc((size_t)study->design.places, sizeof *done);
    int64_t n = 0;
    for (size_t i = 0; i < study->n; i++) {
        const struct study_session *s = study->sessions[i];
        bool *place = &done[s->block * study->design.n_arms + s->arm];
        n += s->ended && !*place;
        *place = *place || s->ended;
    }
    free(done);
    return n;
}

/* --- changes --- */

struct study_session *study_begin(struct study *study, const struct pasta_session *record, struct pasta_arena *arena, uint32_t person,
                                  int arm, int64_t block, double now)
{
    struct study_rater *rater = &study->raters[person - study->design.first_rater];
    struct study_session *session = pasta_calloc(1, sizeof *session);
    *session = (struct study_session){.record = *record, .arena = *arena, .index = (uint32_t)study->n, .person = person, .arm = arm,
                                      .block = block, .started = now, .last = now};
    *arena = (struct pasta_arena){0};
    session->record.n_turns = session->record.n_checks = 0;
    session->record.turns = pasta_arena_alloc(&session->arena, (size_t)study->design.horizon * sizeof *session->record.turns);
    session->record.checks = pasta_arena_alloc(&session->arena, 2 * (size_t)study->design.horizon * sizeof *session->record.checks);
    PASTA_GROW(study->sessions, study->n + 1, study->capacity);
    study->sessions[study->n++] = session;
    PASTA_GROW(rater->sessions, (size_t)rater->n_sessions + 1, rater->capacity);
    rater->sessions[rater->n_sessions++] = session;
    return session;
}

bool study_asks_versus(const struct study_session *session)
{
    const struct pasta_session *s = &session->record;
    return !session->check && s->n_turns > 0 && s->turns[s->n_turns - 1].choice >= 0;
}

const char *study_refuse(const struct study_session *session, const struct study_answer *answer, bool none)
{
    const struct pasta_session *s = &session->record;
    const int columns = session->check ? s->checks[s->n_checks].n_columns : s->turns[s->n_turns].n_columns;
    const bool versus = answer->choice >= 0 && study_asks_versus(session);

    if (answer->choice >= columns || answer->choice < -1)
        return "there is no such column";
    if (answer->choice < 0 && (session->check || !none))
        return "expected a column, found none";
    if (versus && answer->versus == PASTA_VERSUS_NONE)
        return "expected better, same or worse, found neither";
    if (!versus && answer->versus != PASTA_VERSUS_NONE)
        return "expected no comparison with an earlier turn here";
    if (session->check && (!isnan(answer->rating) || answer->critique))
        return "expected a choice only";
    return NULL;
}

void study_answer(struct study *study, struct study_session *session, const struct study_answer *answer, double now)
{
    struct pasta_session *s = &session->record;
    struct pasta_check unused;
    if (session->check) {
        struct pasta_check *check = &s->checks[s->n_checks++];
        check->choice = answer->choice;
        check->seconds = answer->seconds;
    } else {
        struct pasta_turn *turn = &s->turns[s->n_turns++];
        turn->choice = answer->choice;
        turn->rating = answer->rating;
        turn->versus = answer->versus;
        turn->critique = pasta_arena_strdup(&session->arena, answer->critique);
        turn->seconds = answer->seconds;
    }
    session->shown = false;
    session->last = now;
    session->ended = step_next(&study->design, s, session->index, NULL, &unused) == STEP_END;
    if (session->ended)
        session->ended_as = ++study->n_ended;
}
