/* What was answered is kept: in the cache, where damage is asked for again, and on cassettes, which are the same bytes whoever asked first,
 * survive a killed run, answer without a service, and hold no key. */
#include "service_server.h"

#include "pasta/base/threads.h"

/* The server's script says "200 -": the reply is the question's body, so each has its own. */
static const char *body_of(int item)
{
    static _Thread_local char body[40];
    snprintf(body, sizeof body, "{\"ask\": %d}", item);
    return body;
}

static pasta_status ask_and_keep(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    struct pasta_service *s = ctx;
    struct pasta_str reply = {0};
    struct pasta_question q = question(body_of((int)item));
    (void)worker;
    q.kind = item % 2 ? PASTA_SERVICE_IMAGE : PASTA_SERVICE_CHAT;
    pasta_status status = pasta_service_ask(s, &q, &reply, err);
    if (status == PASTA_OK && strcmp(reply.data, q.body) != 0)
        status = pasta_fail(err, PASTA_ERR_CHECK, "'%s' was answered by '%s'", q.body, reply.data);
    if (status == PASTA_OK)
        status = pasta_service_keep(s, &q, &reply, err);
    pasta_str_release(&reply);
    return status;
}

static pasta_status ask_backwards(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    return ask_and_keep(ctx, 9 - item, worker, err);
}

static struct pasta_service *open_files(struct pasta_service_files files)
{
    static struct pasta_http_settings settings;
    settings = settings_for_tests();
    return service_open(&settings, files);
}

