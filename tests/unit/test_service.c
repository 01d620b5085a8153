/* Questions over HTTP: what is sent, what a service may do wrong and what is said of it, proxies, and keys that nobody reads. */
#include "service_server.h"

/* --- what a service may do wrong --- */

struct misbehaviour {
    const char *script;
    pasta_status status;
    const char *message;         /* after "127.0.0.1:PORT: " */
    int requests;
    double timeout;              /* 0: that of the others */
};
static const struct misbehaviour misbehaviours[] = {
    {"200 good.json", PASTA_OK, NULL, 1, 0},
    {"500 times=2\n200 good.json", PASTA_OK, NULL, 3, 0},
    {"408\n503\n502\n200 good.json", PASTA_OK, NULL, 4, 0},
    {"429\n200 good.json", PASTA_OK, NULL, 2, 0},
    {"close\nclose\n200 good.json", PASTA_OK, NULL, 3, 0},
    {"cut good.json\n200 good.json", PASTA_OK, NULL, 2, 0},
    {"chunk-cut good.json\n200 good.json", PASTA_OK, NULL, 2, 0},
    {"reset good.json\n200 good.json", PASTA_OK, NULL, 2, 0},
    {"200 slow=1 good.json", PASTA_OK, NULL, 1, 0},
    {"never\n200 good.json", PASTA_OK, NULL, 2, 1},
    {"500", PASTA_ERR_FAILED, "HTTP 500: status 500 (attempt 4)", 4, 0},
    {"never", PASTA_ERR_FAILED, "no whole reply within 0.2 s (http.timeout) (attempt 4)", 4, 0.2},
    {"200 slow=100 good.json", PASTA_ERR_FAILED, "no whole reply within 0.2 s (http.timeout) (attempt 4)", 4, 0.2},
    {"close", PASTA_ERR_FAILED, "empty reply from server (attempt 4)", 4, 0},
    {"garbage", PASTA_ERR_FAILED, "received HTTP/0.9 when not allowed", 1, 0},
    {"huge type=application/json", PASTA_ERR_FAILED, "the reply is longer than 1 MiB (http.reply_max)", 1, 0},
    {"200 page.html", PASTA_ERR_FAILED, "expected a reply of type application/json, found text/html: <h1>busy</h1> try later", 1, 0},
    {"302 location=https://other.example:8443/sign-in", PASTA_ERR_FAILED,
     "HTTP 302: redirects to other.example:8443, which is not followed; give the address itself", 1, 0},
    {"400", PASTA_ERR_FAILED, "HTTP 400: status 400", 1, 0},
    {"401 refused.json", PASTA_ERR_FAILED, "HTTP 401: no such key: *** (asked with Bearer ***)", 1, 0},
    {"404 detail.json", PASTA_ERR_FAILED, "HTTP 404: no such model", 1, 0},
    {"404 list.json", PASTA_ERR_FAILED, "HTTP 404: of a list", 1, 0},
    {"422 page.html", PASTA_ERR_FAILED, "HTTP 422: <h1>busy</h1> try later", 1, 0},
};

static void check_misbehaviour(const struct misbehaviour *m)
{
    struct pasta_http_settings settings = settings_for_tests();
    struct pasta_err err = {0};
    struct pasta_str reply = {0};
    char expected[300] = "";
    server_start(m->script);
    if (m->timeout > 0)
        settings.timeout = m->timeout;
    if (m->message)
        snprintf(expected, sizeof expected, "127.0.0.1:%d: %s", server.port, m->message);
    struct pasta_service *s = service_open(&settings, (struct pasta_service_files){0});
    struct pasta_question q = question("{\"ask\": 1}");
    pasta_str_add(&reply, "before");
    const pasta_status status = pasta_service_ask(s, &q, &reply, &err);
    struct pasta_service_counts counts = pasta_service_counts(s);
    if (status != m->status || strcmp(err.message, expected) != 0 || requests() != m->requests || counts.attempts != m->requests ||
        counts.retried != m->requests - 1 || strcmp(reply.data, status == PASTA_OK ? "{\"answer\": 42}" : "before") != 0)
        fail_msg("%s: status %d, '%s' instead of '%s', %d requests, %d attempts, reply '%.40s'", m->script, status, err.message, expected,
                 requests(), (int)counts.attempts, reply.data);
    pasta_str_release(&reply);
    pasta_service_free(s);
}

static void test_misbehaviours(void **state)
{
    (void)state;
    write_text("page.html", "<h1>busy</h1>\r\n\t\x01\xff try later\n");
    write_text("refused.json", "{\"error\": {\"message\": \"no such key: " SECRET " (asked with Bearer " SECRET ")\", \"code\": 7}}");
    write_text("detail.json", "{\"detail\": \"no such model\"}");
    write_text("list.json", "[{\"error\": {\"message\": \"of a list\"}}]");
    for (size_t i = 0; i < sizeof misbehaviours / sizeof *misbehaviours; i++)
        check_misbehaviour(&misbehaviours[i]);
}

