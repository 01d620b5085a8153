/* What a browser may ask for: paths, where posts come from, bodies. All of it is untrusted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "../../src/study/request.h"
#include "pasta/base/str.h"

#define TOKEN "AbC-_0123456789abcdefg"
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void paths(void **state)
{
    (void)state;
    const struct { const char *path; enum route route; bool post; } cases[] = {
        {"/r/" TOKEN "/", ROUTE_PAGE, false}, {"/r/" TOKEN, ROUTE_MOVED, false}, {"/r/" TOKEN "/state", ROUTE_STATE, false},
        {"/r/" TOKEN "/start", ROUTE_START, true}, {"/r/" TOKEN "/draft", ROUTE_DRAFT, true}, {"/r/" TOKEN "/answer", ROUTE_ANSWER, true},
        {"/r/" TOKEN "/image/" ID ".png", ROUTE_IMAGE, false}, {"/assets/page.css", ROUTE_ASSET, false},
        {"", ROUTE_NONE, false}, {"/", ROUTE_NONE, false}, {"/r", ROUTE_NONE, false}, {"r/" TOKEN "/", ROUTE_NONE, false},
        {"//r/" TOKEN "/", ROUTE_NONE, false}, {"/R/" TOKEN "/", ROUTE_NONE, false}, {"/journal.jsonl", ROUTE_NONE, false},
        {"/assets", ROUTE_NONE, false}, {"/favicon.ico", ROUTE_NONE, false}, {"http://host/r/" TOKEN "/", ROUTE_NONE, false},
        {"/r/" TOKEN "/state/", ROUTE_NONE, false}, {"/r/" TOKEN "//state", ROUTE_NONE, false}, {"/r/" TOKEN "/State", ROUTE_NONE, false},
        {"/r/" TOKEN "/state%00", ROUTE_NONE, false}, {"/r/" TOKEN "/st%61te", ROUTE_NONE, false}, {"/r/" TOKEN "/state;x", ROUTE_NONE, false},
        {"/r/" TOKEN "/../" TOKEN "/state", ROUTE_NONE, false}, {"/r/" TOKEN "/..", ROUTE_NONE, false}, {"/r/" TOKEN "/.", ROUTE_NONE, false},
        {"/r/" TOKEN "/image/", ROUTE_NONE, false}, {"/r/" TOKEN "/image/" ID, ROUTE_NONE, false},
        {"/r/" TOKEN "/image/" ID ".pn", ROUTE_NONE, false}, {"/r/" TOKEN "/image/" ID ".pngx", ROUTE_NONE, false},
        {"/r/" TOKEN "/image/" ID ".png/", ROUTE_NONE, false}, {"/r/" TOKEN "/image/" ID ".jpg", ROUTE_NONE, false},
        {"/r/" TOKEN "/image/" ID "0.png", ROUTE_NONE, false}, {"/r/" TOKEN "/image/A" ID ".png", ROUTE_NONE, false},
        {"/r/" TOKEN "/image/ABCDEF" ID ".png", ROUTE_NONE, false}, {"/r/" TOKEN "/image/../../journal.jsonl", ROUTE_NONE, false},
        {"/r/" TOKEN "/image/..%2f..%2fjournal.jsonl", ROUTE_NONE, false}, {"/r/" TOKEN "/image/%2e%2e/links.tsv", ROUTE_NONE, false},
        {"/r/" TOKEN "/image/\\..\\" ID ".png", ROUTE_NONE, false}, {"/r/" TOKEN "/image/./" ID ".png", ROUTE_NONE, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct request r = request_route(cases[i].path);
        if (r.route != cases[i].route)
            fail_msg("%s: expected route %d, found %d", cases[i].path, cases[i].route, r.route);
        assert_int_equal(r.post, cases[i].post);
        if (r.route != ROUTE_NONE && r.route != ROUTE_ASSET) {
            assert_int_equal(r.token_length, strlen(TOKEN));
            assert_memory_equal(r.token, TOKEN, r.token_length);
        }
        if (r.route == ROUTE_IMAGE) {
            assert_int_equal(r.name_length, 64);
            assert_memory_equal(r.name, ID, 64);
        }
    }
    /* names of assets are compared with those that there are: nothing is opened */
    assert_int_equal(request_route("/assets/../journal.jsonl").route, ROUTE_ASSET);
    assert_int_equal(request_route("/assets/../journal.jsonl").name_length, strlen("../journal.jsonl"));
}

static void long_paths(void **state)
{
    (void)state;
    struct pasta_str path = {0};
    pasta_str_add(&path, "/r/");
    for (int i = 0; i < 100000; i++)
        pasta_str_addc(&path, 'a');
    assert_int_equal(request_route(path.data).route, ROUTE_MOVED);
    assert_int_equal(request_route(path.data).token_length, 100000); /* no rater has one that long */
    pasta_str_add(&path, "/state");
    assert_int_equal(request_route(path.data).route, ROUTE_STATE);
    pasta_str_clear(&path);
    pasta_str_add(&path, "/assets/");
    for (int i = 0; i < 100000; i++)
        pasta_str_addc(&path, 'a');
    assert_int_equal(request_route(path.data).route, ROUTE_NONE);
    pasta_str_release(&path);
    assert_int_equal(request_route("/r//state").token_length, 0);
}

