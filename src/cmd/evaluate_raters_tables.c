/* The tables on raters: how they answer, who is suspicious and why. */
#include <math.h>
#include <stdlib.h>

#include "evaluate.h"
#include "pasta/eval/krippendorff.h"

static struct pasta_estimate bare(double value)
{
    return (struct pasta_estimate){value, NAN, NAN, 0, 0};
}

/* --- everybody together --- */

/* part / of over raters, counts of habits. */
#define SHARE_OVER_RATERS(crowd, part, of) \
    share_over_raters(crowd, offsetof(struct pasta_rater_habits, part), offsetof(struct pasta_rater_habits, of))

static struct pasta_estimate share_over_raters(const struct evaluate_crowd *c, size_t part, size_t of)
{
    const int64_t n = c->study->n;
    double *num = pasta_calloc((size_t)n + 1, sizeof *num), *den = pasta_calloc((size_t)n + 1, sizeof *den);
    int64_t all = 0;
    for (int64_t i = 0; i < n; i++) {
        const char *h = (const char *)&c->study->habits[i];
        num[i] = (double)*(const int64_t *)(h + part);
        den[i] = (double)*(const int64_t *)(h + of);
        all += *(const int64_t *)(h + of);
    }
    const struct pasta_estimate e = pasta_estimate_ratio(c->boot, num, den, all);
    free(num);
    free(den);
    return e;
}

struct median {
    int64_t n;           /* raters whose time is known */
    const int64_t *rater; /* [n], from the fastest on */
    const double *seconds; /* [n] */
};

/* Of raters drawn so often each. */
static double median_at(const void *ctx, const double *weights)
{
    const struct median *m = ctx;
    double all = 0, below = 0;
    for (int64_t i = 0; i < m->n; i++)
        all += weights[m->rater[i]];
    for (int64_t i = 0, last = -1; i < m->n; i++) {
        if (weights[m->rater[i]] == 0)
            continue;
        if (last >= 0 && below == all / 2)
            return (m->seconds[last] + m->seconds[i]) / 2;
        below += weights[m->rater[i]];
        if (below > all / 2)
            return m->seconds[i];
        last = i;
    }
    return NAN;
}

static struct pasta_estimate median_seconds(const struct evaluate_crowd *c)
{
    struct median m = {0};
    int64_t turns = 0, *rater = pasta_malloc(((size_t)c->study->n + 1) * sizeof *rater);
    double *seconds = pasta_malloc(((size_t)c->study->n + 1) * sizeof *seconds);
    for (int64_t i = 0; i < c->study->n; i++) {
        const struct pasta_rater_habits *h = &c->study->habits[i];
        int64_t at = m.n;
        turns += h->timed;
        if (!h->timed)
            continue;
        for (; at > 0 && seconds[at - 1] > h->seconds; at--) { /* raters are few */
            seconds[at] = seconds[at - 1];
            rater[at] = rater[at - 1];
        }
        seconds[at] = h->seconds;
        rater[at] = i;
        m.n++;
    }
    m.rater = rater;
    m.seconds = seconds;
    const struct pasta_estimate e = pasta_estimate_of(c->boot, median_at, &m, turns, m.n);
    free(rater);
    free(seconds);
    return e;
}

static void overview_table(struct evaluate_results *r)
{
    const struct evaluate_raters *e = r->rated;
    const struct evaluate_crowd *all = &e->crowds[EVALUATE_ALL];
    struct pasta_str note = {0};
    pasta_str_printf(&note, "A turn in less than %g s is fast; seconds: the median over raters of each one's median.",
                     all->study->fast_seconds);
    if (e->checks == 0)
        pasta_str_add(&note, " No checks are recorded: neither attention checks nor repeated slates.");
    if (e->machines)
        pasta_str_printf(&note, " %lld of %zu sessions are not of people.", (long long)e->machines, e->sessions.n);
    if (e->left_out)
        pasta_str_printf(&note, " %lld raters were left out beforehand.", (long long)e->left_out);
    struct pasta_table *t = evaluate_table_add(r, "raters_overview", "Raters", note.data);
    pasta_str_release(&note);
    t->resampled = "raters";
    pasta_table_column(t, "of", "of", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "raters", "raters", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "sessions", "sessions", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "turns", "turns", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "attention_failed", "attention checks failed, %", PASTA_FORMAT_PERCENT, 1);
    pasta_table_column(t, "seconds", "seconds a turn", PASTA_FORMAT_NUMBER, 1);
    pasta_table_column(t, "fast", "fast turns, %", PASTA_FORMAT_PERCENT, 1);
    for (int k = 0; k < evaluate_raters_crowds(e); k++) {
        const struct evaluate_crowd *c = &e->crowds[k];
        int64_t turns = 0;
        for (size_t i = 0; i < c->n; i++)
            turns += c->sessions[i].n_turns;
        pasta_table_row(t);
        pasta_table_text(t, c->name);
        pasta_table_count(t, c->study->n);
        pasta_table_count(t, (int64_t)c->n);
        pasta_table_count(t, turns);
        pasta_table_estimate(t, SHARE_OVER_RATERS(c, attention_failed, attention));
        pasta_table_estimate(t, median_seconds(c));
        pasta_table_estimate(t, SHARE_OVER_RATERS(c, fast, timed));
    }
}

