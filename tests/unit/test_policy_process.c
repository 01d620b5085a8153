/* A policy that is another process: what it is asked, and that it may die, hang or talk nonsense without harm to whoever asks. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/agent/policy_process.h"
#include "pasta/base/mem.h"
#include "pasta/base/progress.h"
#include "pasta/base/threads.h"
#include "pasta/io/file.h"
#include "pasta/io/scorer.h"

enum { N = 3 };
static char folder[64];
static struct pasta_candidate candidates[N] = {{"a cat", PASTA_REPHRASE}, {"a \"dog\"\nin ink", PASTA_STYLE}, {"ein B\xc3\xa4r", PASTA_CREATIVE}};
static struct pasta_candidate other[2] = {{"u", PASTA_EXPAND}, {"v", PASTA_SUBJECT}};
static struct pasta_image_ref image = {"i0", 7};
static struct pasta_column column = {"u", PASTA_EXPAND, 0, 1, &image};
static struct pasta_turn turn = {.n_candidates = 2, .candidates = other, .n_columns = 1, .columns = &column, .choice = 0, .rating = 7, .seconds = NAN};
static const struct pasta_session begun = {.session_id = "s", .rater_id = "r", .agent = "x", .initial_prompt = "an animal",
                                           .source = PASTA_SOURCE_HUMAN, .seed = 5, .user_type = -1, .n_turns = 1, .turns = &turn};

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/pasta-process-XXXXXX");
    return mkdtemp(folder) && setenv("D", folder, 1) == 0 ? 0 : -1; /* the children know it as $D */
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

#define READY "echo '{\"schema\":\"pasta.scorer/1\",\"name\":\"x\"}'; "
#define ALWAYS(answer) READY "while read -r line; do " answer "; done"

static pasta_status open_with(const char *command, int workers, double timeout, struct pasta_policy_process **out, struct pasta_err *err)
{
    const struct pasta_policy_process_settings settings = {.name = "x", .command = command, .workers = workers, .timeout = timeout};
    return pasta_policy_process_open(&settings, out, err);
}

