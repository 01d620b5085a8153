/* The base layer: errors, strings, JSON access, configuration, options, random numbers, parallel loops. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/base/base64.h"
#include "pasta/base/json.h"
#include "pasta/base/options.h"
#include "pasta/base/rng.h"
#include "pasta/base/threads.h"

static void test_first_cause_stays(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    assert_int_equal(pasta_fail(&err, PASTA_ERR_INPUT, "first %d", 1), PASTA_ERR_INPUT);
    pasta_fail(&err, PASTA_ERR_IO, "second");
    pasta_err_prefix(&err, "file '%s'", "x");
    assert_string_equal(err.message, "file 'x': first 1");
    assert_int_equal(err.status, PASTA_ERR_INPUT);
    assert_int_equal(pasta_status_exit(err.status), 3);
}

static void test_utf8(void **state)
{
    (void)state;
    static const struct { const char *bytes; bool valid; } cases[] = {
        {"plain", true}, {"caf\xC3\xA9", true}, {"\xF0\x9F\x8D\x9D", true}, {"\xC0\xAF", false},
        {"\xED\xA0\x80", false}, {"\xF4\x90\x80\x80", false}, {"\xC3", false}, {"\x80", false}, {"\xE0\x80\x80", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(pasta_utf8_valid(cases[i].bytes, strlen(cases[i].bytes)), cases[i].valid);
}

/* RFC 4648's test vectors, bytes beyond ASCII, and what no bytes are written as. */
static void test_base64(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfb", "//77"}};
    static const char *const broken[] = {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm9v\n", "Zm-_", "Zm 9", "=Zm9"};
    struct pasta_str text = {0}, bytes = {0};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        pasta_str_clear(&text);
        pasta_str_clear(&bytes);
        pasta_base64_put(&text, pairs[i][0], strlen(pairs[i][0]));
        assert_string_equal(text.data, pairs[i][1]);
        assert_true(pasta_base64_read(&bytes, text.data, text.length));
        assert_string_equal(bytes.data, pairs[i][0]);
        assert_int_equal(bytes.length, strlen(pairs[i][0]));
    }
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        assert_false(pasta_base64_read(&bytes, broken[i], strlen(broken[i])));
        assert_int_equal(bytes.length, 3);
    }
    pasta_str_release(&text);
    pasta_str_release(&bytes);
}

/* Known answers of Random123's kat_vectors for philox4x32-10. */
static void test_philox_known_answers(void **state)
{
    (void)state;
    static const uint32_t cases[][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        pasta_philox(cases[i], cases[i] + 4, out);
        assert_memory_equal(out, cases[i] + 6, sizeof out);
    }
}

static void test_streams_differ_and_repeat(void **state)
{
    (void)state;
    struct pasta_rng a = pasta_rng_at(7, PASTA_RNG_CHOICE, 3, 2, 1), b = a;
    struct pasta_rng others[] = {pasta_rng_at(8, PASTA_RNG_CHOICE, 3, 2, 1), pasta_rng_at(7, PASTA_RNG_RATING, 3, 2, 1),
                                 pasta_rng_at(7, PASTA_RNG_CHOICE, 4, 2, 1), pasta_rng_at(7, PASTA_RNG_CHOICE, 3, 1, 1),
                                 pasta_rng_at(7, PASTA_RNG_CHOICE, 3, 2, 0)};
    uint64_t first = pasta_rng_u64(&a);
    assert_true(first == pasta_rng_u64(&b));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_true(first != pasta_rng_u64(&others[i]));
}

static void test_distributions(void **state)
{
    (void)state;
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 0, 0, 0);
    enum { N = 200000 };
    double sum = 0, squares = 0, uniform = 0;
    int counts[3] = {0}, below[5] = {0};
    const double weights[3] = {1, 0, 3};
    for (int i = 0; i < N; i++) {
        double z = pasta_rng_normal(&rng);
        sum += z;
        squares += z * z;
        uniform += pasta_rng_uniform(&rng);
        counts[pasta_rng_categorical(&rng, weights, 3)]++;
        below[pasta_rng_below(&rng, 5)]++;
    }
    /* Five standard errors: a false alarm once in two million runs; the seed is fixed anyway. */
    assert_true(fabs(sum / N) < 5 / sqrt(N));
    assert_true(fabs(squares / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(uniform / N - 0.5) < 5 * sqrt(1 / 12.0 / N));
    assert_int_equal(counts[1], 0);
    assert_true(fabs(counts[0] / (double)N - 0.25) < 5 * sqrt(0.1875 / N));
    for (int i = 0; i < 5; i++)
        assert_true(fabs(below[i] / (double)N - 0.2) < 5 * sqrt(0.16 / N));
}

