/* Agents against fresh sketch raters: the same raters, prompts and random addresses for every agent, so that turn t of rater r with one
 * agent is paired with turn t of rater r with another.
 *
 * Sessions are written to OUT/sessions-AGENT.jsonl part by part and measured from there, so a resumed run plays only what is missing.
 * Agents do not explore here: agent.epsilon and agent.temperature count as 0. A turn's true utility is the mean over the chosen column's images of the
 * rater's utility before noise.
 */
#include "evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/agent/part_run.h"
#include "pasta/agent/rollout.h"
#include "pasta/base/paths.h"
#include "pasta/tensor/pt.h"

enum { SESSIONS_A_PART = 32 };
enum evaluate_kind { VALUE, MYOPIC, SAMPLING, KINDS }; /* of the agents that are given, in their order */

static pasta_status score_value(void *ctx, const struct pasta_session *session, uint32_t person, uint64_t seed, uint32_t index,
                                const struct pasta_candidate *candidates, int n, double *scores, struct pasta_err *err)
{
    (void)person, (void)seed, (void)index;
    return pasta_value_model_score(ctx, session, candidates, n, scores, NULL, err);
}

/* The most that a greedy agent can do who knows the rater's taste, though not what the image model will make of a prompt. */
static pasta_status score_oracle(void *ctx, const struct pasta_session *session, uint32_t person, uint64_t seed, uint32_t index,
                                 const struct pasta_candidate *candidates, int n, double *scores, struct pasta_err *err)
{
    (void)index, (void)err;
    for (int i = 0; i < n; i++)
        scores[i] = pasta_sketch_expected_utility(ctx, seed, person, session->initial_prompt, candidates[i].prompt);
    return PASTA_OK;
}

bool evaluate_agent_is_given(const struct evaluate_agents *a, int agent)
{
    return agent > 1 && agent < a->n - 1;
}

int evaluate_look_of(int agent)
{
    static const int given[] = {2, 3, 4, 6, 7};
    return agent < 2 ? agent : given[(agent - 2) % 5];
}

int evaluate_agent_look(const struct evaluate_agents *a, int agent)
{
    return agent == a->n - 1 ? 5 : evaluate_look_of(agent);
}

static struct pasta_policy policy_of(const struct evaluate_agents *a, const struct evaluate_agent *agent)
{
    if (agent->model)
        return (struct pasta_policy){.ctx = agent->model, .name = agent->name, .score = score_value};
    if (agent->myopic)
        return (struct pasta_policy){.ctx = agent->myopic, .name = agent->name, .score = evaluate_myopic_score};
    if (strcmp(agent->name, "oracle") == 0)
        return (struct pasta_policy){.ctx = a->sketch, .name = agent->name, .score = score_oracle};
    return pasta_policy_named(agent->name);
}

void evaluate_agents_number(struct evaluate_agents *a)
{
    a->person = pasta_calloc((size_t)(a->raters * a->horizon), sizeof *a->person);
    for (int64_t i = 0; i < a->raters * a->horizon; i++)
        a->person[i] = (int32_t)(i / a->horizon);
}

static pasta_status open_agent(struct evaluate_agents *a, int i, enum evaluate_kind kind, const struct evaluate_named *named,
                               struct pasta_err *err)
{
    struct evaluate_agent *agent = &a->agents[i];
    agent->name = named->name;
    agent->dir = named->dir;
    return kind == VALUE ? pasta_value_model_load(agent->dir, a->context->config.device, &agent->model, err)
                         : evaluate_myopic_open(a->context, a->sketch, agent->dir, kind == SAMPLING, &agent->myopic, err);
}

pasta_status evaluate_agents_open(struct pasta_context *context, struct pasta_sketch *sketch, const struct evaluate_inputs *in,
                                  struct evaluate_agents *out, struct pasta_err *err)
{
    const struct { const struct evaluate_named *items; int n; } given[KINDS] = {
        [VALUE] = {in->agents, in->n_agents}, [MYOPIC] = {in->myopic, in->n_myopic}, [SAMPLING] = {in->sampling, in->n_sampling}};
    const struct pasta_evaluate_settings *set = &context->config.evaluate;
    struct evaluate_agents a = {.context = context, .sketch = sketch, .raters = set->raters, .horizon = context->config.agent.horizon, .n = 3};
    for (int kind = 0; kind < KINDS; kind++)
        a.n += given[kind].n;
    a.agents = pasta_calloc((size_t)a.n, sizeof *a.agents);
    a.agents[0].name = "random";
    a.agents[1].name = "baseline";
    a.agents[a.n - 1].name = "oracle";
    evaluate_agents_number(&a);

    pasta_status status = pasta_prompts_read(in->prompts_path, &a.prompts, err);
    for (int kind = 0, at = 2; kind < KINDS; kind++)
        for (int i = 0; i < given[kind].n && status == PASTA_OK; i++)
            status = open_agent(&a, at++, (enum evaluate_kind)kind, &given[kind].items[i], err);
    if (status == PASTA_OK)
        *out = a;
    else
        evaluate_agents_release(&a);
    return status;
}

void evaluate_agents_release(struct evaluate_agents *a)
{
    for (int i = 0; i < a->n; i++) {
        struct evaluate_agent *agent = &a->agents[i];
        double *arrays[] = {agent->rating, agent->utility, agent->better, agent->same, agent->worse};
        for (size_t j = 0; j < sizeof arrays / sizeof *arrays; j++)
            free(arrays[j]);
        pasta_sessions_release(&agent->sessions);
        pasta_value_model_free(agent->model);
        evaluate_myopic_free(agent->myopic);
    }
    free(a->agents);
    free(a->person);
    free(a->run_from);
    pasta_prompts_release(&a->prompts);
    *a = (struct evaluate_agents){0};
}