static void agreement_table(struct evaluate_results *r)
{
    const struct evaluate_raters *e = r->rated;
    if (e->crowds[EVALUATE_ALL].study->n_repeats == 0)
        return;
    struct pasta_table *t = evaluate_table_add(
        r, "raters_agreement", "Do raters agree with themselves?",
        "Slates that were shown again, columns in another order: was the same column chosen, or none both times? By chance: 1 / L, who "
        "chooses at random. Alpha: Krippendorff's, nominal, of the first against the second choice, over columns as the turn had them; 1 "
        "agrees always, 0 as often as any two choices.");
    t->resampled = "raters";
    pasta_table_column(t, "of", "of", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "raters", "raters", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "same", "same, %", PASTA_FORMAT_PERCENT, 1);
    pasta_table_column(t, "chance", "by chance, %", PASTA_FORMAT_PERCENT, 1);
    pasta_table_column(t, "alpha", "alpha", PASTA_FORMAT_NUMBER, 2);
    for (int k = 0; k < evaluate_raters_crowds(e); k++) {
        const struct evaluate_crowd *c = &e->crowds[k];
        const struct pasta_rater_study *s = c->study;
        const struct pasta_estimate same = SHARE_OVER_RATERS(c, repeats_same, repeats);
        pasta_table_row(t);
        pasta_table_text(t, c->name);
        pasta_table_count(t, same.clusters);
        pasta_table_estimate(t, same);
        pasta_table_estimate(t, bare(pasta_mean(s->repeat_chance, s->n_repeats)));
        pasta_table_estimate(t, pasta_krippendorff(c->boot, s->repeat_codes, s->repeat_rater, s->n_repeats, 2, PASTA_LEVEL_NOMINAL));
    }
}

/* --- positions --- */

/* Choices of a column by rater, of turns with two columns and more, and what even choices would give. */
static struct pasta_estimate position_share(const struct evaluate_crowd *c, int column, double *expected)
{
    double *num = pasta_calloc((size_t)c->study->n + 1, sizeof *num), *den = pasta_calloc((size_t)c->study->n + 1, sizeof *den), even = 0;
    int64_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        for (int t = 0; t < c->sessions[i].n_turns; t++) {
            const struct pasta_turn *turn = &c->sessions[i].turns[t];
            if (turn->choice < 0 || turn->n_columns < 2)
                continue;
            num[c->study->rater_of[i]] += turn->choice == column;
            den[c->study->rater_of[i]]++;
            even += column < turn->n_columns ? 1.0 / turn->n_columns : 0;
            n++;
        }
    const struct pasta_estimate e = pasta_estimate_ratio(c->boot, num, den, n);
    *expected = n ? even / (double)n : NAN;
    free(num);
    free(den);
    return e;
}

static void put_test(const struct pasta_uniform_test *test, const char *whose, struct pasta_str *out)
{
    static const char *const methods[] = {"", "exact", "chi-square", "Monte Carlo"};
    if (test->n == 0)
        pasta_str_printf(out, " %s: no choices.", whose);
    else
        pasta_str_printf(out, " %s: chi-square %.1f with %d degrees of freedom, p = %.2g (%s, turns taken as independent).", whose,
                         test->statistic, test->degrees, test->p, methods[test->method]);
}

