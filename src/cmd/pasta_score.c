/* pasta-score: a trained agent's scores. As a service it answers other programs, a line each way (io/scorer.h); by hand it scores the
 * candidates of recorded sessions. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common.h"
#include "pasta/base/json.h"
#include "pasta/base/progress.h"
#include "pasta/io/scorer.h"
#include "pasta/value/value_model.h"
#include "record_files.h"
#include "torch_command.h"

static const char *agent_dir, *sessions_path;

static pasta_status print(const struct pasta_str *line, struct pasta_err *err)
{
    if (fwrite(line->data, 1, line->length, stdout) != line->length || fflush(stdout))
        return pasta_fail(err, PASTA_ERR_IO, "cannot write to stdout: %s", strerror(errno));
    return PASTA_OK;
}

/* --- a service --- */

static void answer(const struct pasta_value_model *model, const char *line, size_t length, int64_t number, struct pasta_str *out)
{
    struct pasta_arena arena = {0};
    struct pasta_score_request request;
    struct pasta_err err = {0};
    const char *where = pasta_arena_printf(&arena, "request %lld", (long long)number);
    pasta_status status = pasta_score_request_parse(line, length, where, &arena, &request, &err);
    if (status == PASTA_OK) {
        double *scores = pasta_arena_alloc(&arena, (size_t)request.n * sizeof *scores);
        status = pasta_value_model_score(model, request.session, request.candidates, request.n, scores, NULL, &err);
        if (status == PASTA_OK)
            pasta_scores_print(scores, request.n, out);
    }
    if (status != PASTA_OK)
        pasta_scores_print_error(err.message, out);
    pasta_arena_release(&arena);
}

/* There is nothing to finish: whoever asks gets no answer, and can ask another process. */
static void end_now(int number)
{
    (void)number;
    _exit(PASTA_EXIT_OK);
}

static pasta_status serve(const struct pasta_value_model *model, struct pasta_err *err)
{
    struct pasta_str out = {0};
    char *name = pasta_asprintf("pasta-score %s", agent_dir), *line = NULL;
    size_t capacity = 0;
    ssize_t length = 0;
    signal(SIGTERM, end_now);
    signal(SIGINT, end_now);
    pasta_scorer_print(name, &out);
    pasta_status status = print(&out, err);
    for (int64_t number = 1; status == PASTA_OK && (length = getline(&line, &capacity, stdin)) >= 0; number++) {
        pasta_str_clear(&out);
        answer(model, line, (size_t)(length - (length && line[length - 1] == '\n')), number, &out);
        status = print(&out, err);
    }
    if (status == PASTA_OK && ferror(stdin))
        status = pasta_fail(err, PASTA_ERR_IO, "cannot read from stdin: %s", strerror(errno));
    free(line);
    free(name);
    pasta_str_release(&out);
    return status;
}

/* --- recorded sessions --- */

/* A line for a turn, where its candidates are recorded; *scored counts them. */
static pasta_status score_turn(const struct pasta_value_model *model, const struct pasta_session *session, int t, int64_t *scored,
                               struct pasta_err *err)
{
    const struct pasta_turn *turn = &session->turns[t];
    struct pasta_session before = *session; /* what the agent knew then */
    struct pasta_str line = {0}, list = {0};
    if (!turn->n_candidates)
        return PASTA_OK;
    before.n_turns = t;
    double *scores = pasta_malloc((size_t)turn->n_candidates * sizeof *scores);
    pasta_status status = pasta_value_model_score(model, &before, turn->candidates, turn->n_candidates, scores, NULL, err);
    if (status == PASTA_OK) {
        pasta_scores_print(scores, turn->n_candidates, &list);
        pasta_str_add(&line, "{\"schema\":\"pasta.scores/1\",\"session_id\":");
        pasta_json_put_str(&line, session->session_id);
        pasta_str_printf(&line, ",\"turn\":%d,%s", t + 1, list.data + 1); /* less its brace */
        status = print(&line, err);
        ++*scored;
    }
    free(scores);
    pasta_str_release(&line);
    pasta_str_release(&list);
    return status;
}

static pasta_status score_sessions(const struct pasta_value_model *model, struct pasta_err *err)
{
    struct pasta_sessions sessions = {0};
    int64_t scored = 0;
    pasta_status status = records_sessions(sessions_path, &sessions, err);
    for (size_t i = 0; i < sessions.n && status == PASTA_OK; i++)
        for (int t = 0; t < sessions.items[i].n_turns && status == PASTA_OK; t++)
            status = pasta_stop_asked() ? pasta_fail(err, PASTA_ERR_STOPPED, "stopped at session %zu of %zu", i + 1, sessions.n)
                                        : score_turn(model, &sessions.items[i], t, &scored, err);
    if (status == PASTA_OK && !scored)
        status = pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected turns with their candidates, found none", sessions_path);
    pasta_sessions_release(&sessions);
    return status;
}

static pasta_status run(struct pasta_context *context, struct pasta_err *err)
{
    struct pasta_value_model *model = NULL;
    if (records_skip_bad && !sessions_path)
        return pasta_fail(err, PASTA_ERR_USAGE, "--skip-bad: expected --sessions with it");
    pt_threads(context->threads);
    pasta_status status = pasta_value_model_load(agent_dir, context->config.device, &model, err);
    if (status == PASTA_OK)
        status = sessions_path ? score_sessions(model, err) : serve(model, err);
    pasta_value_model_free(model);
    return status;
}

static const struct pasta_option options[] = {
    {"agent", PASTA_OPT_STRING, &agent_dir, "DIR", "folder of an agent that pasta-train-pasta trained", "whose scores"},
    {"sessions", PASTA_OPT_STRING, &sessions_path, "FILE", "score the candidates of these sessions instead of answering on stdin", NULL},
    RECORDS_SKIP_BAD,
    {0}};

static const struct pasta_command command = {
    .name = "pasta-score",
    .summary = "a trained agent's scores of candidates: answers requests on stdin, one JSON line each way, until it closes",
    .examples = "  pasta-score --agent runs/pasta < requests.jsonl\n"
                "  pasta-score --agent runs/pasta --sessions runs/collect/sessions.jsonl > scores.jsonl\n",
    .options = options,
    .no_out = true, .no_dry_run = true, .no_json = true,
    TORCH_COMMAND};

int main(int argc, char **argv)
{
    return pasta_command_main(&command, argc, argv, run);
}
