/* Tables of agents against fresh raters. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "evaluate.h"
#include "pasta/eval/measures.h"
#include "pasta/eval/paired_tests.h"

static const struct pasta_estimate nothing = {NAN, NAN, NAN, 0, 0};

/* A view of turn `turn` (from 1), or of all turns for 0, in a copy where other turns are NAN. Free it. */
static double *turns_of(const struct evaluate_agents *a, const double *values, int64_t turn)
{
    int64_t n = a->raters * a->horizon;
    double *kept = pasta_malloc((size_t)n * sizeof *kept);
    for (int64_t i = 0; i < n; i++)
        kept[i] = turn == 0 || i % a->horizon == turn - 1 ? values[i] : NAN;
    return kept;
}

static struct pasta_estimate mean_of(const struct evaluate_results *r, const double *values, int64_t turn)
{
    const struct evaluate_agents *a = r->agents;
    double *kept = turns_of(a, values, turn);
    struct pasta_estimate e = pasta_estimate_mean(r->raters, kept, a->person, a->raters * a->horizon);
    free(kept);
    return e;
}

static struct pasta_estimate change_of(const struct evaluate_results *r, const double *values, const double *from, int64_t turn)
{
    const struct evaluate_agents *a = r->agents;
    double *kept = turns_of(a, values, turn);
    struct pasta_estimate e = nothing;
    if (values != from)
        e = pasta_estimate_difference(r->raters, kept, from, a->person, a->raters * a->horizon);
    free(kept);
    return e;
}

static void agents_table(struct evaluate_results *r)
{
    const struct evaluate_agents *a = r->agents;
    struct pasta_table *t = evaluate_table_add(r, "agents", "Agents against fresh raters",
                                      "Ratings from 1 to 10; true utility of the chosen column before noise; answers against the turn "
                                      "before, from turn 2.");
    pasta_table_column(t, "agent", "agent", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "rating", "mean rating", PASTA_FORMAT_NUMBER, 2);
    pasta_table_column(t, "last_rating", "rating, last turn", PASTA_FORMAT_NUMBER, 2);
    pasta_table_column(t, "utility", "true utility", PASTA_FORMAT_NUMBER, 3);
    pasta_table_column(t, "better", "better, %", PASTA_FORMAT_PERCENT, 1);
    pasta_table_column(t, "same", "same, %", PASTA_FORMAT_PERCENT, 1);
    pasta_table_column(t, "worse", "worse, %", PASTA_FORMAT_PERCENT, 1);
    for (int i = 0; i < a->n; i++) {
        const struct evaluate_agent *agent = &a->agents[i];
        pasta_table_row(t);
        pasta_table_text(t, agent->name);
        pasta_table_estimate(t, mean_of(r, agent->rating, 0));
        pasta_table_estimate(t, mean_of(r, agent->rating, a->horizon));
        pasta_table_estimate(t, mean_of(r, agent->utility, 0));
        pasta_table_estimate(t, mean_of(r, agent->better, 0));
        pasta_table_estimate(t, mean_of(r, agent->same, 0));
        pasta_table_estimate(t, mean_of(r, agent->worse, 0));
    }
}

/* 1 where the rater's last choice with the agent has more true utility than with the baseline, 0 where less; [raters,H], NAN before. Free it. */
static double *final_wins(const struct evaluate_agents *a, const struct evaluate_agent *agent)
{
    double *wins = turns_of(a, agent->utility, a->horizon);
    for (int64_t i = a->horizon - 1; i < a->raters * a->horizon; i += a->horizon) {
        const double difference = agent->utility[i] - a->agents[1].utility[i];
        wins[i] = isnan(difference) ? NAN : difference > 0 ? 1 : difference < 0 ? 0 : 0.5;
    }
    return wins;
}

static struct pasta_estimate final_preferred(const struct evaluate_results *r, const struct evaluate_agent *agent)
{
    const struct evaluate_agents *a = r->agents;
    double *wins = final_wins(a, agent);
    struct pasta_estimate e = pasta_estimate_mean(r->raters, wins, a->person, a->raters * a->horizon);
    free(wins);
    return e;
}