static void test_json(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    cJSON *tree = NULL;
    const char *text = "{\"a\": 1.5, \"b\": \"x\"} \n";
    assert_int_equal(pasta_json_parse(text, strlen(text), "f", &tree, &err), PASTA_OK);
    double number;
    int64_t whole;
    assert_int_equal(pasta_json_num(tree, "a", "f:1", 0, 2, &number, &err), PASTA_OK);
    assert_int_equal(pasta_json_int(tree, "a", "f:1", 0, 2, &whole, &err), PASTA_ERR_INPUT);
    assert_string_equal(err.message, "f:1: a: expected a whole number from 0 to 2, found 1.5");
    err = (struct pasta_err){0};
    assert_int_equal(pasta_json_num(tree, "b", "f:1", 0, 2, &number, &err), PASTA_ERR_INPUT);
    assert_string_equal(err.message, "f:1: b: expected a number, found a string");
    cJSON_Delete(tree);
    static const char *const bad[] = {"{\"a\":1,\"a\":2}", "{\"a\":", "[1] 2", "", "\"\xC0\xAF\"", "{\"x\":{\"y\":1,\"y\":1}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err = (struct pasta_err){0};
        assert_int_equal(pasta_json_parse(bad[i], strlen(bad[i]), "f", &tree, &err), PASTA_ERR_INPUT);
    }
}

