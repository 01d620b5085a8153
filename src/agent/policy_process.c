/* policy_process.c: see policy_process.h. */
#include "pasta/agent/policy_process.h"

#include <pthread.h>
#include <stdlib.h>

#include "child_process.h"
#include "pasta/base/mem.h"
#include "pasta/io/scorer.h"

#define PATIENCE 2.0       /* seconds for a process to end by itself */
#define FAILED_PATIENCE 0.1

struct slot {
    struct pasta_child child; /* pid 0: to be started when it is needed */
    bool busy;
};
struct pasta_policy_process {
    char *name;
    const char **argv;
    double timeout;
    pthread_mutex_t lock;     /* guards `busy`; whoever set it has the child to itself */
    pthread_cond_t freed;
    int workers;
    struct slot slots[];
};

/* --- one process --- */

/* What is wrong with a line, and how it begins. */
static pasta_status fail_at_line(const struct pasta_err *reason, const struct pasta_str *line, struct pasta_err *err)
{
    return pasta_fail(err, PASTA_ERR_FAILED, "%s; it said '%.80s%s'", reason->message, line->data, line->length > 80 ? "..." : "");
}

static pasta_status start(const struct pasta_policy_process *p, struct pasta_child *child, struct pasta_err *err)
{
    struct pasta_str line = {0};
    struct pasta_err reason = {0};
    pasta_status status = pasta_child_start(p->argv, child, err);
    if (status == PASTA_OK)
        status = pasta_child_line(child, p->timeout, &line, err);
    if (status == PASTA_OK && pasta_scorer_parse(line.data, line.length, "first line", &reason) != PASTA_OK)
        status = fail_at_line(&reason, &line, err);
    pasta_str_release(&line);
    return status;
}

/* *in_step: the process can be asked again. */
static pasta_status ask(const struct pasta_policy_process *p, struct pasta_child *child, const struct pasta_str *question, int n,
                        double *scores, bool *in_step, struct pasta_err *err)
{
    struct pasta_str line = {0};
    struct pasta_err reason = {0};
    pasta_status status = pasta_child_ask(child, question->data, question->length, p->timeout, &line, err);
    *in_step = status == PASTA_OK;
    if (status == PASTA_OK && (status = pasta_scores_parse(line.data, line.length, "answer", n, scores, &reason)) == PASTA_ERR_FAILED)
        pasta_fail(err, status, "%s", reason.message);
    else if (*in_step && status != PASTA_OK) {
        *in_step = false;
        status = fail_at_line(&reason, &line, err);
    }
    pasta_str_release(&line);
    return status;
}

static pasta_status answer(const struct pasta_policy_process *p, struct pasta_child *child, const struct pasta_str *question, int n,
                           double *scores, struct pasta_err *err)
{
    bool in_step = true;
    pasta_status status = PASTA_OK;
    if (child->pid && !pasta_child_is_ready(child))
        pasta_child_end(child, FAILED_PATIENCE);
    if (!child->pid)
        in_step = (status = start(p, child, err)) == PASTA_OK;
    if (status == PASTA_OK && question)
        status = ask(p, child, question, n, scores, &in_step, err);
    if (!in_step)
        pasta_child_end(child, FAILED_PATIENCE);
    if (status != PASTA_OK)
        pasta_err_prefix(err, "agent '%s'", p->name);
    return status;
}

/* --- who asks which --- */

/* A free process that runs, else one that is to be started; waits while all are busy. */
static struct slot *take(struct pasta_policy_process *p)
{
    struct slot *best = NULL;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        for (int i = p->workers - 1; i >= 0; i--)
            if (!p->slots[i].busy && (!best || p->slots[i].child.pid || !best->child.pid))
                best = &p->slots[i];
        if (best)
            break;
        pthread_cond_wait(&p->freed, &p->lock);
    }
    best->busy = true;
    pthread_mutex_unlock(&p->lock);
    return best;
}

static void give_back(struct pasta_policy_process *p, struct slot *slot)
{
    pthread_mutex_lock(&p->lock);
    slot->busy = false;
    pthread_cond_signal(&p->freed);
    pthread_mutex_unlock(&p->lock);
}

static pasta_status score(void *ctx, const struct pasta_session *session, uint32_t person, uint64_t seed, uint32_t index,
                          const struct pasta_candidate *candidates, int n, double *scores, struct pasta_err *err)
{
    struct pasta_policy_process *p = ctx;
    const struct pasta_score_request request = {session, person, index, n, candidates};
    struct pasta_str question = {0};
    (void)seed; /* the session's own */

    pasta_score_request_print(&request, &question);
    struct slot *slot = take(p);
    const pasta_status status = answer(p, &slot->child, &question, n, scores, err);
    give_back(p, slot);
    pasta_str_release(&question);
    return status;
}

/* --- the policy --- */

static const char **copy_argv(const char *const *argv)
{
    int n = 0;
    while (argv[n])
        n++;
    const char **copy = pasta_calloc((size_t)n + 1, sizeof *copy);
    for (int i = 0; i < n; i++)
        copy[i] = pasta_strdup(argv[i]);
    return copy;
}

pasta_status pasta_policy_process_open(const struct pasta_policy_process_settings *settings, struct pasta_policy_process **out,
                                       struct pasta_err *err)
{
    const char *const shell[] = {"/bin/sh", "-c", settings->command, NULL};
    struct pasta_policy_process *p = pasta_calloc(1, sizeof *p + (size_t)settings->workers * sizeof *p->slots);
    p->name = pasta_strdup(settings->name);
    p->argv = copy_argv(settings->command ? shell : settings->argv);
    p->timeout = settings->timeout;
    p->workers = settings->workers;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->freed, NULL);
    const pasta_status status = answer(p, &p->slots[0].child, NULL, 0, NULL, err);
    if (status == PASTA_OK)
        *out = p;
    else
        pasta_policy_process_free(p);
    return status;
}

struct pasta_policy pasta_policy_process(struct pasta_policy_process *p)
{
    return (struct pasta_policy){.ctx = p, .name = p->name, .score = score};
}

void pasta_policy_process_free(struct pasta_policy_process *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->workers; i++)
        pasta_child_end(&p->slots[i].child, PATIENCE);
    for (const char **word = p->argv; *word; word++)
        free((char *)*word);
    free(p->argv);
    free(p->name);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->freed);
    free(p);
}
