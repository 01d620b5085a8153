#include "pasta/study/status.h"

#include <math.h>
#include <stdlib.h>

#include "clock.h"
#include "conduct.h"
#include "events.h"
#include "pasta/base/json.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"

enum { HOUR = 3600 };
struct tally { int64_t done, running, abandoned; };

struct status {
    struct tally all, *arms;         /* [n_arms] */
    int64_t came, finished;          /* raters who began; who have played all of their sessions */
    int64_t turns, attention, attention_failed, repeats, repeats_same;
    double began, last;              /* first and last event of a session; NAN: none */
    int64_t last_hour;               /* sessions that ended in the hour before now */
    double *seconds;                 /* of turns, [n_seconds] */
    size_t n_seconds, capacity;
};

static void count_checks(const struct pasta_session *s, struct status *out)
{
    for (int i = 0; i < s->n_checks; i++) {
        const struct pasta_check *check = &s->checks[i];
        if (check->kind == PASTA_CHECK_ATTENTION) {
            out->attention++;
            out->attention_failed += check->choice != check->expected;
            continue;
        }
        const struct pasta_turn *turn = &s->turns[check->repeat_of - 1];
        out->repeats++;
        out->repeats_same += check->choice >= 0 && pasta_column_in(turn, &check->columns[check->choice]) == turn->choice;
    }
}