static void test_json_numbers_and_strings(void **state)
{
    (void)state;
    static const struct { double value; const char *text; } cases[] = {
        {0.1, "0.1"}, {1, "1"}, {-0.0, "0"}, {1e300, "1e+300"}, {1.0 / 3, "0.3333333333333333"}, {NAN, "null"}, {9007199254740991., "9007199254740991"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_str s = {0};
        pasta_json_put_num(&s, cases[i].value);
        assert_string_equal(s.data, cases[i].text);
        pasta_str_release(&s);
    }
    struct pasta_str s = {0};
    pasta_json_put_str(&s, "a\"b\\c\n\x01\xC3\xA9");
    assert_string_equal(s.data, "\"a\\\"b\\\\c\\n\\u0001\xC3\xA9\"");
    pasta_str_release(&s);
}

static char *temporary(const char *text)
{
    static char path[] = "/tmp/pasta-test-XXXXXX";
    strcpy(path + sizeof path - 7, "XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

static void test_config(void **state)
{
    (void)state;
    struct pasta_config config, again;
    struct pasta_err err = {0};
    pasta_config_init(&config);
    assert_int_equal(config.agent.slate, 4);
    assert_int_equal(pasta_config_set(&config, "user_model.fine.batch", "16", &err), PASTA_OK);
    assert_int_equal(pasta_config_set(&config, "user_model.aggregate", "max", &err), PASTA_OK);
    /* What print writes, read reads back to the same text. */
    struct pasta_str text = {0}, text_again = {0};
    pasta_config_print(&config, &text);
    char *path = temporary(text.data);
    pasta_config_init(&again);
    assert_int_equal(pasta_config_read(&again, path, &err), PASTA_OK);
    unlink(path);
    pasta_config_print(&again, &text_again);
    assert_string_equal(text.data, text_again.data);
    assert_int_equal(again.user_model.fine.batch, 16);
    pasta_config_release(&again);
    static const struct { const char *key, *value, *message; } bad[] = {
        {"user_model.types", "0", "--set: user_model.types: expected a whole number from 1 to 1024, found 0"},
        {"user_model.types", "2.5", "--set: user_model.types: expected a whole number from 1 to 1024, found 2.5"},
        {"user_model.types", "two", "--set: user_model.types: expected a whole number from 1 to 1024, found 'two'"},
        {"user_model.tipes", "2", "--set: unknown config key 'user_model.tipes', did you mean 'user_model.types'?"},
        {"user_model.aggregate", "median", "--set: user_model.aggregate: expected one of mean|max|logsumexp, found 'median'"},
        {"value.shared_trunk", "1", "--set: value.shared_trunk: expected true or false, found '1'"},
        {"value.discount", "nan", "--set: value.discount: expected a number from 0 to 1, found nan"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err = (struct pasta_err){0};
        assert_int_equal(pasta_config_set(&config, bad[i].key, bad[i].value, &err), PASTA_ERR_USAGE);
        assert_string_equal(err.message, bad[i].message);
    }
    path = temporary("{\"//\": \"a comment\", \"collect\": {\"raterz\": 3}}");
    err = (struct pasta_err){0};
    assert_int_equal(pasta_config_read(&config, path, &err), PASTA_ERR_USAGE);
    assert_non_null(strstr(err.message, "unknown config key 'collect.raterz', did you mean 'collect.raters'?"));
    unlink(path);
    pasta_str_release(&text);
    pasta_str_release(&text_again);
    pasta_config_release(&config);
}

static void test_options(void **state)
{
    (void)state;
    const char *prompts = NULL;
    struct pasta_strings sessions = {0};
    const struct pasta_option table[] = {{"prompts", PASTA_OPT_STRING, &prompts, "FILE", "prompts", NULL},
                                         {"sessions", PASTA_OPT_STRINGS, &sessions, "FILE", "sessions", NULL},
                                         {"epsilon", PASTA_OPT_KEY, "agent.epsilon", "P", "a config key", NULL},
                                         {0}};
    const struct pasta_command command = {.name = "t", .summary = "", .examples = "", .options = table};
    struct pasta_context context;
    enum pasta_action action;
    enum pasta_log_level level;
    struct pasta_err err = {0};
    setenv("PASTA_SEED", "5", 1);
    setenv("PASTA_THREADS", "3", 1);
    char *good[] = {"t", "--prompts=p", "--sessions", "a", "--sessions", "b", "--set", "seed=6", "--seed", "7", "--out", "o", "--epsilon", "0.5",
                    "--set=agent.epsilon=1", NULL};
    assert_int_equal(pasta_options_parse(&command, 15, good, &context, &action, &level, &err), PASTA_OK);
    assert_string_equal(prompts, "p");
    assert_int_equal(sessions.count, 2);
    assert_int_equal(context.config.seed, 7); /* flag > --set > environment */
    assert_int_equal(context.threads, 3);     /* environment > default */
    assert_true(context.config.agent.epsilon == 0.5);
    pasta_context_release(&context);
    free(sessions.items);
    unsetenv("PASTA_SEED");
    unsetenv("PASTA_THREADS");
    static char *const bad[][6] = {{"t", "--out", "o", "--epsilon", "2"}, {"t", "--out", "o", "--epsilon=0", "--epsilon=0"}, {"t", "--epsilon", "--out", "o"},
                                   {"t", "--nothing"}, {"t", "operand"}, {"t", "--prompts"}, {"t", "--force=1"},
                                   {"t", "--seed", "-1"}, {"t", "--set", "seed"}, {"t"}, {"t", "--force", "--resume"}};
    static const int words[] = {5, 5, 4, 2, 2, 2, 2, 3, 3, 1, 3};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        prompts = NULL;
        err = (struct pasta_err){0};
        assert_int_equal(pasta_options_parse(&command, words[i], (char **)bad[i], &context, &action, &level, &err), PASTA_ERR_USAGE);
        assert_true(strlen(err.message) > 0);
        pasta_context_release(&context);
    }
}

struct squares {
    int64_t out[1000], fail_from;
};

static pasta_status square(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    (void)worker;
    struct squares *s = ctx;
    if (item >= s->fail_from)
        return pasta_fail(err, PASTA_ERR_INPUT, "item %lld", (long long)item);
    s->out[item] = item * item;
    return PASTA_OK;
}

static void test_parallel_for(void **state)
{
    (void)state;
    for (int threads = 0; threads <= 4; threads++) {
        struct squares s = {.fail_from = 1000};
        struct pasta_err err = {0};
        assert_int_equal(pasta_parallel_for(1000, threads, square, &s, &err), PASTA_OK);
        for (int64_t i = 0; i < 1000; i++)
            assert_int_equal(s.out[i], i * i);
        s.fail_from = 500;
        assert_int_equal(pasta_parallel_for(1000, threads, square, &s, &err), PASTA_ERR_INPUT);
        assert_string_equal(err.message, "item 500");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_cause_stays), cmocka_unit_test(test_utf8), cmocka_unit_test(test_base64),
        cmocka_unit_test(test_philox_known_answers), cmocka_unit_test(test_streams_differ_and_repeat),
        cmocka_unit_test(test_distributions), cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_numbers_and_strings), cmocka_unit_test(test_config),
        cmocka_unit_test(test_options), cmocka_unit_test(test_parallel_for),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
