/* Did agents know what they would get? Q of the slates that were shown, held against the return that followed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"
#include "pasta/eval/measures.h"
#include "pasta/value/reward.h"

/* One agent's turns: what it said of each, and what each brought. */
struct said {
    const char *name;
    const double *q, *reward; /* [n,H]; NAN: no such turn */
    const double *advantage;  /* [n,H] Q less the mean f of all candidates: what choosing these is to add */
    const int32_t *person;    /* [n] */
    int64_t n, horizon;
    double mean_reward;       /* by which a return is more than Q for every turn to come; NAN: not known */
    bool is_return;           /* q is one, not a score in units of its own */
};

static void begin(struct pasta_table *t)
{
    pasta_table_column(t, "agent", "agent", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "turn", "turn", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "expected", "expected rating", PASTA_FORMAT_NUMBER, 2);
    pasta_table_column(t, "found", "found", PASTA_FORMAT_NUMBER, 2);
    pasta_table_column(t, "slope", "slope", PASTA_FORMAT_NUMBER, 2);
    pasta_table_column(t, "advantage", "slope, advantage", PASTA_FORMAT_NUMBER, 2);
    pasta_table_column(t, "rank", "rank correlation", PASTA_FORMAT_NUMBER, 3);
}

/* What both tables say of their columns; `from`: whose slates and returns these are. */
#define NOTE(from) \
    from " From each turn to the end, discounted by value.discount. Expected: the mean rating that Q, the agent's mean score of the slate that was " \
    "shown, foretells; found: what followed. Slope: of the return on Q; 1 is right, more: Q tells too little apart, less: too much, 0: Q says " \
    "nothing. Advantage: Q less the mean f of all candidates, so its slope is about the choice alone, not about who is asked. Rank correlation: " \
    "of score and return, over people. A dash: scores in units of their own (a user model's utilities, or unknown ones)."

/* --- turn by turn --- */

/* Discounted sum of the rewards from `turn` to the end; *turns: the same of ones. NAN where there is no such turn. */
static double return_from(const struct said *s, int64_t i, int64_t turn, double discount, double *turns)
{
    const double *reward = s->reward + i * s->horizon;
    double sum = 0;
    *turns = 0;
    for (int64_t k = s->horizon - 1; k >= turn; k--)
        if (!isnan(reward[k])) {
            sum = reward[k] + discount * sum;
            *turns = 1 + discount * *turns;
        }
    return isnan(reward[turn]) ? NAN : sum;
}

/* Later turns have less to come, and an agent that knew no more than that would look clever. */
static void put_rows(struct pasta_table *t, const struct pasta_bootstrap *boot, const struct said *s, double discount)
{
    const struct pasta_estimate nothing = {NAN, NAN, NAN, 0, 0};
    double *memory = pasta_malloc((size_t)s->n * 5 * sizeof *memory);
    double *q = memory, *found = q + s->n, *expected = found + s->n, *rating = expected + s->n, *advantage = rating + s->n;
    int32_t *person = pasta_malloc((size_t)s->n * sizeof *person);
    for (int64_t turn = 0; turn < s->horizon; turn++) {
        int64_t n = 0;
        for (int64_t i = 0; i < s->n; i++) {
            double turns;
            const double sum = return_from(s, i, turn, discount, &turns);
            if (isnan(sum) || isnan(s->q[i * s->horizon + turn]))
                continue;
            q[n] = s->q[i * s->horizon + turn];
            advantage[n] = s->advantage[i * s->horizon + turn];
            found[n] = sum;
            rating[n] = 1 + 9 * sum / turns;
            expected[n] = 1 + 9 * (q[n] / turns + s->mean_reward);
            person[n++] = s->person[i];
        }
        pasta_table_row(t);
        pasta_table_text(t, s->name);
        pasta_table_count(t, turn + 1);
        pasta_table_estimate(t, s->is_return && !isnan(s->mean_reward) ? pasta_estimate_mean(boot, expected, person, n) : nothing);
        pasta_table_estimate(t, pasta_estimate_mean(boot, rating, person, n));
        pasta_table_estimate(t, s->is_return ? pasta_slope(boot, q, found, person, n) : nothing);
        pasta_table_estimate(t, s->is_return ? pasta_slope(boot, advantage, found, person, n) : nothing);
        pasta_table_estimate(t, pasta_spearman_pooled(boot, q, found, person, n));
    }
    free(memory);
    free(person);
}

/* --- in bins of what was expected, over all turns --- */

enum { BINS = 10 };
struct forecast { double expected, found; int32_t person; };

static int by_expectation(const void *a, const void *b)
{
    const struct forecast *x = a, *y = b;
    return (x->expected > y->expected) - (x->expected < y->expected);
}

static void begin_bins(struct pasta_table *t)
{
    pasta_table_column(t, "agent", "agent", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "bin", "bin", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "expected", "expected rating", PASTA_FORMAT_NUMBER, 2);
    pasta_table_column(t, "found", "found", PASTA_FORMAT_NUMBER, 2);
}

