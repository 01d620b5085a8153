/* What agents would get, from sessions that another agent played: no rater is asked.
 *
 * Every agent scores all candidates of every logged turn, after the history as it was; that and its exploration (agent.epsilon,
 * agent.temperature) say how likely it shows which slate (agent/slate_law.h), and eval/off_policy.h does the rest. Features of a slate come from
 * what the head of f reads: its mean over all candidates, then that of the slate less it, and 1; of the agent's own trunk, and of the first
 * agent's for random and baseline. The two means stand apart because people and histories differ by more than slates do: with one for both, what
 * tells people apart would be taken for what a slate does.
 */
#include "evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/agent/policy.h"
#include "pasta/agent/slate_law.h"
#include "pasta/base/paths.h"
#include "pasta/base/threads.h"
#include "pasta/eval/off_policy.h"
#include "pasta/io/file.h"
#include "pasta/io/sha256.h"
#include "pasta/tensor/pt.h"

/* --- opening --- */

/* Says so where the agent's manifest has the file's hash among what it was trained on. */
static pasta_status warn_of_training(const char *file, const struct evaluate_named *agent, struct pasta_err *err)
{
    char hex[65], *path = pasta_path_join(agent->dir, "manifest.json");
    struct pasta_str manifest = {0};
    pasta_status status = PASTA_OK;
    if (pasta_file_exists(path) && (status = pasta_file_read(path, &manifest, err)) == PASTA_OK &&
        (status = pasta_sha256_file(file, hex, err)) == PASTA_OK && strstr(manifest.data, hex))
        pasta_warn("--logged: '%s' is what agent '%s' was trained on: numbers from it flatter it", file, agent->name);
    pasta_str_release(&manifest);
    free(path);
    return status;
}

pasta_status evaluate_offline_open(struct pasta_context *context, const struct evaluate_inputs *in, struct evaluate_offline *out,
                                   struct pasta_err *err)
{
    struct evaluate_offline o = {.context = context, .n = EVALUATE_LEARNT + in->n_agents};
    o.agents = pasta_calloc((size_t)o.n, sizeof *o.agents);
    o.agents[EVALUATE_RANDOM].name = "random";
    o.agents[EVALUATE_BASELINE].name = "baseline";
    pasta_status status = evaluate_offline_sessions(&o, &in->logged, err);
    for (int i = 0; i < in->n_agents && status == PASTA_OK; i++) {
        o.agents[EVALUATE_LEARNT + i].name = in->agents[i].name;
        status = pasta_value_model_load(in->agents[i].dir, context->config.device, &o.agents[EVALUATE_LEARNT + i].model, err);
        for (int k = 0; k < in->logged.count && status == PASTA_OK; k++)
            status = warn_of_training(in->logged.items[k], &in->agents[i], err);
    }
    if (status == PASTA_OK)
        *out = o;
    else
        evaluate_offline_release(&o);
    return status;
}

void evaluate_offline_release(struct evaluate_offline *o)
{
    for (int i = 0; i < o->n; i++) {
        struct evaluate_offline_agent *a = &o->agents[i];
        double *const arrays[] = {a->q, a->advantage, a->fitted, a->slates, a->items, a->doubly};
        for (size_t j = 0; j < sizeof arrays / sizeof *arrays; j++)
            free(arrays[j]);
        pasta_value_model_free(a->model);
    }
    free(o->agents);
    free(o->person);
    free(o->reward);
    pasta_sessions_release(&o->sessions);
    *o = (struct evaluate_offline){0};
}

/* --- scoring what was logged --- */

/* What is known of an agent's way with every logged turn. */
struct seen {
    int64_t width, features;       /* of the trunk; D */
    float *shown, *policy;         /* [n,H,D] */
    double *by_slates, *by_items;  /* weights [n,H] */
};
struct scoring {
    struct evaluate_offline *offline;
    struct seen *seen;             /* [agents] */
    struct pasta_progress *progress;
};

static size_t place(const struct evaluate_offline *o, int64_t session, int turn)
{
    return (size_t)session * (size_t)o->horizon + (size_t)turn;
}

/* Whose trunk reads for this agent. */
static int reader_of(int agent)
{
    return agent < EVALUATE_LEARNT ? EVALUATE_LEARNT : agent;
}

/* Expected features [2 width + 1] of a slate in which candidate c is with probability weight[c]. */
static void average(const float *features, const double *weight, int n, int64_t width, int slate, float *out)
{
    for (int64_t k = 0; k < width; k++) {
        double all = 0, shown = 0;
        for (int c = 0; c < n; c++) {
            all += features[c * width + k];
            shown += weight[c] * features[c * width + k];
        }
        out[k] = (float)(all / n);
        out[width + k] = (float)(shown / slate - all / n);
    }
    out[2 * width] = 1;
}