static void finish(struct pasta_service *s)
{
    struct pasta_err err = {0};
    if (pasta_service_finish(s, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    pasta_service_free(s);
}

static void ask_ten(struct pasta_service *s)
{
    struct pasta_err err = {0};
    if (pasta_parallel_for(10, 4, ask_and_keep, s, &err) != PASTA_OK)
        fail_msg("%s", err.message);
}

static struct pasta_str bytes_of(const char *name)
{
    struct pasta_str text = {0};
    FILE *file = fopen(path_of(name), "rb");
    assert_non_null(file);
    for (int c; (c = getc(file)) != EOF;)
        pasta_str_addc(&text, (char)c);
    fclose(file);
    return text;
}

static int lines_of(const char *name)
{
    struct pasta_str text = bytes_of(name);
    int n = text.length ? count_in(text.data, "\n") : 0;
    assert_true(!text.length || text.data[text.length - 1] == '\n');
    pasta_str_release(&text);
    return n;
}

static void assert_same_files(const char *a, const char *b)
{
    struct pasta_str left = bytes_of(a), right = bytes_of(b);
    assert_int_equal(left.length, right.length);
    assert_memory_equal(left.data, right.data, left.length);
    pasta_str_release(&left);
    pasta_str_release(&right);
}

/* --- the cache --- */

static void test_cache(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_str reply = {0};
    server_start("200 good.json");
    struct pasta_service *s = open_files((struct pasta_service_files){.cache = path_of("cache/of/replies")});
    struct pasta_question q = question("{\"ask\": \"cache\"}"), again = q, get = q, other = q;
    again.repeat = 1;
    get.body = NULL;
    other.kind = PASTA_SERVICE_IMAGE;
    struct { struct pasta_question *q; bool keep; int requests; } steps[] = {
        {&q, false, 1}, {&q, true, 2},     /* what was not kept is asked again */
        {&q, true, 2}, {&again, true, 3}, {&again, true, 3}, {&get, true, 4}, {&get, true, 4}, {&other, true, 5}, {&other, true, 5}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        pasta_str_clear(&reply);
        assert_int_equal(pasta_service_ask(s, steps[i].q, &reply, &err), PASTA_OK);
        assert_string_equal(reply.data, "{\"answer\": 42}");
        if (steps[i].keep)
            assert_int_equal(pasta_service_keep(s, steps[i].q, &reply, &err), PASTA_OK);
        assert_int_equal(requests(), steps[i].requests);
    }
    assert_int_equal(pasta_service_counts(s).from_cache, 4);
    pasta_service_free(s);

    /* The next run, with another key, at another host: the same question. */
    server_start("200 good.json");
    s = open_files((struct pasta_service_files){.cache = path_of("cache/of/replies")});
    q.url = "http://elsewhere.invalid:99/v1/chat/completions?secret=1";
    q.authorization = NULL;
    assert_int_equal(pasta_service_ask(s, &q, &reply, &err), PASTA_OK);
    q.url = "http://elsewhere.invalid:99/other/chat/completions";
    assert_int_equal(pasta_service_ask(s, &q, &reply, &err), PASTA_ERR_FAILED); /* another path is another question */
    assert_int_equal(requests(), 0);
    struct pasta_cache_count counts[PASTA_SERVICE_KINDS];
    err = (struct pasta_err){0};
    int64_t damaged;
    assert_int_equal(pasta_cache_count(path_of("cache/of/replies"), counts, &damaged, &err), PASTA_OK);
    assert_int_equal(damaged, 0);
    assert_int_equal(counts[PASTA_SERVICE_CHAT].replies, 3);
    assert_int_equal(counts[PASTA_SERVICE_CHAT].bytes, 3 * 14);
    assert_int_equal(counts[PASTA_SERVICE_IMAGE].replies, 1);
    pasta_str_release(&reply);
    pasta_service_free(s);
}

/* Entries that are cut, full of zeros, another question's, or no gzip. */
static void test_damaged_entries(void **state)
{
    (void)state;
    static const char *const damages[] = {
        "for f in %s/damaged/*/*.gz; do truncate -s -9 $f; done", "for f in %s/damaged/*/*.gz; do head -c 200 /dev/zero >$f; done",
        "cd %s/damaged && set -- */*.gz && cp $1 x && while [ $# -gt 1 ]; do cp $2 $1; shift; done && mv x $1",
        "for f in %s/damaged/*/*.gz; do echo '{}' >$f; done"};
    server_start("200 -");
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct pasta_service *s = open_files((struct pasta_service_files){.cache = path_of("damaged")});
        char command[300];
        ask_ten(s);
        assert_int_equal(requests(), 10 * (i + 1)); /* all that was damaged was asked for again */
        ask_ten(s);
        assert_int_equal(requests(), 10 * (i + 1));
        pasta_service_free(s);
        snprintf(command, sizeof command, damages[i], folder);
        assert_int_equal(system(command), 0);
    }
    struct pasta_cache_count counts[PASTA_SERVICE_KINDS];
    struct pasta_err err = {0};
    int64_t damaged;
    assert_int_equal(pasta_cache_count(path_of("damaged"), counts, &damaged, &err), PASTA_OK);
    assert_int_equal(damaged, 10);
    assert_int_equal(counts[0].replies + counts[1].replies, 0);
}

static pasta_status ask_the_same(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    (void)item;
    return ask_and_keep(ctx, 0, worker, err);
}

static void test_asked_once(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    server_start("200 wait=200 -");
    struct pasta_service *s = open_files((struct pasta_service_files){.cache = path_of("once")});
    assert_int_equal(pasta_parallel_for(4, 4, ask_the_same, s, &err), PASTA_OK);
    assert_int_equal(requests(), 1);
    assert_int_equal(pasta_service_counts(s).asked, 4);
    pasta_service_free(s);
}

/* A reply that nobody keeps does not keep others waiting for long, nor does a failure. */
static pasta_status ask_only(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    struct pasta_str reply = {0};
    struct pasta_question q = question("{\"ask\": \"only\"}");
    (void)item, (void)worker;
    pasta_status status = pasta_service_ask(ctx, &q, &reply, err);
    pasta_str_release(&reply);
    return status == PASTA_ERR_FAILED ? PASTA_OK : status;
}

static void test_unkept(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    server_start("400 wait=100\n200 good.json");
    struct pasta_service *s = open_files((struct pasta_service_files){.cache = path_of("unkept")});
    const double begin = pasta_now();
    assert_int_equal(pasta_parallel_for(3, 3, ask_only, s, &err), PASTA_OK);
    assert_int_equal(requests(), 3);
    assert_true(pasta_now() - begin < 10);
    pasta_service_free(s);
}

/* --- cassettes --- */

static void test_record_and_replay(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_str reply = {0};
    server_start("200 -");
    struct pasta_service *s = open_files((struct pasta_service_files){.record = path_of("a.jsonl.gz")});
    ask_ten(s);
    assert_int_equal(requests(), 10);
    ask_ten(s); /* without a cache, what is on the cassette is not asked again either */
    assert_int_equal(requests(), 10);
    assert_int_equal(lines_of("a.jsonl.gz.partial"), 10);
    assert_false(pasta_file_exists(path_of("a.jsonl.gz")));
    finish(s);
    assert_false(pasta_file_exists(path_of("a.jsonl.gz.partial")));

    /* The other way round, half of it from a cache, and a question less often: the same bytes. */
    s = open_files((struct pasta_service_files){.cache = path_of("half")});
    assert_int_equal(pasta_parallel_for(5, 1, ask_backwards, s, &err), PASTA_OK);
    pasta_service_free(s);
    s = open_files((struct pasta_service_files){.cache = path_of("half"), .record = path_of("b.jsonl.gz")});
    assert_int_equal(pasta_parallel_for(10, 1, ask_backwards, s, &err), PASTA_OK);
    assert_int_equal(pasta_service_counts(s).from_cache, 5);
    finish(s);
    assert_same_files("a.jsonl.gz", "b.jsonl.gz");
    s = open_files((struct pasta_service_files){.cache = path_of("half"), .record = path_of("cached.jsonl")});
    struct pasta_question cached = question(body_of(8)); /* what the cache has is on the cassette, though nobody keeps it again */
    assert_int_equal(pasta_service_ask(s, &cached, &reply, &err), PASTA_OK);
    pasta_str_release(&reply);
    finish(s);
    assert_int_equal(lines_of("cached.jsonl"), 1);

    server_stop();
    s = open_files((struct pasta_service_files){
        .replay = path_of("a.jsonl.gz"), .record = path_of("c.jsonl.gz"), .cache = path_of("none")});
    ask_ten(s);
    assert_int_equal(pasta_service_counts(s).from_cassette, 10);
    assert_int_equal(pasta_service_counts(s).attempts, 0);
    struct pasta_question q = question("{\"ask\":\n\"something else\"}");
    q.url = "http://127.0.0.1:1/openai/chat/completions";
    assert_int_equal(pasta_service_ask(s, &q, &reply, &err), PASTA_ERR_INPUT);
    char expected[500];
    snprintf(expected, sizeof expected, "the cassette '%s' has no reply to this chat question (path /openai/chat/completions, repeat 0): "
             "{\"ask\": \"something else\"}...; it was recorded with other settings, and with path /v1/chat/completions",
             path_of("a.jsonl.gz"));
    assert_string_equal(err.message, expected);
    finish(s);
    assert_same_files("a.jsonl.gz", "c.jsonl.gz");
    assert_false(pasta_file_exists(path_of("none")));
    struct pasta_cache_count counts[PASTA_SERVICE_KINDS];
    int64_t damaged;
    assert_int_equal(pasta_cache_count(path_of("c.jsonl.gz"), counts, &damaged, &err), PASTA_OK);
    assert_int_equal(counts[PASTA_SERVICE_CHAT].replies, 5);
    assert_int_equal(counts[PASTA_SERVICE_IMAGE].bytes, 5 * 10);
}

static void test_any_bytes(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t length; } replies[] = {
        {"", 0}, {"\"\\u0000\\\n\t\x7f", 11}, {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff", 17}, {"a\0b", 3}, {"\xC3\xA9", 2}, {"\xC3", 1}};
    struct pasta_err err = {0};
    for (int replayed = 0; replayed <= 1; replayed++) {
        struct pasta_service *s = open_files(replayed ? (struct pasta_service_files){.replay = path_of("bytes.jsonl")} :
                                             (struct pasta_service_files){.record = path_of("bytes.jsonl"), .cache = path_of("bytes")});
        for (int i = 0; i < (int)(sizeof replies / sizeof *replies); i++) {
            struct pasta_question q = {.kind = PASTA_SERVICE_IMAGE, .url = "http://service.invalid/", .repeat = i};
            struct pasta_str reply = {0};
            pasta_str_addn(&reply, replies[i].bytes, replies[i].length);
            if (!replayed)
                assert_int_equal(pasta_service_keep(s, &q, &reply, &err), PASTA_OK);
            pasta_str_clear(&reply);
            assert_int_equal(pasta_service_ask(s, &q, &reply, &err), PASTA_OK);
            assert_int_equal(reply.length, replies[i].length);
            assert_memory_equal(reply.data, replies[i].bytes, reply.length);
            pasta_str_release(&reply);
        }
        finish(s);
    }
}

/* A run is killed while it records; its last line is cut; the next run goes on, and another that has nothing left to do. */
static void test_killed(void **state)
{
    (void)state;
    server_start("200 -");
    struct pasta_service *s = open_files((struct pasta_service_files){.record = path_of("whole.jsonl.gz")});
    ask_ten(s);
    finish(s);
    server_start("200 wait=50 -");
    pid_t pid = fork();
    if (pid == 0) {
        struct pasta_err err = {0};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        s = open_files((struct pasta_service_files){.record = path_of("killed.jsonl.gz")});
        const pasta_status status = pasta_parallel_for(10, 1, ask_and_keep, s, &err);
        pause();
        _exit(status);
    }
    while (requests() < 4)
        usleep(10000);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    struct pasta_str kept = bytes_of("killed.jsonl.gz.partial");
    const int lines = count_in(kept.data, "\n");
    assert_in_range(lines, 3, 10);
    FILE *partial = fopen(path_of("killed.jsonl.gz.partial"), "ab");
    fwrite(kept.data, 1, 100, partial); /* a line that the kill tore */
    fclose(partial);
    pasta_str_release(&kept);

    server_start("200 -");
    s = open_files((struct pasta_service_files){.record = path_of("killed.jsonl.gz"), .resume = true});
    assert_int_equal(lines_of("killed.jsonl.gz.partial"), lines);
    ask_ten(s);
    assert_int_equal(requests(), 10 - lines);
    finish(s);
    assert_same_files("killed.jsonl.gz", "whole.jsonl.gz");
    s = open_files((struct pasta_service_files){.record = path_of("killed.jsonl.gz"), .resume = true});
    finish(s);
    assert_same_files("killed.jsonl.gz", "whole.jsonl.gz");

    write_text("killed.jsonl.gz.partial", "what another run left");
    s = open_files((struct pasta_service_files){.record = path_of("killed.jsonl.gz")}); /* not resumed: from the start */
    assert_int_equal(lines_of("killed.jsonl.gz.partial"), 0);
    ask_ten(s);
    assert_int_equal(requests(), 20 - lines);
    finish(s);
    assert_same_files("killed.jsonl.gz", "whole.jsonl.gz");
}

static void test_broken_cassettes(void **state)
{
    (void)state;
#define LINE "{\"schema\":\"pasta.exchange/1\",\"key\":\"1e03d3c6\",\"kind\":\"chat\"}\n"
    static const struct { const char *text, *message; } cases[] = {
        {"", "expected a cassette, found an empty file"},
        {"{}\n", "broken.jsonl:1: schema: expected a string, found nothing"},
        {LINE, "broken.jsonl:1: key: expected 64 hexadecimal digits, found '1e03d3c6'"},
        {"{\"schema\":\"pasta.session/1\"}\n", "broken.jsonl:1: schema: expected \"pasta.exchange/1\", found \"pasta.session/1\""},
    };
    struct pasta_http_settings settings = settings_for_tests();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_service *s;
        struct pasta_err err = {0};
        write_text("broken.jsonl", cases[i].text);
        assert_int_equal(pasta_service_open(&settings, &(struct pasta_service_files){.replay = path_of("broken.jsonl")}, &s, &err),
                         PASTA_ERR_INPUT);
        if (!strstr(err.message, cases[i].message))
            fail_msg("%s", err.message);
    }
    struct pasta_service *s = open_files((struct pasta_service_files){.record = path_of("edited.jsonl")});
    struct pasta_question q = {.url = "http://service.invalid/x", .body = "{}"};
    struct pasta_str reply = {0};
    struct pasta_err err = {0};
    pasta_str_add(&reply, "42");
    assert_int_equal(pasta_service_keep(s, &q, &reply, &err), PASTA_OK);
    finish(s);
    char command[200];
    snprintf(command, sizeof command, "sed -i 's/\"repeat\":0/\"repeat\":1/' '%s'", path_of("edited.jsonl"));
    assert_int_equal(system(command), 0);
    assert_int_equal(pasta_service_open(&settings, &(struct pasta_service_files){.replay = path_of("edited.jsonl")}, &s, &err),
                     PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "edited.jsonl:1: key: expected "));
    pasta_str_release(&reply);
}

/* Of all that was written in this file's tests. */
static void test_no_secrets(void **state)
{
    (void)state;
    char command[300];
    server_start("200 -");
    struct pasta_service *s = open_files((struct pasta_service_files){.record = path_of("plain.jsonl"), .cache = path_of("plain")});
    ask_ten(s);
    snprintf(command, sizeof command, "grep -q %s '%s'", SECRET, path_of("log"));
    assert_int_equal(system(command), 0); /* it was sent */
    snprintf(command, sizeof command, "grep -q pasta.exchange '%s'", path_of("plain.jsonl.partial"));
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "cd '%s' && rm log && find . -name '*.gz' | xargs zcat 2>/dev/null | cat - *.jsonl *.partial | "
             "grep -i -e %s -e bearer -e 127.0.0.1", folder, SECRET);
    assert_int_not_equal(system(command), 0);
    finish(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache), cmocka_unit_test(test_damaged_entries), cmocka_unit_test(test_asked_once),
        cmocka_unit_test(test_unkept), cmocka_unit_test(test_record_and_replay), cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_killed), cmocka_unit_test(test_broken_cassettes), cmocka_unit_test(test_no_secrets)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