static void count_session(const struct study *study, const struct study_session *session, double now, struct status *out)
{
    const struct pasta_session *s = &session->record;
    const bool abandoned = study_abandoned(study, session, now);
    struct tally *const tallies[] = {&out->all, &out->arms[session->arm]};
    for (int i = 0; i < 2; i++) {
        tallies[i]->done += session->ended;
        tallies[i]->abandoned += abandoned;
        tallies[i]->running += !session->ended && !abandoned;
    }
    out->last_hour += session->ended && now - session->last < HOUR;
    out->began = fmin(out->began, session->started);
    out->last = fmax(out->last, session->last);
    out->turns += s->n_turns;
    for (int t = 0; t < s->n_turns; t++) {
        if (isnan(s->turns[t].seconds))
            continue;
        PASTA_GROW(out->seconds, out->n_seconds + 1, out->capacity);
        out->seconds[out->n_seconds++] = s->turns[t].seconds;
    }
    count_checks(s, out);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(struct status *s)
{
    if (!s->n_seconds)
        return NAN;
    qsort(s->seconds, s->n_seconds, sizeof *s->seconds, ascending);
    return (s->seconds[(s->n_seconds - 1) / 2] + s->seconds[s->n_seconds / 2]) / 2;
}

static void print_tally(const char *before, const struct tally *t, struct pasta_str *out)
{
    pasta_str_printf(out, "%s\"done\":%lld,\"running\":%lld,\"abandoned\":%lld", before, (long long)t->done, (long long)t->running,
                     (long long)t->abandoned);
}

static void print_json(const struct study *study, struct status *s, int64_t restarts, struct pasta_str *out)
{
    const struct pasta_study_design *design = &study->design;
    pasta_str_printf(out, "{\"sessions\":{\"wanted\":%lld", (long long)design->places);
    print_tally(",", &s->all, out);
    pasta_str_add(out, "},\"arms\":[");
    for (int a = 0; a < design->n_arms; a++) {
        pasta_str_add(out, a ? ",{\"arm\":" : "{\"arm\":");
        pasta_json_put_str(out, design->arms[a]);
        print_tally(",", &s->arms[a], out);
        pasta_str_addc(out, '}');
    }
    pasta_str_printf(out, "],\"raters\":{\"invited\":%u,\"came\":%lld,\"finished\":%lld},\"turns\":%lld,\"sessions_last_hour\":%lld",
                     design->raters, (long long)s->came, (long long)s->finished, (long long)s->turns, (long long)s->last_hour);
    pasta_str_add(out, ",\"median_seconds_of_a_turn\":");
    pasta_json_put_num(out, median(s));
    pasta_str_printf(out, ",\"attention\":{\"shown\":%lld,\"failed\":%lld},\"repeats\":{\"shown\":%lld,\"same\":%lld},\"restarts\":%lld",
                     (long long)s->attention, (long long)s->attention_failed, (long long)s->repeats, (long long)s->repeats_same,
                     (long long)restarts);
    pasta_str_add(out, ",\"hours\":");
    pasta_json_put_num(out, study->n ? (s->last - s->began) / HOUR : NAN);
    pasta_str_add(out, "}\n");
}

static void print_text(const struct study *study, struct status *s, int64_t restarts, struct pasta_str *out)
{
    const struct pasta_study_design *design = &study->design;
    const double middle = median(s);
    pasta_str_printf(out, "%-24s %6s %8s %10s\n", "sessions", "done", "running", "abandoned");
    for (int a = 0; a < design->n_arms && design->n_arms > 1; a++)
        pasta_str_printf(out, "  %-22s %6lld %8lld %10lld\n", design->arms[a], (long long)s->arms[a].done, (long long)s->arms[a].running,
                         (long long)s->arms[a].abandoned);
    pasta_str_printf(out, "  all of %-15lld %6lld %8lld %10lld\n", (long long)design->places, (long long)s->all.done,
                     (long long)s->all.running, (long long)s->all.abandoned);
    pasta_str_printf(out, "raters      %u invited, %lld came, %lld have finished\n", design->raters, (long long)s->came,
                     (long long)s->finished);
    pasta_str_printf(out, "turns       %lld", (long long)s->turns);
    if (!isnan(middle))
        pasta_str_printf(out, ", half of them in less than %.1f s", middle);
    pasta_str_printf(out, "\nrate        %lld sessions in the last hour", (long long)s->last_hour);
    if (s->last > s->began)
        pasta_str_printf(out, "; %.1f an hour over %.1f hours", (double)s->all.done * HOUR / (s->last - s->began),
                         (s->last - s->began) / HOUR);
    pasta_str_printf(out, "\nchecks      attention: %lld of %lld failed; repeated slates: %lld of %lld answered alike\n",
                     (long long)s->attention_failed, (long long)s->attention, (long long)s->repeats_same, (long long)s->repeats);
    if (restarts)
        pasta_str_printf(out, "restarts    %lld\n", (long long)restarts);
}

pasta_status pasta_study_status(const char *dir, bool json, struct pasta_str *out, struct pasta_err *err)
{
    struct status s = {.began = INFINITY, .last = -INFINITY};
    struct study *study = NULL;
    int64_t restarts;
    const double now = study_clock();
    char *path = pasta_path_join(dir, STUDY_JOURNAL);
    const pasta_status status = study_read(path, &study, &restarts, err);
    free(path);
    if (status != PASTA_OK)
        return status;

    s.arms = pasta_calloc((size_t)study->design.n_arms, sizeof *s.arms);
    for (size_t i = 0; i < study->n; i++)
        count_session(study, study->sessions[i], now, &s);
    for (uint32_t r = 0; r < study->design.raters; r++) {
        const struct study_rater *rater = &study->raters[r];
        s.came += rater->n_sessions > 0;
        s.finished += rater->n_sessions == study->design.sessions_per_rater && !study_current(rater);
    }
    (json ? print_json : print_text)(study, &s, restarts, out);
    free(s.arms);
    free(s.seconds);
    study_free(study);
    return PASTA_OK;
}

bool pasta_study_is_there(const char *dir)
{
    char *path = pasta_path_join(dir, STUDY_JOURNAL);
    const bool there = pasta_file_exists(path);
    free(path);
    return there;
}

pasta_status pasta_study_answers(const char *dir, int64_t *answers, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, STUDY_JOURNAL);
    struct study *study = NULL;
    pasta_status status = PASTA_OK;
    *answers = 0;
    if (pasta_file_exists(path))
        status = study_read(path, &study, NULL, err);
    for (size_t i = 0; study && i < study->n; i++)
        *answers += study->sessions[i]->record.n_turns + study->sessions[i]->record.n_checks;
    study_free(study);
    free(path);
    return status;
}

pasta_status pasta_study_unserved(const char *dir, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, STUDY_JOURNAL);
    const pasta_status status = journal_unused(path, err);
    free(path);
    return status;
}

pasta_status pasta_study_finish(const char *dir, int64_t *sessions, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, STUDY_JOURNAL);
    struct journal *journal = NULL;
    struct study *study = NULL;
    pasta_status status = study_read(path, &study, NULL, err); /* first: opening would make a journal where there is none */
    study_free(study);
    study = NULL;
    if (status == PASTA_OK && (status = journal_open(path, &journal, err)) == PASTA_OK) /* no server runs, and none starts meanwhile */
        status = study_read(path, &study, NULL, err);
    if (status == PASTA_OK && (status = conduct_write_sessions(study, dir, true, sessions, err)) == PASTA_OK && *sessions == 0)
        status = pasta_fail(err, PASTA_ERR_FAILED,
                            "'%s': expected a study with answers, found none yet: it goes on with --serve and --resume", dir);
    study_free(study);
    journal_close(journal);
    free(path);
    return status;
}