static struct pasta_policy_process *opened(const char *command, double timeout)
{
    struct pasta_policy_process *p = NULL;
    struct pasta_err err = {0};
    if (open_with(command, 1, timeout, &p, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return p;
}

static pasta_status ask(struct pasta_policy_process *p, double scores[N], struct pasta_err *err)
{
    const struct pasta_policy policy = pasta_policy_process(p);
    *err = (struct pasta_err){0};
    return policy.score(policy.ctx, &begun, 3, 5, 17, candidates, N, scores, err);
}

static void expect_answer(struct pasta_policy_process *p, double first)
{
    double scores[N] = {0};
    struct pasta_err err;
    if (ask(p, scores, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    assert_true(scores[0] == first && scores[1] == 2.5 && scores[2] == -3);
}

static void expect_failure(struct pasta_policy_process *p, const char *message)
{
    double scores[N];
    struct pasta_err err;
    assert_int_equal(ask(p, scores, &err), PASTA_ERR_FAILED);
    assert_string_equal(err.message, message);
}

static char *file_text(const char *name)
{
    char path[128];
    struct pasta_str text = {0};
    struct pasta_err err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (pasta_file_read(path, &text, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return pasta_str_take(&text);
}

/* A zombie that nobody has waited for yet runs no more. */
static bool is_running(const char *pid_file)
{
    char path[64], state = 'Z';
    char *text = file_text(pid_file);
    snprintf(path, sizeof path, "/proc/%d/stat", atoi(text));
    FILE *stat = fopen(path, "r");
    if (stat && fscanf(stat, "%*d %*s %c", &state) != 1)
        state = 'Z'; /* gone meanwhile */
    if (stat)
        fclose(stat);
    free(text);
    return state != 'Z' && state != 'X';
}

static void expect_end(const char *pid_file)
{
    for (int i = 0; i < 1000 && is_running(pid_file); i++)
        usleep(10000);
    assert_false(is_running(pid_file));
}

/* One process answers all questions, and ends by itself when it is asked no more. */
static void questions_and_answers(void **state)
{
    (void)state;
    struct pasta_policy_process *p = opened("n=0; " ALWAYS("n=$((n + 1)); echo \"$line\" >$D/asked; echo \"{\\\"scores\\\":[$n,2.5,-3],\\\"more\\\":1}\"")
                                            "; echo $n >$D/ended", 60);
    assert_string_equal(pasta_policy_process(p).name, "x");
    for (int i = 1; i <= 3; i++)
        expect_answer(p, i);
    pasta_policy_process_free(p);
    char *ended = file_text("ended"), *asked = file_text("asked");
    assert_string_equal(ended, "3\n");

    struct pasta_arena arena = {0};
    struct pasta_err err = {0};
    struct pasta_score_request request;
    struct pasta_str before = {0}, after = {0};
    if (pasta_score_request_parse(asked, strlen(asked), "asked", &arena, &request, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    assert_true(request.person == 3 && request.index == 17 && request.n == N);
    for (int i = 0; i < N; i++) {
        assert_string_equal(request.candidates[i].prompt, candidates[i].prompt);
        assert_int_equal(request.candidates[i].category, candidates[i].category);
    }
    pasta_session_print(&begun, &before);
    pasta_session_print(request.session, &after);
    assert_string_equal(before.data, after.data);
    pasta_str_release(&before);
    pasta_str_release(&after);
    pasta_arena_release(&arena);
    free(ended);
    free(asked);
}

/* Before the first turn there is a session without turns. */
static void first_question(void **state)
{
    (void)state;
    const char *const argv[] = {"sh", "-c", ALWAYS("case $line in *'\"turns\":[]'*) echo '{\"scores\":[1]}';; *) exit 9;; esac"), NULL};
    const struct pasta_policy_process_settings settings = {.name = "y", .argv = argv, .workers = 1, .timeout = 60};
    struct pasta_policy_process *p;
    struct pasta_err err = {0};
    struct pasta_session empty = begun;
    double score = 0;
    empty.n_turns = 0;
    assert_int_equal(pasta_policy_process_open(&settings, &p, &err), PASTA_OK);
    const struct pasta_policy policy = pasta_policy_process(p);
    if (policy.score(policy.ctx, &empty, 0, 5, 0, candidates, 1, &score, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    assert_true(score == 1);
    pasta_policy_process_free(p);
}

static void programs_that_do_not_start(void **state)
{
    (void)state;
    static const struct { const char *command, *message; } cases[] = {
        {"echo loading...; sleep 60", "agent 'x': first line: broken JSON at column 1; it said 'loading...'"},
        {"echo '{\"schema\":\"pasta.scorer/2\",\"name\":\"x\"}'; cat", "agent 'x': first line: schema: expected \"pasta.scorer/1\", found "
         "\"pasta.scorer/2\" (another version of the format); it said '{\"schema\":\"pasta.scorer/2\",\"name\":\"x\"}'"},
        {"exit 7", "agent 'x': the process ended with exit code 7"},
        {"echo; cat", "agent 'x': first line: broken JSON at column 1; it said ''"},
        {"printf 'Traceback:\\n  what:\\tno model\\n\\n' >&2; exit 1", "agent 'x': the process ended with exit code 1: what: no model"},
        {"printf 'unfinished' >&2; kill -KILL $$", "agent 'x': the process was ended by signal 9 (Killed): unfinished"},
    };
    struct pasta_policy_process *p = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_err err = {0};
        assert_int_equal(open_with(cases[i].command, 1, 60, &p, &err), PASTA_ERR_FAILED);
        assert_string_equal(err.message, cases[i].message);
    }
    const char *const argv[] = {"/nowhere/agent", NULL};
    const struct pasta_policy_process_settings settings = {.name = "x", .argv = argv, .workers = 1, .timeout = 60};
    struct pasta_err err = {0};
    assert_int_equal(pasta_policy_process_open(&settings, &p, &err), PASTA_ERR_FAILED);
    assert_string_equal(err.message, "agent 'x': cannot run '/nowhere/agent': No such file or directory");
    err = (struct pasta_err){0};
    assert_int_equal(open_with("exec >&-; sleep 60 & echo $! >$D/sleeper; wait", 1, 60, &p, &err), PASTA_ERR_FAILED);
    assert_string_equal(err.message, "agent 'x': the process closed its output");
    expect_end("sleeper");
    assert_null(p);
}

/* Whoever dies at a question is told of, and the next question has a new process. */
static void the_dead_are_replaced(void **state)
{
    (void)state;
    struct pasta_policy_process *p = opened(READY "read -r line; [ -e $D/died ] || { >$D/died; echo 'out of memory' >&2; exit 3; }; "
                                            "echo '{\"scores\":[1,2.5,-3]}'; cat >/dev/null", 60);
    expect_failure(p, "agent 'x': the process ended with exit code 3: out of memory");
    expect_answer(p, 1);
    pasta_policy_process_free(p);

    p = opened("echo $$ >$D/once; " READY "read -r line; echo '{\"scores\":[4,2.5,-3]}'", 60);
    for (int i = 0; i < 3; i++) {
        expect_answer(p, 4);
        expect_end("once");
    }
    pasta_policy_process_free(p);
}

static void bad_answers(void **state)
{
    (void)state;
    static const struct { const char *answer, *message; } cases[] = {
        {"[1,2,3]", "answer: expected an object, found an array"},
        {"", "answer: broken JSON at column 1"},
        {"score: 1", "answer: broken JSON at column 1"},
        {"{\"score\":[1,2,3]}", "answer: scores: expected an array, found nothing"},
        {"{\"scores\":[1,2]}", "answer: scores: expected 3 items, found 2"},
        {"{\"scores\":[1,2,3,4]}", "answer: scores: expected 3 items, found 4"},
        {"{\"scores\":[1,null,3]}", "answer: scores[1]: expected a number, found null"},
        {"{\"scores\":[1,\"2\",3]}", "answer: scores[1]: expected a number, found a string"},
        {"{\"scores\":[1,NaN,3]}", "answer: broken JSON at column 14"},
        {"{\"scores\":[1,-Infinity,3]}", "answer: broken JSON at column 14"},
        {"{\"scores\":[1,2,1e999]}", "answer: scores[2]: expected a number from -inf to inf, found inf"},
        {"{\"error\":7}", "answer: error: expected a string, found a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *command = pasta_asprintf(READY "read -r line; [ -e $D/bad%zu ] || { >$D/bad%zu; echo '%s'; cat >/dev/null; }; "
                                       "echo '{\"scores\":[1,2.5,-3]}'; cat >/dev/null", i, i, cases[i].answer);
        char *message = pasta_asprintf("agent 'x': %s; it said '%s'", cases[i].message, cases[i].answer);
        struct pasta_policy_process *p = opened(command, 60);
        expect_failure(p, message);
        expect_answer(p, 1);
        pasta_policy_process_free(p);
        free(command);
        free(message);
    }
}

static void too_many_words(void **state)
{
    (void)state;
    struct pasta_policy_process *p = opened(ALWAYS("printf '{\"scores\":[1,2.5,-3]}\\nand more\\n'"), 60);
    expect_failure(p, "agent 'x': expected one line for each question, found more after '{\"scores\":[1,2.5,-3]}'");
    pasta_policy_process_free(p);
    p = opened(READY "read -r line; tr '\\0' x </dev/zero", 60);
    expect_failure(p, "agent 'x': expected a line, found a megabyte without an end of line");
    pasta_policy_process_free(p);
    p = opened(ALWAYS("head -c 300000 /dev/zero | tr '\\0' x >&2; echo '{\"scores\":[1,2.5,-3]}'"), 60); /* more than a pipe holds */
    expect_answer(p, 1);
    expect_answer(p, 1);
    pasta_policy_process_free(p);
}

/* What the scorer says of itself is told, and it stays. */
static void an_error_is_an_answer(void **state)
{
    (void)state;
    struct pasta_policy_process *p = opened("n=0; " ALWAYS("n=$((n + 1)); if [ $n = 2 ]; then echo '{\"error\":\"the prompt is too long\"}'; "
                                            "else echo \"{\\\"scores\\\":[$n,2.5,-3]}\"; fi"), 60);
    expect_answer(p, 1);
    expect_failure(p, "agent 'x': the prompt is too long");
    expect_answer(p, 3);
    pasta_policy_process_free(p);
}

/* A process that hangs is ended, with all that it started. */
static void no_answer_in_time(void **state)
{
    (void)state;
    struct pasta_policy_process *p = opened(READY "echo 'waiting for the GPU' >&2; sleep 600 & echo $! >$D/sleeper; wait; wait", 1);
    expect_failure(p, "agent 'x': no answer within 1 s: waiting for the GPU");
    expect_end("sleeper");
    pasta_policy_process_free(p);
    struct pasta_err err = {0};
    assert_int_equal(open_with("sleep 600", 1, 0.2, &p, &err), PASTA_ERR_FAILED);
    assert_string_equal(err.message, "agent 'x': no answer within 0.2 s");
}

/* A process that does not want to end is made to. */
static void ended_by_force(void **state)
{
    (void)state;
    struct pasta_policy_process *p = opened("trap '' TERM; echo $$ >$D/stubborn; " READY "while :; do sleep 0.05; done", 60);
    assert_true(is_running("stubborn"));
    pasta_policy_process_free(p);
    expect_end("stubborn");
}

/* A question larger than a pipe holds: read whole, or refused without a signal to us. */
static void long_questions(void **state)
{
    (void)state;
    enum { LONG = 300000 };
    struct pasta_session session = begun;
    char *prompt = pasta_malloc(LONG + 1);
    double scores[N] = {0};
    struct pasta_err err = {0};
    memset(prompt, 'x', LONG);
    prompt[LONG] = '\0';
    session.initial_prompt = prompt;
    struct pasta_policy_process *p = opened(READY "length=$(head -n 1 | wc -c); echo \"{\\\"scores\\\":[$length,2.5,-3]}\"", 60);
    struct pasta_policy policy = pasta_policy_process(p);
    if (policy.score(policy.ctx, &session, 3, 5, 17, candidates, N, scores, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    assert_true(scores[0] > LONG && scores[0] < LONG + 1000);
    pasta_policy_process_free(p);

    p = opened(READY "exec <&-; [ ! -e $D/closing ] || exit 5; >$D/closing; sleep 0.1; exit 4", 60);
    policy = pasta_policy_process(p);
    assert_int_equal(policy.score(policy.ctx, &session, 3, 5, 17, candidates, N, scores, &err), PASTA_ERR_FAILED);
    assert_non_null(strstr(err.message, "agent 'x': the process ended with exit code "));
    pasta_policy_process_free(p);
    free(prompt);
}

/* None of our files and signals are the child's. */
static void a_clean_start(void **state)
{
    (void)state;
    const int fd = dup2(open("/dev/null", O_RDONLY), 50); /* stays open over exec */
    sigset_t all, before;
    assert_int_equal(fd, 50);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    struct pasta_policy_process *p =
        opened(ALWAYS("set -- $(grep SigBlk /proc/$$/status); "
                      "read -r stat </proc/$$/stat; blocked=$2; set -- $stat; "
                      "if [ -e /proc/$$/fd/50 ] || [ $blocked != 0000000000000000 ] || [ $5 != $$ ]; "
                      "then echo '{\"error\":\"inherited\"}'; else echo '{\"scores\":[1,2.5,-3]}'; fi"), 60);
    sigprocmask(SIG_SETMASK, &before, NULL);
    expect_answer(p, 1);
    pasta_policy_process_free(p);
    close(fd);
}

static pasta_status ask_item(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    const struct pasta_policy policy = pasta_policy_process(ctx);
    double scores[N] = {0};
    (void)worker;
    const pasta_status status = policy.score(policy.ctx, &begun, 3, 5, (uint32_t)item, candidates, N, scores, err);
    return status != PASTA_OK || scores[0] == (double)item ? status : pasta_fail(err, PASTA_ERR_CHECK, "the answer to another question");
}

/* Two processes at once: each waits for the other at its first question. More threads than processes take turns. */
static void many_threads(void **state)
{
    (void)state;
    static const char *const command = ">$D/worker$$; " ALWAYS("set -- $D/worker*; until [ $# = 2 ]; do sleep 0.01; set -- $D/worker*; done; "
        "i=${line#*\\\"index\\\":}; echo \"{\\\"scores\\\":[${i%%,*},2.5,-3]}\"");
    struct pasta_policy_process *p;
    struct pasta_err err = {0};
    assert_int_equal(open_with(command, 2, 60, &p, &err), PASTA_OK);
    if (pasta_parallel_for(60, 4, ask_item, p, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    pasta_policy_process_free(p);
}

/* Last: what is asked of the process as a whole cannot be taken back. */
static void stopped_while_asked(void **state)
{
    (void)state;
    struct pasta_policy_process *p = opened("n=0; " ALWAYS("n=$((n + 1)); [ $n = 1 ] || sleep 600; echo '{\"scores\":[1,2.5,-3]}'"), 600);
    double scores[N];
    struct pasta_err err;
    pasta_stop_install();
    raise(SIGTERM);
    expect_answer(p, 1); /* what is answered at once is answered */
    assert_int_equal(ask(p, scores, &err), PASTA_ERR_STOPPED);
    assert_string_equal(err.message, "agent 'x': stopped while it was asked; --resume goes on from here");
    pasta_policy_process_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_and_answers),
        cmocka_unit_test(first_question),
        cmocka_unit_test(programs_that_do_not_start),
        cmocka_unit_test(the_dead_are_replaced),
        cmocka_unit_test(bad_answers),
        cmocka_unit_test(too_many_words),
        cmocka_unit_test(an_error_is_an_answer),
        cmocka_unit_test(no_answer_in_time),
        cmocka_unit_test(ended_by_force),
        cmocka_unit_test(long_questions),
        cmocka_unit_test(a_clean_start),
        cmocka_unit_test(many_threads),
        cmocka_unit_test(stopped_while_asked),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
