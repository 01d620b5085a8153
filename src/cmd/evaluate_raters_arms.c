/* What raters said of each agent, with and without the suspicious. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"

enum measure { RATING, BETTER, SAME, WORSE, CHANGE, MEASURES };
static const struct { const char *key, *title; enum pasta_format format, difference; int digits; } measures[MEASURES] = {
    {"rating", "mean rating", PASTA_FORMAT_NUMBER, PASTA_FORMAT_CHANGE, 2},
    {"better", "better, %", PASTA_FORMAT_PERCENT, PASTA_FORMAT_CHANGE_PERCENT, 1},
    {"same", "same, %", PASTA_FORMAT_PERCENT, PASTA_FORMAT_CHANGE_PERCENT, 1},
    {"worse", "worse, %", PASTA_FORMAT_PERCENT, PASTA_FORMAT_CHANGE_PERCENT, 1},
    {"change", "last rating less first", PASTA_FORMAT_CHANGE, PASTA_FORMAT_CHANGE, 2}};

/* Sums and counts of one measure by rater, of the sessions of one arm. */
struct sums {
    double *sum, *count; /* [raters] */
    int64_t n;
};

static void add(struct sums *s, int32_t rater, double value)
{
    if (isnan(value))
        return;
    s->sum[rater] += value;
    s->count[rater]++;
    s->n++;
}

static void add_session(const struct pasta_session *s, int32_t rater, enum measure measure, struct sums *out)
{
    static const enum pasta_versus answers[MEASURES] = {[BETTER] = PASTA_BETTER, [SAME] = PASTA_SAME, [WORSE] = PASTA_WORSE};
    if (measure == CHANGE) {
        if (s->n_turns > 1)
            add(out, rater, s->turns[s->n_turns - 1].rating - s->turns[0].rating);
        return;
    }
    for (int t = 0; t < s->n_turns; t++)
        if (measure == RATING)
            add(out, rater, s->turns[t].rating);
        else if (s->turns[t].versus != PASTA_VERSUS_NONE)
            add(out, rater, s->turns[t].versus == answers[measure]);
}

static struct sums sums_of(const struct evaluate_crowd *c, int arm, enum measure measure)
{
    struct sums s = {0};
    s.sum = pasta_calloc((size_t)c->study->n + 1, sizeof *s.sum);
    s.count = pasta_calloc((size_t)c->study->n + 1, sizeof *s.count);
    for (size_t i = 0; i < c->n; i++)
        if (c->arm[i] == arm)
            add_session(&c->sessions[i], c->study->rater_of[i], measure, &s);
    return s;
}

static void release(struct sums *s)
{
    free(s->sum);
    free(s->count);
}

static struct pasta_estimate mean_of(const struct evaluate_crowd *c, int arm, enum measure measure)
{
    struct sums s = sums_of(c, arm, measure);
    const struct pasta_estimate e = pasta_estimate_ratio(c->boot, s.sum, s.count, s.n);
    release(&s);
    return e;
}

static struct pasta_estimate difference_of(const struct evaluate_crowd *c, int arm, enum measure measure)
{
    struct sums a = sums_of(c, arm, measure), base = sums_of(c, 0, measure);
    const struct pasta_estimate e = pasta_estimate_ratio_difference(c->boot, a.sum, a.count, base.sum, base.count, a.n + base.n);
    release(&a);
    release(&base);
    return e;
}

/* Raters of an arm (of the base as well, in a difference), and their sessions. */
static void put_counts(struct pasta_table *t, const struct evaluate_crowd *c, int arm, bool with_base)
{
    uint8_t *seen = pasta_calloc((size_t)c->study->n + 1, sizeof *seen);
    int64_t sessions = 0, raters = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->arm[i] != arm && !(with_base && c->arm[i] == 0))
            continue;
        sessions++;
        raters += !seen[c->study->rater_of[i]];
        seen[c->study->rater_of[i]] = 1;
    }
    free(seen);
    pasta_table_count(t, raters);
    pasta_table_count(t, sessions);
}

static void arm_table(struct evaluate_results *r, const char *key, const char *title, const char *note, bool difference)
{
    const struct evaluate_raters *e = r->rated;
    char *whole = pasta_asprintf("%s%s", note, evaluate_raters_crowds(e) > 1 ? " Without: the suspicious." : "");
    struct pasta_table *t = evaluate_table_add(r, key, title, whole);
    free(whole);
    t->resampled = "raters";
    pasta_table_column(t, "arm", "agent", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "of", "raters", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "raters", "number", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "sessions", "sessions", PASTA_FORMAT_COUNT, 0);
    for (int m = 0; m < MEASURES; m++)
        pasta_table_column(t, measures[m].key, measures[m].title, difference ? measures[m].difference : measures[m].format,
                           measures[m].digits);
    for (int arm = difference; arm < e->n_arms; arm++)
        for (int k = 0; k < evaluate_raters_crowds(e); k++) {
            const struct evaluate_crowd *c = &e->crowds[k];
            pasta_table_row(t);
            pasta_table_text(t, e->arms[arm]);
            pasta_table_text(t, c->short_name);
            put_counts(t, c, arm, difference);
            for (int m = 0; m < MEASURES; m++)
                pasta_table_estimate(t, difference ? difference_of(c, arm, (enum measure)m) : mean_of(c, arm, (enum measure)m));
        }
}

void evaluate_raters_arm_tables(struct evaluate_results *r)
{
    const struct evaluate_raters *e = r->rated;
    arm_table(r, "raters_arms", "What raters say of each agent",
              "Ratings of turns; answers against the turn before, where they were asked for; the last turn's rating less the first one's of "
              "a session.", false);
    if (e->n_arms < 2)
        return;
    char *title = pasta_asprintf("Agents less %s", e->arms[0]);
    arm_table(r, "raters_arms_differences", title, "Shares in percentage points. Sessions and raters are those of both agents.", true);
    free(title);
}
