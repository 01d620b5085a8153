/* Sessions that earlier evaluations played: several seeds as one. */
#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"
#include "pasta/base/paths.h"

static int is_sessions(const struct dirent *entry)
{
    return fnmatch("sessions-*.jsonl", entry->d_name, 0) == 0;
}

/* The agents of a run: random, baseline, the others by name, oracle. */
static pasta_status list_agents(struct evaluate_agents *a, const char *dir, struct pasta_arena *arena, struct pasta_err *err)
{
    static const char *const always[] = {"random", "baseline", "oracle"};
    struct dirent **found = NULL;
    const int n = scandir(dir, &found, is_sessions, alphasort);
    bool there[3] = {false};
    a->agents = pasta_calloc((size_t)(n > 0 ? n : 0) + 3, sizeof *a->agents);
    a->n = 2;
    for (int i = 0; i < n; i++) {
        const char *name = found[i]->d_name + strlen("sessions-");
        char *agent = pasta_arena_printf(arena, "%.*s", (int)(strlen(name) - strlen(".jsonl")), name);
        int known = 0;
        while (known < 3 && strcmp(agent, always[known]) != 0)
            known++;
        if (known < 3)
            there[known] = true;
        else
            a->agents[a->n++].name = agent;
        free(found[i]);
    }
    free(found);
    a->agents[0].name = always[0];
    a->agents[1].name = always[1];
    a->agents[a->n++].name = always[2];
    for (int i = 0; i < 3; i++)
        if (!there[i])
            return pasta_fail(err, PASTA_ERR_INPUT, "--played: '%s': expected the folder of an evaluation, found no sessions-%s.jsonl", dir, always[i]);
    return PASTA_OK;
}

/* Appends one run's sessions to every agent, and holds them against the baseline's. */
static pasta_status read_run(struct evaluate_agents *a, const char *dir, struct pasta_err *err)
{
    const size_t first = a->agents[1].sessions.n;
    pasta_status status = PASTA_OK;
    for (int i = 0; i < a->n && status == PASTA_OK; i++) {
        char *name = pasta_asprintf("sessions-%s.jsonl", a->agents[i].name), *path = pasta_path_join(dir, name);
        status = pasta_sessions_read(path, 0, NULL, &a->agents[i].sessions, err);
        free(name);
        free(path);
    }
    const struct pasta_sessions *base = &a->agents[1].sessions;
    for (int i = 0; i < a->n && status == PASTA_OK; i++) {
        const struct pasta_sessions *own = &a->agents[i].sessions;
        if (own->n != base->n)
            return pasta_fail(err, PASTA_ERR_INPUT, "--played: '%s': expected as many sessions with %s as with the baseline, %zu, found %zu", dir,
                              a->agents[i].name, base->n - first, own->n - first);
        for (size_t j = first; j < own->n; j++)
            if (strcmp(own->items[j].rater_id, base->items[j].rater_id) != 0 || own->items[j].seed != base->items[j].seed ||
                strcmp(own->items[j].initial_prompt, base->items[j].initial_prompt) != 0)
                return pasta_fail(err, PASTA_ERR_INPUT, "--played: '%s': session %zu with %s: expected the rater and prompt of the baseline's, "
                                  "found '%s' with '%.200s'", dir, j - first + 1, a->agents[i].name, own->items[j].rater_id,
                                  own->items[j].initial_prompt);
    }
    return status;
}

pasta_status evaluate_played_open(struct pasta_context *context, struct pasta_sketch *sketch, struct evaluate_inputs *in,
                                  struct evaluate_agents *out, struct pasta_err *err)
{
    struct evaluate_agents a = {.context = context, .sketch = sketch, .n_runs = in->played.count, .horizon = 1};
    a.run_from = pasta_calloc((size_t)a.n_runs + 1, sizeof *a.run_from);
    pasta_status status = list_agents(&a, in->played.items[0], &in->arena, err);
    for (int i = 0; i < a.n_runs && status == PASTA_OK; i++) {
        status = read_run(&a, in->played.items[i], err);
        a.run_from[i + 1] = a.raters = (int64_t)a.agents[1].sessions.n;
    }
    for (int i = 0; i < a.n && status == PASTA_OK; i++)
        for (size_t j = 0; j < a.agents[i].sessions.n; j++)
            a.horizon = a.agents[i].sessions.items[j].n_turns > a.horizon ? a.agents[i].sessions.items[j].n_turns : a.horizon;
    if (status == PASTA_OK && a.raters == 0)
        status = pasta_fail(err, PASTA_ERR_INPUT, "--played: '%s': expected sessions, found none", in->played.items[0]);
    if (status != PASTA_OK) {
        evaluate_agents_release(&a);
        return status;
    }
    evaluate_agents_number(&a);
    *out = a;
    return PASTA_OK;
}
