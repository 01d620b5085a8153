/* Questions over HTTP: waiting as the service says, limits in number and time, and stopping. */
#include "service_server.h"

#include "pasta/base/threads.h"

/* --- waiting --- */

/* Seconds of a question that succeeds at the second attempt. */
static double seconds_of(const char *script, struct pasta_http_settings settings)
{
    struct pasta_err err = {0};
    struct pasta_str reply = {0};
    server_start(script);
    struct pasta_service *s = service_open(&settings, (struct pasta_service_files){0});
    struct pasta_question q = question("{}");
    const double begin = pasta_now();
    if (pasta_service_ask(s, &q, &reply, &err) != PASTA_OK)
        fail_msg("%s: %s", script, err.message);
    const double seconds = pasta_now() - begin;
    assert_int_equal(pasta_service_counts(s).attempts, 2);
    assert_int_equal(pasta_service_counts(s).limited, strstr(script, "retry-") != NULL);
    pasta_str_release(&reply);
    pasta_service_free(s);
    return seconds;
}

static void test_waits(void **state)
{
    (void)state;
    struct pasta_http_settings settings = settings_for_tests();
    assert_true(seconds_of("429 retry-after=1\n200 good.json", settings) >= 1);
    assert_true(seconds_of("429 retry-date=2\n200 good.json", settings) >= 1); /* dates are whole seconds, rounded down on both sides */
    settings.backoff = 0.6;
    assert_true(seconds_of("500\n200 good.json", settings) >= 0.3); /* half of it is jitter */
    settings.backoff = 3600;
    settings.wait_max = 20;
    const double seconds = seconds_of("503 retry-after=1\n200 good.json", settings);
    assert_true(seconds >= 1 && seconds < 10); /* the service says when */
}

/* Seconds from the server's start to its n-th request. */
static double logged_at(int n)
{
    char *text = log_text(), start[40];
    snprintf(start, sizeof start, "=== request %d,", n);
    const char *line = strstr(text, start), *place = line ? strstr(line, "script line ") : NULL;
    assert_non_null(place);
    const double seconds = atof(strchr(place, ',') + 1);
    free(text);
    return seconds;
}

/* While one question waits as the service asked, the others of its kind do so too; those of the other kind do not. */
static pasta_status ask_one(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    struct pasta_service *s = ctx;
    struct pasta_str reply = {0};
    char body[40];
    (void)worker;
    snprintf(body, sizeof body, "{\"ask\": %d}", (int)item);
    struct pasta_question q = question(body);
    pasta_status status = pasta_service_ask(s, &q, &reply, err);
    pasta_str_release(&reply);
    return status;
}

static pasta_status ask_either(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    struct pasta_str reply = {0};
    struct pasta_question image = question("{}");
    if (item < 3)
        return ask_one(ctx, item, worker, err);
    while (requests() == 0) /* the others have been told to wait */
        usleep(10000);
    image.kind = PASTA_SERVICE_IMAGE;
    image.url = url_of("/images");
    const pasta_status status = pasta_service_ask(ctx, &image, &reply, err);
    pasta_str_release(&reply);
    return status;
}

static void test_all_wait(void **state)
{
    (void)state;
    struct pasta_http_settings settings = settings_for_tests();
    struct pasta_err err = {0};
    server_start("200 path=/images good.json\n429 retry-after=2\n200 good.json");
    settings.in_flight = 1;
    struct pasta_service *s = service_open(&settings, (struct pasta_service_files){0});
    assert_int_equal(pasta_parallel_for(4, 4, ask_either, s, &err), PASTA_OK);
    assert_int_equal(requests(), 5); /* without the hold each of the others would have come at once */
    assert_true(logged_at(3) - logged_at(1) >= 1.9);
    char *text = log_text(), *second = strstr(text, "=== request 2,"), *third = strstr(text, "=== request 3,");
    assert_true(strstr(second, "/images") && strstr(second, "/images") < third);
    free(text);
    pasta_service_free(s);
}

static void test_wait_max(void **state)
{
    (void)state;
    struct pasta_http_settings settings = settings_for_tests();
    struct pasta_err err = {0};
    struct pasta_str reply = {0};
    char expected[200];
    server_start("429 retry-after=600");
    struct pasta_service *s = service_open(&settings, (struct pasta_service_files){0});
    struct pasta_question q = question("{}");
    assert_int_equal(pasta_service_ask(s, &q, &reply, &err), PASTA_ERR_STOPPED);
    snprintf(expected, sizeof expected, "127.0.0.1:%d: HTTP 429: status 429: the service asks to wait for 600 s, and http.wait_max is "
             "10 s; --resume goes on later", server.port);
    assert_string_equal(err.message, expected);
    assert_int_equal(requests(), 1);
    pasta_service_free(s);
}