/* A logged turn, and how likely it was. */
struct logged_turn {
    int64_t session;
    int number;                      /* from 0 */
    const struct pasta_session *before; /* the turns before it */
    const struct pasta_turn *turn;
    const struct pasta_exploration *exploration;
    int picks[PASTA_MAX_SLATE];      /* the candidates that were shown */
    double *shown;                   /* [candidates] 1 for them */
    struct pasta_slate_law law;
    bool known;                      /* the law is; otherwise weights are NAN */
};

static pasta_status logged_turn_init(struct logged_turn *l, const struct pasta_session *session, struct pasta_err *err)
{
    const struct pasta_turn *turn = l->turn;
    const struct pasta_exploration *e = l->exploration;
    l->shown = pasta_calloc((size_t)turn->n_candidates, sizeof *l->shown);
    for (int c = 0; c < turn->n_columns; c++)
        l->shown[l->picks[c] = turn->columns[c].candidate] = 1;
    l->known = e->recorded && (turn->scores || e->epsilon >= 1) &&
               pasta_slate_law_init(&l->law, turn->candidates, turn->scores, turn->n_candidates, turn->n_columns, e->epsilon, e->temperature);
    if (!l->known || pasta_slate_law_probability(&l->law, l->picks, turn->n_columns) > 0)
        return PASTA_OK;
    return pasta_fail(err, PASTA_ERR_INPUT, "session %s, turn %d: expected a slate that its scores and its exploration (epsilon %g, temperature %g) "
                      "can give, found one that they cannot", session->session_id, l->number + 1, e->epsilon, e->temperature);
}

static void logged_turn_release(struct logged_turn *l)
{
    pasta_slate_law_release(&l->law);
    free(l->shown);
}

/* Whole slates have no weight where the logging agent always showed the same one and this agent would not. */
static void set_weights(const struct logged_turn *l, const struct pasta_slate_law *law, double *by_slates, double *by_items)
{
    const int L = l->turn->n_columns;
    const double own = pasta_slate_law_probability(law, l->picks, L);
    const bool explored = l->exploration->epsilon > 0 || l->exploration->temperature > 0;
    *by_slates = explored || own >= 1 ? own / pasta_slate_law_probability(&l->law, l->picks, L) : NAN;
    *by_items = pasta_slate_item_weight(&l->law, law->inclusion, l->picks, L);
}

/* Scores of an agent, and its features where it reads: otherwise they stay those of its reader. */
static pasta_status score_candidates(const struct scoring *s, int a, const struct logged_turn *l, float *features, double *scores,
                                     struct pasta_err *err)
{
    struct evaluate_offline_agent *agent = &s->offline->agents[a];
    const struct seen *seen = &s->seen[a];
    const int n = l->turn->n_candidates, L = l->turn->n_columns;
    const size_t at = place(s->offline, l->session, l->number);
    if (!agent->model) {
        const struct pasta_policy policy = pasta_policy_named(agent->name);
        return policy.score(policy.ctx, l->before, 0, l->before->seed, (uint32_t)l->session, l->turn->candidates, n, scores, err);
    }
    const pasta_status status = pasta_value_model_features(agent->model, l->before, l->turn->candidates, n, features, scores, err);
    if (status != PASTA_OK)
        return status;
    for (int c = 0; c < L; c++)
        agent->q[at] += scores[l->picks[c]] / L;
    agent->advantage[at] = agent->q[at] - pasta_mean(scores, n);
    average(features, l->shown, n, seen->width, L, seen->shown + at * (size_t)seen->features);
    return PASTA_OK;
}

static pasta_status score_turn(const struct scoring *s, struct logged_turn *l, struct pasta_err *err)
{
    const struct evaluate_offline *o = s->offline;
    const struct pasta_agent_settings *set = &o->context->config.agent;
    const int n = l->turn->n_candidates, L = l->turn->n_columns;
    const size_t at = place(o, l->session, l->number);
    int64_t widest = 0;
    for (int a = 0; a < o->n; a++)
        widest = s->seen[a].width > widest ? s->seen[a].width : widest;
    double *scores = pasta_malloc((size_t)n * sizeof *scores);
    float *features = pasta_malloc((size_t)(n * widest) * sizeof *features);
    pasta_status status = PASTA_OK;
    /* from the last to the first, which reads for those before it as well */
    for (int a = o->n - 1; a >= 0 && status == PASTA_OK; a--) {
        const struct seen *seen = &s->seen[a];
        const bool random = a == EVALUATE_RANDOM;
        struct pasta_slate_law law;
        status = score_candidates(s, a, l, features, scores, err);
        if (status != PASTA_OK ||
            !pasta_slate_law_init(&law, l->turn->candidates, scores, n, L, random ? 1 : set->epsilon, random ? 0 : set->temperature))
            continue;
        average(features, law.inclusion, n, seen->width, L, seen->policy + at * (size_t)seen->features);
        if (l->known)
            set_weights(l, &law, &seen->by_slates[at], &seen->by_items[at]);
        pasta_slate_law_release(&law);
    }
    free(features);
    free(scores);
    return status;
}