static void test_long_words(void **state)
{
    (void)state;
    struct pasta_http_settings settings = settings_for_tests();
    struct pasta_err err = {0};
    struct pasta_str reply = {0}, page = {0};
    for (int i = 0; i < 300; i++)
        pasta_str_add(&page, "\xC3\xA9");
    write_text("long.txt", page.data);
    server_start("400 long.txt");
    struct pasta_service *s = service_open(&settings, (struct pasta_service_files){0});
    struct pasta_question q = question("{}");
    assert_int_equal(pasta_service_ask(s, &q, &reply, &err), PASTA_ERR_FAILED);
    assert_int_equal(strlen(strstr(err.message, "\xC3\xA9")), 400); /* 200 characters of two bytes */
    pasta_str_release(&page);
    pasta_service_free(s);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct pasta_http_settings settings = settings_for_tests();
    struct pasta_err err = {0};
    struct pasta_str reply = {0};
    server_start("200 good.json");
    server_stop();
    struct pasta_service *s = service_open(&settings, (struct pasta_service_files){0});
    struct pasta_question q = question("{}");
    assert_int_equal(pasta_service_ask(s, &q, &reply, &err), PASTA_ERR_FAILED);
    assert_non_null(strstr(err.message, "(attempt 4)"));
    assert_non_null(strstr(err.message, "onnect"));
    assert_int_equal(pasta_service_counts(s).attempts, 4);
    pasta_service_free(s);
}

/* --- what is sent --- */

static void test_request(void **state)
{
    (void)state;
    struct pasta_http_settings settings = settings_for_tests();
    struct pasta_err err = {0};
    struct pasta_str reply = {0}, body = {0};
    server_start("200 good.json");
    struct pasta_service *s = service_open(&settings, (struct pasta_service_files){0});
    pasta_str_printf(&body, "{\"long\": \"%0*d\"}", 2000000, 7); /* libcurl would ask whether it may send so much */
    struct pasta_question post = question(body.data), get = {.kind = PASTA_SERVICE_IMAGE, .url = url_of("/sdapi/v1/options?x=1")};
    const double begin = pasta_now();
    for (int i = 0; i < 3; i++)
        assert_int_equal(pasta_service_ask(s, i < 2 ? &post : &get, &reply, &err), PASTA_OK);
    assert_true(pasta_now() - begin < 10);
    char *text = log_text();
    assert_non_null(strstr(text, "POST /v1/chat/completions HTTP/1.1\r\n"));
    assert_non_null(strstr(text, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(text, "Accept: application/json\r\n"));
    assert_non_null(strstr(text, "User-Agent: pasta/"));
    assert_int_equal(count_in(text, "Authorization: Bearer " SECRET "\r\n"), 2);
    assert_null(strstr(text, "Expect:"));
    assert_int_equal(count_in(text, body.data), 2);
    assert_non_null(strstr(text, "GET /sdapi/v1/options?x=1 HTTP/1.1\r\n"));
    assert_int_equal(count_in(text, ", connection 1,"), 3); /* it is kept and used again */
    free(text);
    pasta_str_release(&reply);
    pasta_str_release(&body);
    pasta_service_free(s);
}

static void test_proxy(void **state)
{
    (void)state;
    struct pasta_http_settings settings = settings_for_tests();
    struct pasta_err err = {0};
    struct pasta_str reply = {0};
    server_start("200 path=/v1/chat good.json");
    setenv("http_proxy", url_of("/"), 1);
    struct pasta_service *s = service_open(&settings, (struct pasta_service_files){0});
    struct pasta_question q = question("{}");
    q.url = "http://service.invalid/v1/chat/completions";
    const pasta_status status = pasta_service_ask(s, &q, &reply, &err);
    setenv("http_proxy", "nonsense://user:" SECRET "@127.0.0.1:1", 1);
    assert_int_equal(pasta_service_ask(s, &q, &reply, &err), PASTA_ERR_FAILED);
    unsetenv("http_proxy");
    assert_int_equal(status, PASTA_OK);
    assert_null(strstr(err.message, SECRET));
    char *text = log_text();
    assert_non_null(strstr(text, "POST http://service.invalid/v1/chat/completions HTTP/1.1\r\n"));
    free(text);
    pasta_str_release(&reply);
    pasta_service_free(s);
}

static void test_refused_questions(void **state)
{
    (void)state;
    static const struct { const char *url, *authorization, *message; } cases[] = {
        {"http://anna:" SECRET "@127.0.0.1:1/v1", NULL, "the URL for 127.0.0.1:1 holds a user name or a password"},
        {"http://" SECRET "@127.0.0.1:1/v1", NULL, "holds a user name or a password"},
        {"file:///etc/passwd", NULL, "expected a URL as http://HOST/PATH or https://HOST/PATH, found another protocol"},
        {"ftp://127.0.0.1/x", NULL, "found another protocol"},
        {"127.0.0.1", NULL, "found something else"},
        {"", NULL, "found something else"},
        {"http://127.0.0.1:1/v1", "Bearer " SECRET "\n", "the key for 127.0.0.1:1 holds a line break"},
        {"http://127.0.0.1:1/v1", "Bearer " SECRET "\r\nX-Other: 1", "the key for 127.0.0.1:1 holds a line break"},
    };
    struct pasta_http_settings settings = settings_for_tests();
    struct pasta_service *s = service_open(&settings, (struct pasta_service_files){0});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_err err = {0};
        struct pasta_str reply = {0};
        struct pasta_question q = {.url = cases[i].url, .authorization = cases[i].authorization, .body = "{}"};
        assert_int_equal(pasta_service_ask(s, &q, &reply, &err), PASTA_ERR_USAGE);
        if (!strstr(err.message, cases[i].message) || strstr(err.message, SECRET))
            fail_msg("%s: %s", cases[i].url, err.message);
    }
    pasta_service_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_misbehaviours), cmocka_unit_test(test_long_words), cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_request), cmocka_unit_test(test_proxy), cmocka_unit_test(test_refused_questions)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
