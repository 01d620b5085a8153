/* The people of a study: who is left out beforehand, who is suspicious, and who is left without them. */
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"
#include "pasta/base/log.h"
#include "plan.h"
#include "record_files.h"

/* --- who is left out beforehand --- */

static pasta_status read_ids(const char *path, struct pasta_id_set *out, struct pasta_err *err)
{
    struct pasta_lines lines = {0};
    bool more = true;
    pasta_status status = pasta_lines_open(&lines, path, err);
    while (status == PASTA_OK && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more)
        if (lines.line.length)
            pasta_id_set_add(out, lines.line.data);
    pasta_lines_close(&lines);
    pasta_id_set_sort(out);
    return status;
}

static pasta_status leave_out(const char *path, struct evaluate_raters *r, struct pasta_err *err)
{
    struct pasta_id_set without = {0}, found = {0};
    struct pasta_sessions *s = &r->sessions;
    const size_t given = s->n;
    pasta_status status = read_ids(path, &without, err);
    if (status == PASTA_OK) {
        s->n = 0;
        for (size_t i = 0; i < given; i++)
            if (pasta_id_set_has(&without, s->items[i].rater_id))
                pasta_id_set_add(&found, s->items[i].rater_id);
            else
                s->items[s->n++] = s->items[i];
        pasta_id_set_sort(&found);
        r->left_out = (int64_t)found.n;
        if (found.n < without.n)
            pasta_warn("--without: %zu of the %zu ids in '%s' are no rater's", without.n - found.n, without.n, path);
        if (s->n == 0)
            status = pasta_fail(err, PASTA_ERR_INPUT, "--without: expected raters that '%s' does not name, found none in %zu sessions",
                                path, given);
    }
    pasta_id_set_release(&without);
    pasta_id_set_release(&found);
    return status;
}

/* --- arms --- */

static int arm_of(const struct evaluate_raters *r, const char *agent)
{
    int arm = 0;
    while (arm < r->n_arms && strcmp(r->arms[arm], agent) != 0)
        arm++;
    return arm;
}

/* The one that the others are compared with comes first. */
static void list_arms(struct evaluate_raters *r)
{
    size_t capacity = 0;
    for (size_t i = 0; i < r->sessions.n; i++) {
        const char *agent = r->sessions.items[i].agent;
        if (arm_of(r, agent) < r->n_arms)
            continue;
        PASTA_GROW(r->arms, (size_t)r->n_arms + 1, capacity);
        r->arms[r->n_arms++] = agent;
    }
    const int base = arm_of(r, "baseline");
    if (base > 0 && base < r->n_arms) {
        const char *name = r->arms[base];
        memmove(r->arms + 1, r->arms, (size_t)base * sizeof *r->arms);
        r->arms[0] = name;
    }
}

/* --- crowds --- */

static bool is_suspicious(const struct evaluate_raters *r, size_t session)
{
    return r->verdicts->items[r->crowds[EVALUATE_ALL].study->rater_of[session]].suspicious;
}

static void gather(struct evaluate_raters *r, const struct pasta_config *config, int which)
{
    struct evaluate_crowd *c = &r->crowds[which];
    c->name = which == EVALUATE_ALL ? "all raters" : "without the suspicious";
    c->short_name = which == EVALUATE_ALL ? "all" : "without";
    c->sessions = pasta_malloc(r->sessions.n * sizeof *c->sessions);
    c->arm = pasta_malloc(r->sessions.n * sizeof *c->arm);
    for (size_t i = 0; i < r->sessions.n; i++) {
        if (which == EVALUATE_KEPT && is_suspicious(r, i))
            continue;
        c->sessions[c->n] = r->sessions.items[i];
        c->arm[c->n++] = arm_of(r, r->sessions.items[i].agent);
    }
    c->study = pasta_rater_study_new(c->sessions, c->n, config->raters.fast_seconds, config->seed);
    c->boot = pasta_bootstrap_new(config->seed, c->study->n, config->evaluate.bootstrap);
}