static pasta_status score_session(void *ctx, int64_t i, int worker, struct pasta_err *err)
{
    const struct scoring *s = ctx;
    const struct pasta_session *session = &s->offline->sessions.items[i];
    struct pasta_session before = *session;
    pasta_status status = PASTA_OK;
    (void)worker;
    pt_threads(1); /* sessions run side by side; and the sums of an operation must not depend on its threads */
    if (pasta_stop_asked())
        return pasta_fail(err, PASTA_ERR_STOPPED, "stopped; --resume begins anew");
    for (int t = 0; t < session->n_turns && status == PASTA_OK; t++) {
        struct logged_turn l = {.session = i, .number = t, .before = &before, .turn = &session->turns[t], .exploration = &session->exploration};
        before.n_turns = t;
        status = logged_turn_init(&l, session, err);
        if (status == PASTA_OK)
            status = score_turn(s, &l, err);
        logged_turn_release(&l);
    }
    pasta_progress_add(s->progress, 1);
    return status;
}

/* --- the estimates --- */

static double *undefined(size_t n)
{
    double *values = pasta_malloc(n * sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = NAN;
    return values;
}

static void seen_init(const struct evaluate_offline *o, int agent, struct seen *seen)
{
    const size_t turns = o->sessions.n * (size_t)o->horizon;
    seen->width = pasta_value_model_width(o->agents[reader_of(agent)].model);
    seen->features = 2 * seen->width + 1;
    seen->policy = pasta_calloc(turns * (size_t)seen->features, sizeof *seen->policy);
    if (agent >= EVALUATE_LEARNT)
        seen->shown = pasta_calloc(turns * (size_t)seen->features, sizeof *seen->shown);
    seen->by_slates = undefined(turns);
    seen->by_items = undefined(turns);
}

static void seen_release(struct seen *seen)
{
    free(seen->shown);
    free(seen->policy);
    free(seen->by_slates);
    free(seen->by_items);
}

void evaluate_offline_ratings(const struct evaluate_offline *o, double *values)
{
    for (size_t i = 0; i < o->sessions.n; i++)
        values[i] = 1 + 9 * values[i] / o->length;
}

static void estimate(struct evaluate_offline *o, int agent, const struct seen *seen)
{
    struct evaluate_offline_agent *a = &o->agents[agent];
    const struct pasta_config *config = &o->context->config;
    struct pasta_logged logged = {.n = (int64_t)o->sessions.n, .horizon = o->horizon, .features = (int)seen[agent].features,
                                  .shown = seen[reader_of(agent)].shown, .policy = seen[agent].policy, .reward = o->reward, .person = o->person,
                                  .window = (int)config->evaluate.weight_turns, .discount = config->value.discount, .ridge = config->evaluate.ridge};
    double unused;
    a->fitted = undefined(o->sessions.n);
    a->slates = undefined(o->sessions.n);
    a->items = undefined(o->sessions.n);
    a->doubly = undefined(o->sessions.n);
    pasta_off_policy_fitted(&logged, a->fitted);
    logged.weight = seen[agent].by_slates;
    pasta_off_policy_weighted(&logged, a->slates, &a->left_slates);
    logged.weight = seen[agent].by_items;
    pasta_off_policy_weighted(&logged, a->items, &a->left_items);
    pasta_off_policy_doubly(&logged, a->doubly, &unused);
    evaluate_offline_ratings(o, a->fitted);
    evaluate_offline_ratings(o, a->slates);
    evaluate_offline_ratings(o, a->items);
    evaluate_offline_ratings(o, a->doubly);
}

pasta_status evaluate_offline_run(struct evaluate_offline *o, struct pasta_err *err)
{
    struct pasta_progress progress;
    struct seen *seen = pasta_calloc((size_t)o->n, sizeof *seen);
    const struct scoring scoring = {o, seen, &progress};
    for (int a = 0; a < o->n; a++) {
        seen_init(o, a, &seen[a]);
        if (a >= EVALUATE_LEARNT) {
            o->agents[a].q = pasta_calloc(o->sessions.n * (size_t)o->horizon, sizeof *o->agents[a].q);
            o->agents[a].advantage = pasta_calloc(o->sessions.n * (size_t)o->horizon, sizeof *o->agents[a].advantage);
        }
    }
    evaluate_offline_warn(o, seen[EVALUATE_LEARNT].features);
    pasta_progress_init(&progress, "logged", "sessions", (int64_t)o->sessions.n);
    const pasta_status status = pasta_parallel_for((int64_t)o->sessions.n, o->context->threads, score_session, (void *)(uintptr_t)&scoring, err);
    pasta_progress_done(&progress);
    for (int a = 0; a < o->n && status == PASTA_OK; a++)
        estimate(o, a, seen);
    for (int a = 0; a < o->n; a++)
        seen_release(&seen[a]);
    free(seen);
    return status;
}