static void put_bins(struct pasta_table *t, const struct pasta_bootstrap *boot, const struct said *s, double discount)
{
    const int64_t most = s->n * s->horizon;
    struct forecast *all = pasta_malloc((size_t)most * sizeof *all);
    double *expected = pasta_malloc((size_t)most * sizeof *expected), *found = pasta_malloc((size_t)most * sizeof *found);
    int32_t *person = pasta_malloc((size_t)most * sizeof *person);
    int64_t n = 0;
    for (int64_t i = 0; i < most && s->is_return && !isnan(s->mean_reward); i++) {
        double turns;
        const double sum = return_from(s, i / s->horizon, i % s->horizon, discount, &turns);
        if (!isnan(sum) && !isnan(s->q[i]))
            all[n++] = (struct forecast){1 + 9 * (s->q[i] / turns + s->mean_reward), 1 + 9 * sum / turns, s->person[i / s->horizon]};
    }
    qsort(all, (size_t)n, sizeof *all, by_expectation);
    for (int64_t b = 0; b < BINS && n >= BINS; b++) {
        const int64_t from = n * b / BINS, to = n * (b + 1) / BINS;
        for (int64_t k = from; k < to; k++) {
            expected[k - from] = all[k].expected;
            found[k - from] = all[k].found;
            person[k - from] = all[k].person;
        }
        pasta_table_row(t);
        pasta_table_text(t, s->name);
        pasta_table_count(t, b + 1);
        pasta_table_estimate(t, (struct pasta_estimate){pasta_mean(expected, to - from), NAN, NAN, to - from, 0});
        pasta_table_estimate(t, pasta_estimate_mean(boot, found, person, to - from));
    }
    free(all);
    free(expected);
    free(found);
    free(person);
}

/* --- who said it --- */

/* Mean score of the slate, and that less the mean of all candidates; NAN where scores or candidates were not recorded. */
static double slate_score(const struct pasta_turn *turn, double *advantage)
{
    double sum = 0;
    for (int l = 0; l < turn->n_columns; l++) {
        const int candidate = turn->columns[l].candidate;
        sum += turn->scores && candidate >= 0 ? turn->scores[candidate] : NAN;
    }
    sum = turn->n_columns ? sum / turn->n_columns : NAN;
    *advantage = turn->scores ? sum - pasta_mean(turn->scores, turn->n_candidates) : NAN;
    return sum;
}

void evaluate_agents_value_table(struct evaluate_results *r)
{
    const struct evaluate_agents *a = r->agents;
    const struct pasta_value_settings *set = &r->context->config.value;
    const size_t turns = (size_t)(a->raters * a->horizon);
    if (a->n < 4)
        return;
    struct pasta_table *t = evaluate_table_add(r, "agents_value", "Did agents know what they would get?", NOTE("Agents that played."));
    struct pasta_table *bins = evaluate_table_add(r, "agents_value_bins", "Expected and found rating, in tenths of the turns", NULL);
    double *q = pasta_malloc(turns * sizeof *q), *reward = pasta_malloc(turns * sizeof *reward), *advantage = pasta_calloc(turns, sizeof *advantage);
    int32_t *person = pasta_malloc((size_t)a->raters * sizeof *person);
    begin(t);
    begin_bins(bins);
    for (int i = 0; i < a->n; i++) {
        const struct evaluate_agent *agent = &a->agents[i];
        if (!evaluate_agent_is_given(a, i))
            continue;
        for (int64_t s = 0; s < a->raters; s++) {
            const struct pasta_session *session = &agent->sessions.items[s];
            person[s] = (int32_t)s;
            for (int64_t k = 0; k < a->horizon; k++) {
                const struct pasta_turn *turn = k < session->n_turns ? &session->turns[k] : NULL;
                const int64_t at = s * a->horizon + k;
                q[at] = turn ? slate_score(turn, &advantage[at]) : NAN;
                reward[at] = turn ? pasta_turn_reward(turn, strcmp(set->reward, "versus") == 0) : NAN;
            }
        }
        const struct said said = {.name = agent->name, .q = q, .reward = reward, .advantage = advantage, .person = person, .n = a->raters, .horizon = a->horizon,
                                  .mean_reward = agent->model ? pasta_value_model_mean_reward(agent->model) : NAN, .is_return = agent->model != NULL};
        put_rows(t, r->raters, &said, set->discount);
        put_bins(bins, r->raters, &said, set->discount);
    }
    free(q);
    free(reward);
    free(advantage);
    free(person);
}

void evaluate_offline_value_table(struct evaluate_results *r)
{
    const struct evaluate_offline *o = r->offline;
    struct pasta_table *bins = evaluate_table_add(r, "offline_value_bins", "Expected and found rating, in tenths of the logged turns", NULL);
    struct pasta_table *t = evaluate_table_add(r, "offline_value", "Do agents know what slates brought?",
                                      NOTE("The slates and returns of the logged sessions: what followed a slate is the logging agent's "
                                           "doing, so only in the last turn should the slope be 1."));
    begin(t);
    begin_bins(bins);
    for (int i = 0; i < o->n; i++) {
        const struct evaluate_offline_agent *agent = &o->agents[i];
        if (!agent->model)
            continue;
        const struct said said = {.name = agent->name, .q = agent->q, .reward = o->reward, .advantage = agent->advantage, .person = o->person, .n = (int64_t)o->sessions.n,
                                  .horizon = o->horizon, .mean_reward = pasta_value_model_mean_reward(agent->model), .is_return = true};
        put_rows(t, r->loggers, &said, r->context->config.value.discount);
        put_bins(bins, r->loggers, &said, r->context->config.value.discount);
    }
}