/* --- limits --- */

static void test_budget(void **state)
{
    (void)state;
    struct pasta_http_settings settings = settings_for_tests();
    struct pasta_err err = {0};
    struct pasta_str reply = {0};
    server_start("200 good.json\n500\n200 good.json");
    settings.budget = 4; /* the failed attempt counts, and so does the other kind */
    struct pasta_service *s = service_open(&settings, (struct pasta_service_files){0});
    struct pasta_question q = question("{}");
    assert_int_equal(pasta_service_ask(s, &q, &reply, &err), PASTA_OK);
    assert_int_equal(pasta_service_ask(s, &q, &reply, &err), PASTA_OK);
    q.kind = PASTA_SERVICE_IMAGE;
    assert_int_equal(pasta_service_ask(s, &q, &reply, &err), PASTA_OK);
    assert_int_equal(pasta_service_ask(s, &q, &reply, &err), PASTA_ERR_STOPPED);
    assert_string_equal(err.message, "the budget of 4 requests is spent (http.budget); --resume goes on with as many again");
    assert_int_equal(requests(), 4);
    struct pasta_service_counts c = pasta_service_counts(s);
    assert_int_equal(c.asked, 4);
    assert_int_equal(c.attempts, 4);
    assert_int_equal(c.retried, 1);
    pasta_str_release(&reply);
    pasta_service_free(s);
}

static void test_per_minute(void **state)
{
    (void)state;
    struct pasta_http_settings settings = settings_for_tests();
    struct pasta_err err = {0};
    server_start("200 good.json");
    settings.per_minute = 600;
    struct pasta_service *s = service_open(&settings, (struct pasta_service_files){0});
    const double begin = pasta_now();
    assert_int_equal(pasta_parallel_for(8, 4, ask_one, s, &err), PASTA_OK);
    assert_true(pasta_now() - begin >= 0.7); /* a tenth of a second between two of the eight */
    assert_int_equal(requests(), 8);
    pasta_service_free(s);
}

static void test_in_flight(void **state)
{
    (void)state;
    struct pasta_http_settings settings = settings_for_tests();
    struct pasta_err err = {0};
    int most = 0;
    server_start("200 wait=150 good.json");
    settings.in_flight = 3;
    struct pasta_service *s = service_open(&settings, (struct pasta_service_files){0});
    assert_int_equal(pasta_parallel_for(12, 12, ask_one, s, &err), PASTA_OK);
    char *text = log_text();
    for (const char *p = text; (p = strstr(p, "in flight ")); p += 10)
        most = atoi(p + 10) > most ? atoi(p + 10) : most;
    free(text);
    assert_in_range(most, 2, 3);
    assert_int_equal(requests(), 12);
    pasta_service_free(s);
}

/* --- stopping --- */

/* A process that asks, and would wait for an hour; it is told to stop when it has asked. */
static void check_stop(const char *script, const char *message)
{
    struct pasta_http_settings settings = settings_for_tests();
    int code;
    server_start(script);
    pid_t pid = fork();
    if (pid == 0) {
        struct pasta_err err = {0};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct pasta_str reply = {0};
        settings.timeout = settings.backoff = settings.wait_max = 3600;
        pasta_stop_install();
        struct pasta_service *s = service_open(&settings, (struct pasta_service_files){0});
        struct pasta_question q = question("{}");
        const pasta_status status = pasta_service_ask(s, &q, &reply, &err);
        _exit(status == PASTA_ERR_STOPPED && strstr(err.message, message) && strstr(err.message, "--resume") ? 0 : 1);
    }
    while (requests() == 0)
        usleep(10000);
    usleep(200000);
    const double begin = pasta_now();
    kill(pid, SIGTERM);
    assert_int_equal(waitpid(pid, &code, 0), pid);
    assert_true(WIFEXITED(code));
    assert_int_equal(WEXITSTATUS(code), 0);
    assert_true(pasta_now() - begin < 5);
}

static void test_stop(void **state)
{
    (void)state;
    check_stop("never", "stopped before 127.0.0.1");
    check_stop("200 slow=60000 good.json", "stopped before 127.0.0.1");
    check_stop("500", "stopped while 127.0.0.1");
    check_stop("429 retry-after=3000", "stopped while 127.0.0.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits), cmocka_unit_test(test_all_wait), cmocka_unit_test(test_wait_max), cmocka_unit_test(test_budget),
        cmocka_unit_test(test_per_minute), cmocka_unit_test(test_in_flight), cmocka_unit_test(test_stop)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