/* --- playing --- */

struct play {
    const struct evaluate_agents *a;
    struct pasta_rollout rollout;
};

static pasta_status session_line(void *ctx, int64_t item, int worker, struct pasta_str *out, struct pasta_err *err)
{
    const struct play *play = ctx;
    const struct pasta_config *config = &play->a->context->config;
    /* also the session's random address: one that no collected session has */
    uint32_t person = (uint32_t)(config->evaluate.first_rater + item);
    struct pasta_rollout_job job = pasta_rollout_deal(config->seed, person, person, 1, play->a->prompts.items,
                                                      (uint32_t)play->a->prompts.n);
    struct pasta_arena arena = {0};
    struct pasta_session session;
    (void)worker;

    pt_threads(1); /* sessions run side by side; and the sums of an operation must not depend on its threads */
    pasta_status status = pasta_rollout_session(&play->rollout, job.index, job.person, job.prompt, &arena, &session, err);
    if (status == PASTA_OK) {
        session.turn_utility = NULL; /* what another stage may read holds no truth about the rater */
        pasta_session_print(&session, out);
    }
    pasta_arena_release(&arena);
    return status;
}

static pasta_status play_agent(const struct evaluate_agents *a, const struct evaluate_agent *agent, struct pasta_progress *progress,
                               struct pasta_err *err)
{
    struct pasta_agent_settings settings = a->context->config.agent;
    settings.epsilon = settings.temperature = 0;
    struct play play = {.a = a,
                        .rollout = {.settings = &settings, .generator = pasta_sketch_generator(a->sketch),
                                    .t2i = pasta_sketch_t2i(a->sketch), .policy = policy_of(a, agent),
                                    .rater = pasta_sketch_rater(a->sketch), .seed = a->context->config.seed}};
    char *name = pasta_asprintf("sessions-%s", agent->name);
    const struct pasta_part_run run = {.dir = a->context->out, .name = name, .items = a->raters, .part = SESSIONS_A_PART,
                                       .threads = a->context->threads, .progress = progress, .line = session_line, .ctx = &play};
    pasta_status status = pasta_rollout_check(&play.rollout, err);
    if (status == PASTA_OK)
        status = pasta_part_run(&run, err);
    free(name);
    return status;
}

/* --- measuring --- */

static double *undefined(int64_t n)
{
    double *values = pasta_malloc((size_t)n * sizeof *values);
    for (int64_t i = 0; i < n; i++)
        values[i] = NAN;
    return values;
}

static double true_utility(const struct evaluate_agents *a, const struct pasta_session *s, const struct pasta_column *column,
                           uint32_t person)
{
    double sum = 0;
    for (int m = 0; m < column->n_images; m++)
        sum += pasta_sketch_utility(a->sketch, s->seed, person, s->initial_prompt, column->prompt, column->images[m].seed);
    return sum / column->n_images;
}

static pasta_status read_sessions(const struct evaluate_agents *a, struct evaluate_agent *agent, struct pasta_err *err)
{
    char *name = pasta_asprintf("sessions-%s.jsonl", agent->name), *path = pasta_path_join(a->context->out, name);
    pasta_status status = pasta_sessions_read(path, 0, NULL, &agent->sessions, err);
    if (status == PASTA_OK && (int64_t)agent->sessions.n != a->raters)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected %lld sessions, found %zu; play them again with --force", path,
                            (long long)a->raters, agent->sessions.n);
    free(name);
    free(path);
    return status;
}

static void measure_agent(const struct evaluate_agents *a, struct evaluate_agent *agent)
{
    int64_t n = a->raters * a->horizon;
    agent->rating = undefined(n);
    agent->utility = undefined(n);
    agent->better = undefined(n);
    agent->same = undefined(n);
    agent->worse = undefined(n);
    for (int64_t r = 0; r < a->raters; r++) {
        const struct pasta_session *s = &agent->sessions.items[r];
        uint32_t person;
        const bool known = s->source == PASTA_SOURCE_SKETCH && evaluate_sketch_person(s->rater_id, &person);
        for (int t = 0; t < s->n_turns && t < a->horizon; t++) {
            const struct pasta_turn *turn = &s->turns[t];
            int64_t at = r * a->horizon + t;
            agent->rating[at] = turn->rating;
            if (turn->choice >= 0 && known)
                agent->utility[at] = true_utility(a, s, &turn->columns[turn->choice], person);
            if (turn->versus == PASTA_VERSUS_NONE)
                continue;
            agent->better[at] = turn->versus == PASTA_BETTER;
            agent->same[at] = turn->versus == PASTA_SAME;
            agent->worse[at] = turn->versus == PASTA_WORSE;
        }
    }
}

pasta_status evaluate_agents_run(struct evaluate_agents *a, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    for (int i = 0; i < a->n && status == PASTA_OK; i++) {
        struct pasta_progress progress;
        if (!a->n_runs) {
            pasta_progress_init(&progress, a->agents[i].name, "sessions", a->raters);
            status = play_agent(a, &a->agents[i], &progress, err);
            pasta_progress_done(&progress);
        }
        if (status == PASTA_OK && !a->n_runs)
            status = read_sessions(a, &a->agents[i], err);
        if (status == PASTA_OK)
            measure_agent(a, &a->agents[i]);
    }
    return status;
}