static void origins(void **state)
{
    (void)state;
    const struct { const char *origin, *host, *site, *url; bool same; } cases[] = {
        {NULL, "127.0.0.1:80", NULL, "", true}, /* no browser */
        {"http://127.0.0.1:8080", "127.0.0.1:8080", NULL, "", true},
        {"http://127.0.0.1:8080", "127.0.0.1:8080", "same-origin", "", true},
        {"http://LocalHost:8080", "localhost:8080", "same-origin", "", true},
        {"http://127.0.0.1:8081", "127.0.0.1:8080", NULL, "", false},
        {"http://127.0.0.1", "127.0.0.1:8080", NULL, "", false},
        {"http://evil.example", "127.0.0.1:8080", NULL, "", false},
        {"http://127.0.0.1:8080.evil.example", "127.0.0.1:8080", NULL, "", false},
        {"http://evil.example/127.0.0.1:8080", "127.0.0.1:8080", NULL, "", false},
        {"null", "127.0.0.1:8080", NULL, "", false}, {"", "127.0.0.1:8080", NULL, "", false}, {"://", "", NULL, "", false},
        {"http://127.0.0.1:8080", NULL, NULL, "", false},
        {NULL, "127.0.0.1:8080", "cross-site", "", false}, {NULL, "127.0.0.1:8080", "same-site", "", false},
        {NULL, "127.0.0.1:8080", "none", "", false}, {NULL, "127.0.0.1:8080", "", "", false},
        {"http://127.0.0.1:8080", "127.0.0.1:8080", "cross-site", "", false},
        /* behind a proxy that speaks TLS and hands on its own Host, or not */
        {"https://study.example.org", "127.0.0.1:8080", "same-origin", "https://study.example.org", true},
        {"https://study.example.org", "127.0.0.1:8080", NULL, "https://study.example.org/", true},
        {"https://study.example.org", "127.0.0.1:8080", NULL, "https://Study.example.org/there/below", true},
        {"https://study.example.org", "study.example.org", NULL, "", true},
        {"https://study.example.org:444", "127.0.0.1:8080", NULL, "https://study.example.org", false},
        {"https://study.example.or", "127.0.0.1:8080", NULL, "https://study.example.org", false},
        {"https://study.example.org.evil.example", "127.0.0.1:8080", NULL, "https://study.example.org", false},
        {"https://evil.example", "127.0.0.1:8080", NULL, "https://study.example.org", false},
        {"https://", "127.0.0.1:8080", NULL, "https://", false}, {"https://x", "127.0.0.1:8080", NULL, "nonsense", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (request_same_origin(cases[i].origin, cases[i].host, cases[i].site, cases[i].url) != cases[i].same)
            fail_msg("%s at %s, %s, %s", cases[i].origin, cases[i].host, cases[i].site, cases[i].url);
}

static void content_types(void **state)
{
    (void)state;
    static const char *const good[] = {"application/json", "Application/JSON", "application/json;charset=utf-8", "application/json ; x"};
    static const char *const bad[] = {NULL, "", "text/plain", "application/jsonx", "application/json-patch+json", "application/x-www-form-urlencoded",
                                      " application/json", "text/plain; application/json", "multipart/form-data"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(request_is_json(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(request_is_json(bad[i]));
}

static void starts(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "{}", "{\"consent\":false}", "{\"consent\":1}", "{\"consent\":\"true\"}", "[true]", "true", "null",
                                      "{\"Consent\":true}", "{\"consent\":true", "{\"consent\":true}{}", "{\"consent\":true,\"consent\":true}"};
    const char *problem = NULL;
    assert_true(request_start("{\"consent\":true}", 16, &problem));
    assert_true(request_start(" {\"consent\":true,\"more\":[1]}\n", 29, &problem));
    assert_null(problem);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        problem = NULL;
        assert_false(request_start(bad[i], strlen(bad[i]), &problem));
        assert_non_null(problem);
    }
    assert_false(request_start(NULL, 0, &problem)); /* no body came */
}

static void whole_answer(void **state)
{
    (void)state;
    static const char body[] = "{\"step\":3,\"choice\":1,\"versus\":\"better\",\"rating\":7.5,\"critique\":\" more \\\"r\xc3\xa9" "d\\\" \\ud83c\\udf19\\n\",\"seconds\":12.25}";
    struct pasta_arena arena = {0};
    struct study_answer a;
    const char *problem = "old";
    assert_true(request_answer(body, strlen(body), &arena, &a, &problem));
    assert_null(problem);
    assert_int_equal(a.step, 3);
    assert_int_equal(a.choice, 1);
    assert_int_equal(a.versus, PASTA_BETTER);
    assert_true(a.rating == 7.5 && a.seconds == 12.25);
    assert_string_equal(a.critique, "more \"r\xc3\xa9" "d\" \xf0\x9f\x8c\x99");
    assert_true(request_answer("{\"step\":1}", 10, &arena, &a, &problem));
    assert_int_equal(a.choice, -1);
    assert_int_equal(a.versus, PASTA_VERSUS_NONE);
    assert_true(isnan(a.rating) && isnan(a.seconds));
    assert_null(a.critique);
    static const char nulls[] = "{\"step\":1,\"choice\":null,\"versus\":null,\"rating\":null,\"critique\":null,\"seconds\":null}";
    assert_true(request_answer(nulls, strlen(nulls), &arena, &a, &problem));
    assert_int_equal(a.choice, -1);
    static const char blank[] = "{\"step\":1,\"choice\":0,\"critique\":\" \\n\\t \"}";
    assert_true(request_answer(blank, strlen(blank), &arena, &a, &problem));
    assert_null(a.critique);
    pasta_arena_release(&arena);
}

static void wrong_answers(void **state)
{
    (void)state;
    static const struct { const char *body, *word; } cases[] = {
        {"", "JSON object"}, {"{", "JSON object"}, {"[]", "JSON object"}, {"5", "JSON object"}, {"{\"step\":1}x", "JSON object"},
        {"{\"step\":1,\"step\":1}", "JSON object"}, {"{\"step\":1,\"critique\":\"\\u0000\"}", "JSON object"},
        {"{\"step\":1,\"critique\":\"\xff\"}", "JSON object"}, {"{\"step\":1,\"critique\":\"\\ud800\"}", "JSON object"},
        {"{}", "step"}, {"{\"step\":null}", "step"}, {"{\"step\":\"1\"}", "step"}, {"{\"step\":0}", "step"}, {"{\"step\":-1}", "step"},
        {"{\"step\":1.5}", "step"}, {"{\"step\":1e10}", "step"}, {"{\"step\":1e999}", "step"}, {"{\"step\":[1]}", "step"},
        {"{\"step\":1,\"choice\":-1}", "column"}, {"{\"step\":1,\"choice\":16}", "column"}, {"{\"step\":1,\"choice\":0.5}", "column"},
        {"{\"step\":1,\"choice\":\"0\"}", "column"}, {"{\"step\":1,\"choice\":true}", "column"}, {"{\"step\":1,\"choice\":1e300}", "column"},
        {"{\"step\":1,\"versus\":\"Better\"}", "better, same or worse"}, {"{\"step\":1,\"versus\":\"\"}", "better, same or worse"},
        {"{\"step\":1,\"versus\":1}", "better, same or worse"}, {"{\"step\":1,\"versus\":false}", "better, same or worse"},
        {"{\"step\":1,\"rating\":0}", "rating"}, {"{\"step\":1,\"rating\":10.5}", "rating"}, {"{\"step\":1,\"rating\":\"5\"}", "rating"},
        {"{\"step\":1,\"rating\":-1e999}", "rating"}, {"{\"step\":1,\"seconds\":-0.5}", "seconds"}, {"{\"step\":1,\"seconds\":1e8}", "seconds"},
        {"{\"step\":1,\"seconds\":{}}", "seconds"}, {"{\"step\":1,\"critique\":5}", "text"}, {"{\"step\":1,\"critique\":[\"x\"]}", "text"}};
    struct pasta_arena arena = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct study_answer a = {.step = 77};
        const char *problem = NULL;
        if (request_answer(cases[i].body, strlen(cases[i].body), &arena, &a, &problem))
            fail_msg("taken: %s", cases[i].body);
        if (!problem || !strstr(problem, cases[i].word))
            fail_msg("%s: %s", cases[i].body, problem);
        assert_int_equal(a.step, 77);
    }
    const char *problem = NULL;
    assert_false(request_answer(NULL, 0, &arena, &(struct study_answer){0}, &problem));
    pasta_arena_release(&arena);
}

static void long_critiques(void **state)
{
    (void)state;
    struct pasta_arena arena = {0};
    for (int length = CRITIQUE_MAX; length <= CRITIQUE_MAX + 1; length++) {
        struct pasta_str body = {0};
        struct study_answer a;
        const char *problem = NULL;
        pasta_str_add(&body, "{\"step\":1,\"choice\":0,\"critique\":\"");
        for (int i = 0; i < length; i++)
            pasta_str_addc(&body, 'c');
        pasta_str_add(&body, "\"}");
        assert_int_equal(request_answer(body.data, body.length, &arena, &a, &problem), length == CRITIQUE_MAX);
        assert_int_equal(problem == NULL, length == CRITIQUE_MAX);
        pasta_str_release(&body);
    }
    struct pasta_str deep = {0}; /* as deep as a body can be */
    const char *problem = NULL;
    for (int i = 0; i < REQUEST_BODY_MAX; i++)
        pasta_str_addc(&deep, '[');
    assert_false(request_answer(deep.data, deep.length, &arena, &(struct study_answer){0}, &problem));
    pasta_str_release(&deep);
    pasta_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths), cmocka_unit_test(long_paths), cmocka_unit_test(origins), cmocka_unit_test(content_types),
        cmocka_unit_test(starts), cmocka_unit_test(whole_answer), cmocka_unit_test(wrong_answers), cmocka_unit_test(long_critiques)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