static void positions_table(struct evaluate_results *r)
{
    const struct evaluate_raters *e = r->rated;
    struct pasta_str note = {0};
    pasta_str_add(&note, "Are all places chosen alike?");
    for (int k = 0; k < evaluate_raters_crowds(e); k++)
        put_test(&e->crowds[k].study->positions, k == EVALUATE_ALL ? "All raters" : "Without the suspicious", &note);
    pasta_str_add(&note, " Even: the share by even choices. Where columns are not shuffled, the agent's own order shows here too.");
    int widest = 0;
    for (size_t i = 0; i < e->sessions.n; i++)
        for (int k = 0; k < e->sessions.items[i].n_turns; k++)
            widest = e->sessions.items[i].turns[k].n_columns > widest ? e->sessions.items[i].turns[k].n_columns : widest;
    struct pasta_table *t = evaluate_table_add(r, "raters_positions", "Which places are chosen", note.data);
    pasta_str_release(&note);
    t->resampled = "raters";
    pasta_table_column(t, "column", "column", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "even", "even, %", PASTA_FORMAT_PERCENT, 1);
    pasta_table_column(t, "all", "all raters, %", PASTA_FORMAT_PERCENT, 1);
    if (evaluate_raters_crowds(e) > 1)
        pasta_table_column(t, "kept", "without the suspicious, %", PASTA_FORMAT_PERCENT, 1);
    for (int column = 0; column < widest; column++) {
        char *name = pasta_asprintf("%d", column + 1);
        double even, other;
        const struct pasta_estimate all = position_share(&e->crowds[EVALUATE_ALL], column, &even);
        pasta_table_row(t);
        pasta_table_text(t, name);
        pasta_table_estimate(t, bare(even));
        pasta_table_estimate(t, all);
        if (evaluate_raters_crowds(e) > 1)
            pasta_table_estimate(t, position_share(&e->crowds[EVALUATE_KEPT], column, &other));
        free(name);
    }
}

/* --- rules, and who breaks them --- */

static void rules_table(struct evaluate_results *r)
{
    const struct pasta_raters_settings *set = &r->context->config.raters;
    struct pasta_table *t = evaluate_table_add(
        r, "raters_rules", "When a rater is called suspicious",
        "Any one of these is enough. p is corrected for all tests of all raters together (Holm). The bounds are config keys, raters.*.");
    pasta_table_column(t, "rule", "rule", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "words", "a rater who", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "raters", "raters", PASTA_FORMAT_COUNT, 0);
    struct pasta_str text = {0};
    for (int rule = 0; rule < PASTA_RULES; rule++) {
        pasta_str_clear(&text);
        pasta_rater_rule_print((enum pasta_rater_rule)rule, set, &text);
        pasta_table_row(t);
        pasta_table_text(t, pasta_rater_rule_names[rule]);
        pasta_table_text(t, text.data);
        pasta_table_count(t, r->rated->verdicts->named[rule]);
    }
    pasta_str_release(&text);
}

static void suspicious_table(struct evaluate_results *r)
{
    const struct evaluate_raters *e = r->rated;
    const char *note = "Nobody: no rule is broken.";
    if (e->verdicts->suspicious)
        note = "The same ids stand in suspicious.txt. To be looked at by a person: a rule knows habits, not reasons.";
    struct pasta_table *t = evaluate_table_add(r, "raters_suspicious", "Suspicious raters", note);
    pasta_table_column(t, "rater", "rater", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "reasons", "why", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "sessions", "sessions", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "turns", "turns", PASTA_FORMAT_COUNT, 0);
    for (int64_t i = 0; i < e->verdicts->n; i++)
        if (e->verdicts->items[i].suspicious) {
            const struct pasta_rater_habits *h = &e->crowds[EVALUATE_ALL].study->habits[i];
            pasta_table_row(t);
            pasta_table_text(t, h->rater_id);
            pasta_table_text(t, e->verdicts->items[i].reasons);
            pasta_table_count(t, h->sessions);
            pasta_table_count(t, h->turns);
        }
}

/* "4 of 5", or nothing of nothing. */
static void put_part(struct pasta_table *t, int64_t part, int64_t of)
{
    char *text = of ? pasta_asprintf("%lld of %lld", (long long)part, (long long)of) : pasta_strdup("-");
    pasta_table_text(t, text);
    free(text);
}

static void put_commonest(struct pasta_table *t, const struct pasta_uniform_test *positions)
{
    char *text = positions->n ? pasta_asprintf("%d: %lld of %lld", positions->commonest + 1, (long long)positions->commonest_n,
                                               (long long)positions->n) : pasta_strdup("-");
    pasta_table_text(t, text);
    free(text);
}

