/* The sessions of another agent: which can be used, whose they are, what their turns were worth. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"
#include "pasta/value/reward.h"
#include "record_files.h"

static bool is_listed(const struct pasta_turn *turn)
{
    unsigned categories = 0, shown = 0;
    for (int i = 0; i < turn->n_candidates; i++) {
        categories |= 1u << turn->candidates[i].category;
        for (int j = 0; j < i; j++)
            if (strcmp(turn->candidates[i].prompt, turn->candidates[j].prompt) == 0)
                return false;
    }
    for (int l = 0; l < turn->n_columns; l++) {
        if (turn->columns[l].candidate < 0)
            return false;
        shown |= 1u << turn->candidates[turn->columns[l].candidate].category;
    }
    return __builtin_popcount(categories) >= turn->n_columns && __builtin_popcount(shown) == turn->n_columns;
}

/* Keeps sessions of which it is known what else could have been shown. */
static void keep_listed(struct evaluate_offline *o)
{
    struct pasta_sessions *s = &o->sessions;
    const size_t given = s->n;
    s->n = 0;
    for (size_t i = 0; i < given; i++) {
        bool listed = true;
        for (int t = 0; t < s->items[i].n_turns; t++)
            listed = listed && is_listed(&s->items[i].turns[t]);
        if (listed)
            s->items[s->n++] = s->items[i];
    }
    o->left_out = (int64_t)(given - s->n);
}

static int by_rater(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void number_people(struct evaluate_offline *o)
{
    const size_t n = o->sessions.n;
    const char **ids = pasta_malloc(n * sizeof *ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = o->sessions.items[i].rater_id;
    qsort(ids, n, sizeof *ids, by_rater);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(ids[i], ids[o->people - 1]) != 0)
            ids[o->people++] = ids[i];
    o->person = pasta_malloc(n * sizeof *o->person);
    for (size_t i = 0; i < n; i++)
        o->person[i] = (int32_t)((const char **)bsearch(&o->sessions.items[i].rater_id, ids, (size_t)o->people, sizeof *ids, by_rater) - ids);
    free(ids);
}

static void reward_turns(struct evaluate_offline *o)
{
    const struct pasta_value_settings *set = &o->context->config.value;
    const bool versus = strcmp(set->reward, "versus") == 0;
    for (size_t i = 0; i < o->sessions.n; i++)
        o->horizon = o->sessions.items[i].n_turns > o->horizon ? o->sessions.items[i].n_turns : o->horizon;
    o->reward = pasta_malloc(o->sessions.n * (size_t)o->horizon * sizeof *o->reward);
    for (size_t i = 0; i < o->sessions.n; i++) {
        const struct pasta_session *s = &o->sessions.items[i];
        double factor = 1;
        for (int t = 0; t < o->horizon; t++, factor *= set->discount) {
            o->reward[i * (size_t)o->horizon + (size_t)t] = t < s->n_turns ? pasta_turn_reward(&s->turns[t], versus) : NAN;
            o->length += t < s->n_turns ? factor / (double)o->sessions.n : 0;
        }
    }
}

pasta_status evaluate_offline_sessions(struct evaluate_offline *o, const struct pasta_strings *files, struct pasta_err *err)
{
    for (int i = 0; i < files->count; i++) {
        const pasta_status status = records_sessions(files->items[i], &o->sessions, err);
        if (status != PASTA_OK)
            return status;
    }
    keep_listed(o);
    if (o->sessions.n == 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "--logged: expected sessions whose turns list all candidates (distinct prompts, at least as many "
                          "categories as columns), which of them were shown, and one of a category; found none among %lld",
                          (long long)o->left_out);
    number_people(o);
    reward_turns(o);
    return PASTA_OK;
}

void evaluate_offline_warn(const struct evaluate_offline *o, int64_t features)
{
    const long long kept = (long long)o->sessions.n;
    long long silent = 0, unrated = 0, turns = 0;
    for (size_t i = 0; i < o->sessions.n; i++) {
        const struct pasta_session *s = &o->sessions.items[i];
        silent += !s->exploration.recorded;
        turns += s->n_turns;
        for (int t = 0; t < s->n_turns; t++)
            unrated += isnan(s->turns[t].rating);
    }
    if (o->left_out)
        pasta_warn("--logged: %lld of %lld sessions are left out: they do not list what else could have been shown", (long long)o->left_out,
                   (long long)o->left_out + kept);
    if (kept < 3 * features)
        pasta_warn("--logged: %lld sessions are few for a fit of %lld features: it says little", kept, (long long)features);
    if (silent)
        pasta_warn("--logged: %lld of %lld sessions do not say how their agent explored: no importance weights, only the fit", silent, kept);
    if (unrated)
        pasta_warn("--logged: %lld of %lld turns have no rating: what value.reward takes in its place counts as one", unrated, turns);
}