static void agents_differences_table(struct evaluate_results *r)
{
    const struct evaluate_agents *a = r->agents;
    const struct evaluate_agent *base = &a->agents[1], *oracle = &a->agents[a->n - 1];
    struct pasta_table *t = evaluate_table_add(r, "agents_differences", "Agents less the baseline, paired by rater and turn",
                                      "Oracle: the agent that knows each rater's taste. Final choice preferred: raters whose chosen column of "
                                      "the last turn has more true utility than with the baseline. Regret: true utility below the oracle's. "
                                      "Gap closed: share of the way in true utility from the baseline to the oracle.");
    pasta_table_column(t, "agent", "agent", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "rating", "mean rating", PASTA_FORMAT_CHANGE, 2);
    pasta_table_column(t, "last_rating", "rating, last turn", PASTA_FORMAT_CHANGE, 2);
    pasta_table_column(t, "better", "better, points", PASTA_FORMAT_CHANGE_PERCENT, 1);
    pasta_table_column(t, "final_preferred", "final choice preferred, %", PASTA_FORMAT_PERCENT, 1);
    pasta_table_column(t, "utility", "true utility", PASTA_FORMAT_CHANGE, 3);
    pasta_table_column(t, "regret", "regret", PASTA_FORMAT_NUMBER, 3);
    pasta_table_column(t, "gap_closed", "gap closed, %", PASTA_FORMAT_PERCENT, 1);
    for (int i = 0; i < a->n; i++) {
        const struct evaluate_agent *agent = &a->agents[i];
        pasta_table_row(t);
        pasta_table_text(t, agent->name);
        pasta_table_estimate(t, change_of(r, agent->rating, base->rating, 0));
        pasta_table_estimate(t, change_of(r, agent->rating, base->rating, a->horizon));
        pasta_table_estimate(t, change_of(r, agent->better, base->better, 0));
        pasta_table_estimate(t, agent == base ? nothing : final_preferred(r, agent));
        pasta_table_estimate(t, change_of(r, agent->utility, base->utility, 0));
        pasta_table_estimate(t, change_of(r, oracle->utility, agent->utility, 0));
        pasta_table_estimate(t, agent == base || agent == oracle ? nothing
                                    : pasta_estimate_gap(r->raters, agent->utility, base->utility, oracle->utility, a->person,
                                                         a->raters * a->horizon));
    }
}

/* --- tests --- */

enum { MEASURES = 3 };
static const char *const measures[MEASURES] = {"rating", "better", "final choice"};

/* Tests of one agent against the baseline. */
static void test_agent(const struct evaluate_agents *a, const struct evaluate_agent *agent, struct pasta_paired_test out[MEASURES])
{
    const struct evaluate_agent *base = &a->agents[1];
    const int64_t n = a->raters * a->horizon;
    double *wins = final_wins(a, agent), *even = pasta_malloc((size_t)n * sizeof *even);
    for (int64_t i = 0; i < n; i++)
        even[i] = 0.5;
    out[0] = pasta_paired_test_of(agent->rating, base->rating, a->person, n, a->raters);
    out[1] = pasta_paired_test_of(agent->better, base->better, a->person, n, a->raters);
    out[2] = pasta_paired_test_of(wins, even, a->person, n, a->raters);
    free(wins);
    free(even);
}

static struct pasta_estimate bare(double value)
{
    return (struct pasta_estimate){value, NAN, NAN, 0, 0};
}

/* A p-value as people write it. */
static void put_p(struct pasta_table *t, double p)
{
    char text[32];
    if (p < 1e-300)
        snprintf(text, sizeof text, "< 1e-300");
    else
        snprintf(text, sizeof text, p < 0.0001 ? "%.0e" : "%.4f", p);
    pasta_table_text(t, isnan(p) ? "-" : text);
}

static void agents_tests_table(struct evaluate_results *r)
{
    const struct evaluate_agents *a = r->agents;
    if (a->n < 2)
        return;
    struct pasta_paired_test *tests = pasta_calloc((size_t)(a->n * MEASURES), sizeof *tests);
    int n = 0;
    for (int i = 0; i < a->n; i++)
        if (i != 1) {
            test_agent(a, &a->agents[i], tests + n);
            n += MEASURES;
        }
    pasta_holm(tests, n);
    struct pasta_table *t = evaluate_table_add(r, "agents_tests", "Agents against the baseline, tested",
                                      "Paired t-tests over raters: mean rating (a session's return, divided by its turns), share of turns from the second on "
                                      "judged better, share of raters who prefer the final choice, less a half. p (Holm): corrected for all tests of this table. "
                                      "Detectable: the true difference that a single such test finds with probability 0.8.");
    pasta_table_column(t, "agent", "agent", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "measure", "measure", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "difference", "difference", PASTA_FORMAT_CHANGE, 3);
    pasta_table_column(t, "t", "t", PASTA_FORMAT_NUMBER, 2);
    pasta_table_column(t, "p", "p", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "p_holm", "p (Holm)", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "detectable", "detectable", PASTA_FORMAT_NUMBER, 3);
    pasta_table_column(t, "raters", "raters", PASTA_FORMAT_COUNT, 0);
    n = 0;
    for (int i = 0; i < a->n; i++)
        for (int m = 0; m < MEASURES && i != 1; m++, n++) {
            pasta_table_row(t);
            pasta_table_text(t, a->agents[i].name);
            pasta_table_text(t, measures[m]);
            pasta_table_estimate(t, bare(tests[n].mean));
            pasta_table_estimate(t, bare(tests[n].t));
            put_p(t, tests[n].p);
            put_p(t, tests[n].p_holm);
            pasta_table_estimate(t, bare(tests[n].detectable));
            pasta_table_count(t, tests[n].people);
        }
    free(tests);
}