/* Two studies whose people have the same numbers would pass for one of fewer people: the raters of sessions [from, n) who were there before. */
static void warn_of_namesakes(const struct pasta_sessions *s, size_t from, const char *path)
{
    struct pasta_id_set before = {0}, again = {0};
    for (size_t i = 0; i < from; i++)
        pasta_id_set_add(&before, s->items[i].rater_id);
    pasta_id_set_sort(&before);
    for (size_t i = from; i < s->n; i++)
        if (pasta_id_set_has(&before, s->items[i].rater_id))
            pasta_id_set_add(&again, s->items[i].rater_id);
    pasta_id_set_sort(&again);
    if (again.n)
        pasta_warn("--raters: %zu raters of '%s' are in a file before it too ('%s' is one) and count as the same people; studies of different "
                   "people need a collect.first_rater of their own", again.n, path, again.items[0]);
    pasta_id_set_release(&before);
    pasta_id_set_release(&again);
}

static pasta_status look_over(struct evaluate_raters *r, struct pasta_err *err)
{
    for (size_t i = 0; i < r->sessions.n; i++) {
        const struct pasta_session *s = &r->sessions.items[i];
        if (strpbrk(s->rater_id, "\r\n"))
            return pasta_fail(err, PASTA_ERR_INPUT, "--raters: session '%s': rater_id: expected one line, as in a list of ids, found more",
                              s->session_id);
        r->machines += s->source != PASTA_SOURCE_HUMAN;
        r->turns += s->n_turns;
        r->checks += s->n_checks;
    }
    return PASTA_OK;
}

pasta_status evaluate_raters_open(const struct pasta_context *context, const struct evaluate_inputs *in, struct evaluate_raters *out,
                                  struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    for (int i = 0; i < in->raters.count && status == PASTA_OK; i++) {
        const size_t from = out->sessions.n;
        status = records_sessions(in->raters.items[i], &out->sessions, err);
        if (status == PASTA_OK)
            warn_of_namesakes(&out->sessions, from, in->raters.items[i]);
    }
    if (status == PASTA_OK)
        status = look_over(out, err);
    if (status == PASTA_OK && in->without)
        status = leave_out(in->without, out, err);
    if (status != PASTA_OK)
        return status;
    if (out->machines)
        pasta_warn("--raters: %lld sessions are of sketch or simulated raters, not of people", (long long)out->machines);
    list_arms(out);
    gather(out, &context->config, EVALUATE_ALL);
    out->verdicts = pasta_rater_judge(out->crowds[EVALUATE_ALL].study, &context->config.raters);
    gather(out, &context->config, EVALUATE_KEPT);
    return PASTA_OK;
}

void evaluate_raters_release(struct evaluate_raters *r)
{
    for (int k = 0; k < EVALUATE_CROWDS; k++) {
        free(r->crowds[k].sessions);
        free(r->crowds[k].arm);
        pasta_rater_study_free(r->crowds[k].study);
        pasta_bootstrap_free(r->crowds[k].boot);
    }
    pasta_rater_verdicts_free(r->verdicts);
    free(r->arms);
    pasta_sessions_release(&r->sessions);
    *r = (struct evaluate_raters){0};
}

void evaluate_raters_list(const struct evaluate_raters *r, struct pasta_str *out)
{
    for (int64_t i = 0; i < r->verdicts->n; i++)
        if (r->verdicts->items[i].suspicious)
            pasta_str_printf(out, "%s\n", r->crowds[EVALUATE_ALL].study->habits[i].rater_id);
}

int evaluate_raters_crowds(const struct evaluate_raters *r)
{
    return r->verdicts->suspicious ? EVALUATE_CROWDS : 1;
}

void evaluate_raters_plan(const struct evaluate_raters *r, const struct pasta_context *context)
{
    const struct pasta_plan_row rows[] = {
        {"raters", "", (double)r->verdicts->n}, {"raters_left_out", "", (double)r->left_out}, {"sessions", "", (double)r->sessions.n},
        {"turns", "", (double)r->turns}, {"checks", "", (double)r->checks}, {"arms", "", r->n_arms},
        {"resamples", "", (double)context->config.evaluate.bootstrap}};
    pasta_plan_print(rows, sizeof rows / sizeof *rows, context->json);
}