static void raters_table(struct evaluate_results *r)
{
    const struct evaluate_raters *e = r->rated;
    const struct pasta_rater_study *study = e->crowds[EVALUATE_ALL].study;
    struct pasta_table *t = evaluate_table_add(r, "raters", "All raters",
                                               "Runs: the longest, of the same column, the same answer and the same rating.");
    pasta_table_column(t, "rater", "rater", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "reasons", "suspicious, because", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "sessions", "sessions", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "turns", "turns", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "attention", "attention failed", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "repeats", "repeats alike", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "seconds", "seconds a turn", PASTA_FORMAT_NUMBER, 1);
    pasta_table_column(t, "fast", "fast, %", PASTA_FORMAT_PERCENT, 0);
    pasta_table_column(t, "column", "commonest column", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "column_run", "run of a column", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "versus_run", "of an answer", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "rating_run", "of a rating", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "ratings", "different ratings", PASTA_FORMAT_COUNT, 0);
    for (int64_t i = 0; i < study->n; i++) {
        const struct pasta_rater_habits *h = &study->habits[i];
        pasta_table_row(t);
        pasta_table_text(t, h->rater_id);
        pasta_table_text(t, e->verdicts->items[i].reasons);
        pasta_table_count(t, h->sessions);
        pasta_table_count(t, h->turns);
        put_part(t, h->attention_failed, h->attention);
        put_part(t, h->repeats_same, h->repeats);
        pasta_table_estimate(t, bare(h->seconds));
        pasta_table_estimate(t, bare(h->timed ? (double)h->fast / (double)h->timed : NAN));
        put_commonest(t, &h->positions);
        pasta_table_count(t, h->position_run.run.length);
        pasta_table_count(t, h->versus_run.run.length);
        pasta_table_count(t, h->rating_run.run.length);
        pasta_table_count(t, h->rating_values);
    }
}

/* For programs: every probability, as it is and corrected. */
static void numbers_table(struct evaluate_results *r)
{
    enum { NUMBERS = 18 };
    static const char *const keys[NUMBERS] = {
        "guessing", "repeats_p", "repeats_holm", "position_excess", "position_p", "position_holm", "position_run_p", "position_run_holm",
        "pattern_excess", "pattern_p", "pattern_holm", "versus_run_p", "versus_run_holm", "rating_run_p", "rating_run_holm", "seconds", "fast",
        "speed"};
    const struct evaluate_raters *e = r->rated;
    const struct pasta_rater_study *study = e->crowds[EVALUATE_ALL].study;
    struct pasta_table *t = evaluate_table_add(
        r, "raters_numbers", "All raters, tests",
        "guessing: probability of so many attention checks passed by guessing. p: by chance, holm: corrected. speed: robust standard "
        "deviations of log-time from the raters' median.");
    pasta_table_column(t, "rater", "rater", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "suspicious", "suspicious", PASTA_FORMAT_COUNT, 0);
    for (int k = 0; k < NUMBERS; k++)
        pasta_table_column(t, keys[k], keys[k], PASTA_FORMAT_NUMBER, 4);
    for (int64_t i = 0; i < study->n; i++) {
        const struct pasta_rater_habits *h = &study->habits[i];
        const double *holm = e->verdicts->items[i].p, fast = h->timed ? (double)h->fast / (double)h->timed : NAN;
        const double values[NUMBERS] = {
            h->guessing, h->repeats_p, holm[PASTA_RULE_REPEATS], h->positions.excess, h->positions.p, holm[PASTA_RULE_POSITIONS],
            h->position_run.p, holm[PASTA_RULE_POSITION_RUN], h->pattern.excess, h->pattern.p, holm[PASTA_RULE_PATTERN], h->versus_run.p,
            holm[PASTA_RULE_VERSUS_RUN], h->rating_run.p, holm[PASTA_RULE_RATING_RUN], h->seconds, fast, h->speed};
        pasta_table_row(t);
        pasta_table_text(t, h->rater_id);
        pasta_table_count(t, e->verdicts->items[i].suspicious);
        for (int k = 0; k < NUMBERS; k++)
            pasta_table_estimate(t, bare(values[k]));
    }
}

void evaluate_raters_tables(struct evaluate_results *r)
{
    overview_table(r);
    suspicious_table(r);
    rules_table(r);
    agreement_table(r);
    positions_table(r);
    raters_table(r);
    numbers_table(r);
}