/* Each run's difference, and their mean over runs: what another seed of everything would give. */
static void agents_runs_table(struct evaluate_results *r)
{
    const struct evaluate_agents *a = r->agents;
    if (a->n_runs < 2)
        return;
    struct pasta_table *t = evaluate_table_add(r, "agents_runs", "Mean rating less the baseline's, run by run",
                                      "All: mean over the runs with its 95 % t-interval, in which whatever differs between runs (data, training, raters) counts.");
    pasta_table_column(t, "agent", "agent", PASTA_FORMAT_TEXT, 0);
    for (int run = 1; run <= a->n_runs; run++) {
        char *key = pasta_asprintf("run_%d", run), *title = pasta_asprintf("run %d", run);
        pasta_table_column(t, key, title, PASTA_FORMAT_CHANGE, 2);
        free(key);
        free(title);
    }
    pasta_table_column(t, "all", "all", PASTA_FORMAT_CHANGE, 3);
    double *differences = pasta_calloc((size_t)a->n_runs, sizeof *differences);
    for (int i = 0; i < a->n; i++) {
        struct pasta_estimate all = {.n = a->n_runs, .clusters = a->n_runs};
        if (i == 1)
            continue;
        pasta_table_row(t);
        pasta_table_text(t, a->agents[i].name);
        for (int run = 0; run < a->n_runs; run++) {
            const int64_t from = a->run_from[run] * a->horizon, n = a->run_from[run + 1] * a->horizon - from;
            differences[run] = pasta_paired_test_of(a->agents[i].rating + from, a->agents[1].rating + from, a->person + from, n, a->raters).mean;
            pasta_table_estimate(t, bare(differences[run]));
        }
        pasta_t_interval(differences, a->n_runs, &all.value, &all.lo, &all.hi);
        pasta_table_estimate(t, all);
    }
    t->resampled = NULL;
    free(differences);
}

static void agents_by_turn_table(struct evaluate_results *r)
{
    const struct evaluate_agents *a = r->agents;
    const struct evaluate_agent *base = &a->agents[1];
    struct pasta_table *t = evaluate_table_add(r, "agents_by_turn", "Agents by turn", NULL);
    pasta_table_column(t, "agent", "agent", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "turn", "turn", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "rating", "rating", PASTA_FORMAT_NUMBER, 2);
    pasta_table_column(t, "utility", "true utility", PASTA_FORMAT_NUMBER, 3);
    pasta_table_column(t, "better", "better, %", PASTA_FORMAT_PERCENT, 1);
    pasta_table_column(t, "same", "same, %", PASTA_FORMAT_PERCENT, 1);
    pasta_table_column(t, "worse", "worse, %", PASTA_FORMAT_PERCENT, 1);
    pasta_table_column(t, "rating_difference", "rating - baseline", PASTA_FORMAT_CHANGE, 2);
    for (int i = 0; i < a->n; i++)
        for (int64_t turn = 1; turn <= a->horizon; turn++) {
            const struct evaluate_agent *agent = &a->agents[i];
            pasta_table_row(t);
            pasta_table_text(t, agent->name);
            pasta_table_count(t, turn);
            pasta_table_estimate(t, mean_of(r, agent->rating, turn));
            pasta_table_estimate(t, mean_of(r, agent->utility, turn));
            pasta_table_estimate(t, mean_of(r, agent->better, turn));
            pasta_table_estimate(t, mean_of(r, agent->same, turn));
            pasta_table_estimate(t, mean_of(r, agent->worse, turn));
            pasta_table_estimate(t, change_of(r, agent->rating, base->rating, turn));
        }
}

/* One row an agent, one column a turn: what a person reads first of agents_by_turn. */
static void by_turn_matrix(struct evaluate_results *r, const char *key, const char *title, enum pasta_format format, int digits,
                           int64_t from_turn, size_t measure)
{
    const struct evaluate_agents *a = r->agents;
    if (from_turn > a->horizon)
        return;
    struct pasta_table *t = evaluate_table_add(r, key, title, NULL);
    pasta_table_column(t, "agent", "agent", PASTA_FORMAT_TEXT, 0);
    for (int64_t turn = from_turn; turn <= a->horizon; turn++) {
        char *own_key = pasta_asprintf("turn_%lld", (long long)turn), *own_title = pasta_asprintf("turn %lld", (long long)turn);
        pasta_table_column(t, own_key, own_title, format, digits);
        free(own_key);
        free(own_title);
    }
    for (int i = 0; i < a->n; i++) {
        pasta_table_row(t);
        pasta_table_text(t, a->agents[i].name);
        for (int64_t turn = from_turn; turn <= a->horizon; turn++)
            pasta_table_estimate(t, mean_of(r, *(double *const *)((const char *)&a->agents[i] + measure), turn));
    }
}

void evaluate_agent_tables(struct evaluate_results *r)
{
    agents_table(r);
    agents_differences_table(r);
    agents_tests_table(r);
    agents_runs_table(r);
    evaluate_agents_value_table(r);
    by_turn_matrix(r, "agents_rating_by_turn", "Mean rating by turn", PASTA_FORMAT_NUMBER, 2, 1, offsetof(struct evaluate_agent, rating));
    by_turn_matrix(r, "agents_better_by_turn", "Judged better than the turn before, %", PASTA_FORMAT_PERCENT, 1, 2,
                   offsetof(struct evaluate_agent, better));
    agents_by_turn_table(r);
}
