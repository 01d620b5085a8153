/* The data contract: round trips are byte-equal, and every broken record is refused with its place and field. */
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

#include "pasta/base/json.h"
#include "pasta/io/file.h"
#include "pasta/io/record.h"

static char folder[64];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/pasta-record-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *write_text(const char *name, const char *text)
{
    struct pasta_err err = {0};
    const char *path = path_of(name);
    assert_int_equal(pasta_file_write(path, text, strlen(text), &err), PASTA_OK);
    return path;
}

static cJSON *parsed(const char *text)
{
    struct pasta_err err = {0};
    cJSON *tree = NULL;
    assert_int_equal(pasta_json_parse(text, strlen(text), "f:1", &tree, &err), PASTA_OK);
    return tree;
}

/* A session line in canonical layout that uses every field. */
#define IMAGES(a) "\"images\":[{\"id\":\"" a "0\",\"seed\":9007199254740991},{\"id\":\"" a "1\",\"seed\":0}]"
#define TURN1                                                                                                              \
    "{\"turn\":1,\"candidates\":[{\"prompt\":\"a cat\",\"category\":\"rephrase\"},{\"prompt\":\"a \\\"dog\\\"\\n\",\"category\":\"creative\"}]," \
    "\"scores\":[0.25,-1e-07],\"slate\":[{\"prompt\":\"a \\\"dog\\\"\\n\",\"category\":\"creative\",\"candidate\":1," IMAGES("x") "}," \
    "{\"prompt\":\"ein B\xc3\xa4r\",\"category\":\"style\"," IMAGES("y") "}],\"choice\":null}"
#define TURN2                                                                                                              \
    "{\"turn\":2,\"slate\":[{\"prompt\":\"c\",\"category\":\"subject\"," IMAGES("z") "}],\"choice\":0,\"rating\":7.25,"     \
    "\"vs_previous\":\"better\",\"critique\":\"too dark\",\"seconds\":3.5}"
#define HEAD(schema) "{\"schema\":\"" schema "\",\"session_id\":\"s1\",\"rater_id\":\"r1\",\"source\":\"sketch\",\"agent\":\"baseline\"," \
    "\"seed\":123,\"initial_prompt\":\"an animal\",\"user_type\":3,\"turns\":["
/* Turn 1 again, its columns the other way round; and a slate whose second column is to be chosen. */
#define REPEAT                                                                                                             \
    "{\"after_turn\":1,\"kind\":\"repeat\",\"slate\":[{\"prompt\":\"ein B\xc3\xa4r\",\"category\":\"style\"," IMAGES("y") "}," \
    "{\"prompt\":\"a \\\"dog\\\"\\n\",\"category\":\"creative\",\"candidate\":1," IMAGES("x") "}],\"repeat_of\":1,\"choice\":1}"
#define ATTENTION                                                                                                          \
    "{\"after_turn\":2,\"kind\":\"attention\",\"slate\":[{\"prompt\":\"u\",\"category\":\"expand\"," IMAGES("u") "}," \
    "{\"prompt\":\"v\",\"category\":\"expand\"," IMAGES("v") "}],\"expected\":1,\"choice\":null,\"seconds\":0.5}"
#define SESSION HEAD("pasta.session/1") TURN1 "," TURN2 "],\"checks\":[" REPEAT "," ATTENTION "]}"

static void session_round_trip(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_arena arena = {0};
    struct pasta_session s;
    assert_int_equal(pasta_session_parse(SESSION, strlen(SESSION), "f:1", &arena, &s, &err), PASTA_OK);
    assert_int_equal(s.n_turns, 2);
    assert_int_equal(s.source, PASTA_SOURCE_SKETCH);
    assert_int_equal(s.user_type, 3);
    assert_null(s.turn_utility);
    const struct pasta_turn *t = &s.turns[0];
    assert_int_equal(t->n_candidates, 2);
    assert_true(t->scores[1] == -1e-7);
    assert_int_equal(t->choice, -1);
    assert_true(isnan(t->rating) && isnan(t->seconds));
    assert_int_equal(t->versus, PASTA_VERSUS_NONE);
    assert_int_equal(t->columns[0].candidate, 1);
    assert_ptr_equal(t->columns[0].prompt, t->candidates[1].prompt);
    assert_string_equal(t->columns[0].prompt, "a \"dog\"\n");
    assert_int_equal(t->columns[1].candidate, -1);
    assert_int_equal(t->columns[1].category, PASTA_STYLE);
    assert_true(t->columns[0].images[0].seed == 9007199254740991u);
    t = &s.turns[1];
    assert_true(t->n_candidates == 0 && !t->scores);
    assert_int_equal(t->choice, 0);
    assert_true(t->rating == 7.25 && t->seconds == 3.5);
    assert_int_equal(t->versus, PASTA_BETTER);
    assert_string_equal(t->critique, "too dark");
    assert_int_equal(s.n_checks, 2);
    const struct pasta_check *c = &s.checks[0];
    assert_int_equal(c->kind, PASTA_CHECK_REPEAT);
    assert_true(c->after_turn == 1 && c->repeat_of == 1 && c->choice == 1 && isnan(c->seconds));
    assert_int_equal(c->expected, -1);
    assert_ptr_equal(c->columns[1].prompt, s.turns[0].candidates[1].prompt);
    assert_int_equal(pasta_column_in(&s.turns[0], &c->columns[0]), 1);
    assert_int_equal(pasta_column_in(&s.turns[0], &c->columns[1]), 0);
    assert_int_equal(pasta_column_in(&s.turns[1], &c->columns[1]), -1);
    c = &s.checks[1];
    assert_int_equal(c->kind, PASTA_CHECK_ATTENTION);
    assert_true(c->after_turn == 2 && c->repeat_of == 0 && c->expected == 1 && c->choice == -1 && c->seconds == 0.5);
    assert_int_equal(c->columns[1].candidate, -1);
    struct pasta_str text = {0};
    pasta_session_print(&s, &text);
    assert_string_equal(text.data, SESSION "\n");
    pasta_str_release(&text);
    pasta_arena_release(&arena);
}

/* A turn whose columns are all alike, repeated: they are told apart by their place alone. No checks, and none that are written, are the same. */
static void checks_of_equal_columns_and_none(void **state)
{
    (void)state;
    static const char *const column = "{\"prompt\":\"c\",\"category\":\"subject\"," IMAGES("z") "}";
    static const char *const turn = "{\"turn\":1,\"slate\":[%s,%s],\"choice\":1}";
    static const char *const check = "{\"after_turn\":1,\"kind\":\"repeat\",\"slate\":[%s,%s],\"repeat_of\":1,\"choice\":0}";
    struct pasta_str line = {0}, text = {0};
    struct pasta_err err = {0};
    struct pasta_arena arena = {0};
    struct pasta_session s;
    pasta_str_add(&line, HEAD("pasta.session/1"));
    pasta_str_printf(&line, turn, column, column);
    pasta_str_add(&line, "],\"checks\":[");
    pasta_str_printf(&line, check, column, column);
    pasta_str_add(&line, "]}");
    assert_int_equal(pasta_session_parse(line.data, line.length, "f:1", &arena, &s, &err), PASTA_OK);
    assert_int_equal(pasta_column_in(&s.turns[0], &s.checks[0].columns[1]), 0);
    for (int i = 0; i < 2; i++) {
        const char *none = i ? HEAD("pasta.session/1") TURN1 "],\"checks\":[]}" : HEAD("pasta.session/1") TURN1 "],\"checks\":null}";
        assert_int_equal(pasta_session_parse(none, strlen(none), "f:1", &arena, &s, &err), PASTA_OK);
        assert_int_equal(s.n_checks, 0);
        pasta_str_clear(&text);
        pasta_session_print(&s, &text);
        assert_string_equal(text.data, HEAD("pasta.session/1") TURN1 "]}\n");
    }
    pasta_str_release(&line);
    pasta_str_release(&text);
    pasta_arena_release(&arena);
}

/* What a session under way is kept as: its head without turns, and each turn and check by itself. */
static void pieces_round_trip(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_arena arena = {0};
    struct pasta_session s;
    struct pasta_turn turns[2];
    struct pasta_check checks[2];
    struct pasta_str text = {0};
    cJSON *tree = parsed(HEAD("pasta.session/1") "]}");
    assert_int_equal(pasta_session_parse_open(tree, "f:1: session", &arena, &s, &err), PASTA_OK);
    cJSON_Delete(tree);
    assert_int_equal(s.n_turns, 0);
    pasta_session_print(&s, &text);
    assert_string_equal(text.data, HEAD("pasta.session/1") "]}\n");

    const char *const turn_texts[] = {TURN1, TURN2}, *const check_texts[] = {REPEAT, ATTENTION};
    s.turns = turns;
    for (int i = 0; i < 2; i++) {
        tree = parsed(turn_texts[i]);
        assert_int_equal(pasta_turn_parse(tree, i + 1, "f:1", &arena, &turns[i], &err), PASTA_OK);
        cJSON_Delete(tree);
        s.n_turns++;
        tree = parsed(check_texts[i]);
        assert_int_equal(pasta_check_parse(tree, &s, "f:1", &arena, &checks[i], &err), PASTA_OK);
        cJSON_Delete(tree);
        pasta_str_clear(&text);
        pasta_turn_print(&turns[i], i + 1, &text);
        assert_string_equal(text.data, turn_texts[i]);
        pasta_str_clear(&text);
        pasta_check_print(&checks[i], &text);
        assert_string_equal(text.data, check_texts[i]);
    }
    s.checks = checks;
    s.n_checks = 2;
    pasta_str_clear(&text);
    pasta_session_print(&s, &text);
    assert_string_equal(text.data, SESSION "\n");
    pasta_str_release(&text);
    pasta_arena_release(&arena);
}

static void broken_pieces_are_refused(void **state)
{
    (void)state;
    static const struct { char kind; const char *text; int number; const char *message; } cases[] = {
        {'s', HEAD("pasta.session/1") "7]}", 0, "f:1: turns[0]: expected an object, found a number"},
        {'s', HEAD("pasta.session/2") "]}", 0, "f:1: schema: expected \"pasta.session/1\", found \"pasta.session/2\" (another version of the format)"},
        {'s', "[]", 0, "f:1: expected an object, found an array"},
        {'t', TURN2, 1, "f:1: turn: expected a whole number from 1 to 1, found 2"},
        {'t', "null", 1, "f:1: expected an object, found null"},
        {'t', "{\"turn\":1,\"slate\":[{\"prompt\":\"c\",\"category\":\"subject\"," IMAGES("z") "}],\"choice\":0,\"vs_previous\":\"better\"}", 1,
         "f:1: vs_previous: expected nothing in the first turn, found an answer"},
        {'t', "{\"turn\":1,\"slate\":[{\"prompt\":\"c\",\"category\":\"subject\"," IMAGES("z") "}]}", 1, "f:1: choice: expected a column or null, found nothing"},
        {'c', REPEAT, 0, "f:1: after_turn: expected a whole number from 0 to 0, found 1"},
        {'c', "7", 0, "f:1: expected an object, found a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_err err = {0};
        struct pasta_arena arena = {0};
        struct pasta_session s = {0};
        struct pasta_turn turn;
        struct pasta_check check;
        cJSON *tree = parsed(cases[i].text);
        const pasta_status status = cases[i].kind == 's'   ? pasta_session_parse_open(tree, "f:1", &arena, &s, &err)
                                    : cases[i].kind == 't' ? pasta_turn_parse(tree, cases[i].number, "f:1", &arena, &turn, &err)
                                                           : pasta_check_parse(tree, &s, "f:1", &arena, &check, &err);
        assert_int_equal(status, PASTA_ERR_INPUT);
        assert_string_equal(err.message, cases[i].message);
        cJSON_Delete(tree);
        pasta_arena_release(&arena);
    }
}

static void unknown_fields_are_tolerated(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_arena arena = {0};
    struct pasta_session s;
    const char *line = HEAD("pasta.session/1") TURN1 "],\"extra\":{\"a\":[1,2,{\"b\":null}],\"c\":\"\\\\u0000\"}}"; /* c: no NUL */
    assert_int_equal(pasta_session_parse(line, strlen(line), "f:1", &arena, &s, &err), PASTA_OK);
    pasta_arena_release(&arena);
}

/* What is wrong with a session: the text to replace, by what, and the message. */
static const struct {
    const char *old, *new, *message;
} bad_sessions[] = {
    {"pasta.session/1", "pasta.session/2", "f:1: schema: expected \"pasta.session/1\", found \"pasta.session/2\" (another version of the format)"},
    {"pasta.session/1", "pasta.rating/1", "f:1: schema: expected \"pasta.session/1\", found \"pasta.rating/1\" (this file holds ratings)"},
    {"\"schema\":\"pasta.session/1\",", "", "f:1: schema: expected a string, found nothing"},
    {"\"s1\"", "\"\"", "f:1: session_id: expected a string, found an empty one"},
    {"\"s1\"", "17", "f:1: session_id: expected a string, found a number"},
    {"\"rater_id\":\"r1\",", "", "f:1: rater_id: expected a string, found nothing"},
    {"\"sketch\"", "\"robot\"", "f:1: source: expected \"human\", \"sketch\" or \"simulated\", found \"robot\""},
    {"\"seed\":123", "\"seed\":-1", "f:1: seed: expected a whole number from 0 to 9007199254740991, found -1"},
    {"\"seed\":123", "\"seed\":1.5", "f:1: seed: expected a whole number from 0 to 9007199254740991, found 1.5"},
    {"9007199254740991", "9007199254740992", "f:1: turns[0].slate[0].images[0].seed: expected a whole number from 0 to 9007199254740991, "
                                             "found 9007199254740992"},
    {"\"user_type\":3", "\"user_type\":-3", "f:1: user_type: expected a whole number from 0 to 1048576, found -3"},
    {"\"turn\":2", "\"turn\":3", "f:1: turns[1].turn: expected a whole number from 2 to 2, found 3"},
    {"\"style\"", "\"stile\"", "f:1: turns[0].slate[1].category: expected \"rephrase\", \"expand\", \"style\", \"subject\" or \"creative\", "
                               "found \"stile\""},
    {"\"candidate\":1", "\"candidate\":2", "f:1: turns[0].slate[0].candidate: expected a whole number from 0 to 1, found 2"},
    {"[0.25,-1e-07]", "[0.25]", "f:1: turns[0].scores: expected 2 items, found 1"},
    {"[0.25,-1e-07]", "[0.25,\"x\"]", "f:1: turns[0].scores[1]: expected a number, found a string"},
    {"\"choice\":0", "\"choice\":1", "f:1: turns[1].choice: expected a whole number from 0 to 0, found 1"},
    {"\"choice\":null", "\"chosen\":null", "f:1: turns[0].choice: expected a column or null, found nothing"},
    {"7.25", "10.5", "f:1: turns[1].rating: expected a number from 1 to 10, found 10.5"},
    {"\"better\"", "\"nicer\"", "f:1: turns[1].vs_previous: expected \"worse\", \"same\" or \"better\", found \"nicer\""},
    {"\"choice\":null", "\"choice\":null,\"vs_previous\":\"same\"", "f:1: turns[0].vs_previous: expected nothing in the first turn, found an answer"},
    {"3.5", "-3.5", "f:1: turns[1].seconds: expected a number from 0 to inf, found -3.5"},
    {"\"x1\"", "{}", "f:1: turns[0].slate[0].images[1].id: expected a string, found an object"},
    {"\"session_id\"", "\"seed\":1,\"session_id\"", "f:1: seed: expected each key once, found it twice"},
    {"an animal", "an \xff animal", "f:1: expected UTF-8, found other bytes"},
    {"an animal", "an\\u0000 animal", "f:1: expected text, found a NUL character"},
    {"\"s1\"", "\"\\\\\\u0000\"", "f:1: expected text, found a NUL character"},
    {"\"turns\"", "\"turns\":[],\"other\"", "f:1: turns: expected 1 to 64 items, found 0"},
    {"\"turns\":[", "\"turns\":[7,", "f:1: turns[0]: expected an object, found a number"},
    {"\"checks\":[", "\"checks\":7,\"others\":[", "f:1: checks: expected an array, found a number"},
    {"\"checks\":[", "\"checks\":[[],", "f:1: checks[0]: expected an object, found an array"},
    {"\"after_turn\":1", "\"after_turn\":3", "f:1: checks[0].after_turn: expected a whole number from 0 to 2, found 3"},
    {"\"after_turn\":2", "\"after_turn\":0", "f:1: checks[1].after_turn: expected a whole number from 1 to 2, found 0"},
    {"\"repeat\"", "\"again\"", "f:1: checks[0].kind: expected \"attention\" or \"repeat\", found \"again\""},
    {"\"repeat_of\":1", "\"repeat_of\":2", "f:1: checks[0].repeat_of: expected a whole number from 1 to 1, found 2"},
    {"\"repeat_of\":1", "\"repeat_of\":0", "f:1: checks[0].repeat_of: expected a whole number from 1 to 1, found 0"},
    {"\"repeat_of\":1", "\"repeat_of\":null", "f:1: checks[0].repeat_of: expected a whole number, found null"},
    {"\"repeat_of\":1", "\"repeat_of\":1,\"expected\":0", "f:1: checks[0].expected: expected nothing in a check of kind repeat, found a value"},
    {"\"expected\":1", "\"expected\":2", "f:1: checks[1].expected: expected a whole number from 0 to 1, found 2"},
    {"\"expected\":1,", "", "f:1: checks[1].expected: expected a whole number, found nothing"},
    {"\"expected\":1", "\"expected\":1,\"repeat_of\":1", "f:1: checks[1].repeat_of: expected nothing in a check of kind attention, found a value"},
    {"\"slate\":[{\"prompt\":\"ein B", "\"slate\":[{\"prompt\":\"ein b", "f:1: checks[0].slate: expected the columns of turn 1 in any order, found others"},
    {IMAGES("y") "},{\"prompt\":\"a \\\"dog\\\"\\n\",\"category\":\"creative\",\"candidate\":1," IMAGES("x") "}],\"repeat_of\"", IMAGES("y") "}],\"repeat_of\"",
     "f:1: checks[0].slate: expected the columns of turn 1 in any order, found others"}, /* a column too few */
    {"\"candidate\":1," IMAGES("x") "}],\"repeat_of\"", "\"candidate\":1," IMAGES("w") "}],\"repeat_of\"",
     "f:1: checks[0].slate: expected the columns of turn 1 in any order, found others"},
    {"{\"prompt\":\"a \\\"dog\\\"\\n\",\"category\":\"creative\",\"candidate\":1," IMAGES("x") "}],\"repeat_of\"",
     "{\"prompt\":\"ein B\xc3\xa4r\",\"category\":\"style\"," IMAGES("y") "}],\"repeat_of\"",
     "f:1: checks[0].slate: expected the columns of turn 1 in any order, found others"}, /* one of them twice */
    {"\"choice\":1}", "\"choice\":2}", "f:1: checks[0].choice: expected a whole number from 0 to 1, found 2"},
    {",\"choice\":1}", "}", "f:1: checks[0].choice: expected a column or null, found nothing"},
    {"\"u0\"", "\"\"", "f:1: checks[1].slate[0].images[0].id: expected a string, found an empty one"},
    {"0.5}", "-0.5}", "f:1: checks[1].seconds: expected a number from 0 to inf, found -0.5"},
    {"\"seed\":123,", "\"seed\":123;", NULL}, /* the column is the parser's business */
};

static char *replaced(const char *text, const char *old, const char *new)
{
    const char *at = strstr(text, old);
    assert_non_null(at);
    char *result = malloc(strlen(text) + strlen(new) + 1);
    sprintf(result, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
    return result;
}

static void broken_sessions_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_sessions / sizeof *bad_sessions; i++) {
        char *line = replaced(SESSION, bad_sessions[i].old, bad_sessions[i].new);
        struct pasta_err err = {0};
        struct pasta_arena arena = {0};
        struct pasta_session s;
        assert_int_equal(pasta_session_parse(line, strlen(line), "f:1", &arena, &s, &err), PASTA_ERR_INPUT);
        if (bad_sessions[i].message)
            assert_string_equal(err.message, bad_sessions[i].message);
        else
            assert_non_null(strstr(err.message, "f:1: broken JSON at column"));
        pasta_arena_release(&arena);
        free(line);
    }
}

/* Every prefix of a line is broken, and none may crash or be taken for a record. */
static void truncated_lines_are_refused(void **state)
{
    (void)state;
    struct pasta_arena arena = {0};
    for (size_t n = 0; n < strlen(SESSION); n++) {
        struct pasta_err err = {0};
        struct pasta_session s;
        char *copy = malloc(n + 1); /* exact size, for the sanitizer */
        memcpy(copy, SESSION, n);
        assert_int_equal(pasta_session_parse(copy, n, "f:1", &arena, &s, &err), PASTA_ERR_INPUT);
        free(copy);
    }
    pasta_arena_release(&arena);
}

static void file_with_bad_lines(void **state)
{
    (void)state;
    struct pasta_str text = {0};
    for (int i = 1; i <= 9; i++)
        pasta_str_add(&text, i == 7 ? "{\"schema\":\"pasta.session/1\",\n" : i == 4 ? "\n" : SESSION "\n");
    const char *path = write_text("bad.jsonl", text.data);
    struct pasta_sessions s = {0};
    struct pasta_err err = {0};
    assert_int_equal(pasta_sessions_read(path, 0, NULL, &s, &err), PASTA_ERR_INPUT);
    char expected[300];
    snprintf(expected, sizeof expected, "%s:7: broken JSON at column ", path);
    assert_memory_equal(err.message, expected, strlen(expected));
    assert_int_equal(s.n, 0);
    int64_t skipped = -1;
    err = (struct pasta_err){0};
    assert_int_equal(pasta_sessions_read(path, 1, &skipped, &s, &err), PASTA_OK);
    assert_int_equal(skipped, 1);
    assert_int_equal(s.n, 7); /* 9 lines less the bad and the blank one */
    /* a second file is appended; a failing one changes nothing */
    path = write_text("good.jsonl", SESSION); /* no newline at the end */
    assert_int_equal(pasta_sessions_read(path, 0, &skipped, &s, &err), PASTA_OK);
    assert_int_equal(s.n, 8);
    assert_int_equal(skipped, 0);
    assert_int_equal(pasta_sessions_read(path_of("bad.jsonl"), 0, NULL, &s, &err), PASTA_ERR_INPUT);
    assert_int_equal(s.n, 8);
    pasta_sessions_release(&s);
    pasta_str_release(&text);
}

static void file_without_records(void **state)
{
    (void)state;
    const char *const texts[] = {"", "\n\n", "{}\n"};
    for (int i = 0; i < 3; i++) {
        const char *path = write_text("empty.jsonl", texts[i]);
        struct pasta_sessions s = {0};
        struct pasta_err err = {0};
        assert_int_equal(pasta_sessions_read(path, 5, NULL, &s, &err), PASTA_ERR_INPUT);
        assert_non_null(strstr(err.message, "expected records, found"));
        pasta_sessions_release(&s);
    }
    struct pasta_sessions s = {0};
    struct pasta_err err = {0};
    assert_int_equal(pasta_sessions_read(path_of("missing.jsonl"), 5, NULL, &s, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "No such file or directory"));
}

static void gzip_equals_plain(void **state)
{
    (void)state;
    struct pasta_str text = {0}, again = {0};
    for (int i = 0; i < 200; i++)
        pasta_str_add(&text, SESSION "\n");
    write_text("s.jsonl", text.data);
    const char *path = write_text("s.jsonl.gz", text.data);
    struct pasta_sessions s = {0};
    struct pasta_err err = {0};
    assert_int_equal(pasta_sessions_read(path, 0, NULL, &s, &err), PASTA_OK);
    assert_int_equal(s.n, 200);
    for (size_t i = 0; i < s.n; i++)
        pasta_session_print(&s.items[i], &again);
    assert_string_equal(again.data, text.data);
    pasta_sessions_release(&s);
    pasta_str_release(&text);
    pasta_str_release(&again);
}

#define PREFERENCE "{\"schema\":\"pasta.preference/1\",\"prompt\":\"a cat\",\"images\":[\"i1\",\"i2\"],\"label\":0.5,\"user_id\":\"u\"}"
#define RATING "{\"schema\":\"pasta.rating/1\",\"prompt\":\"a cat\",\"image\":\"i1\",\"rating\":3.5,\"scale\":[1,5]}"
#define RANKING "{\"schema\":\"pasta.ranking/1\",\"prompt\":\"a cat\",\"images\":[\"i1\",\"i2\",\"i3\"],\"ranks\":[1,2.5,2.5],\"user_id\":\"u\"}"

static void single_round_trips(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_str text = {0};
    struct pasta_preferences p = {0};
    assert_int_equal(pasta_preferences_read(write_text("p.jsonl", PREFERENCE "\n"), 0, NULL, &p, &err), PASTA_OK);
    assert_string_equal(p.items[0].image[1], "i2");
    pasta_preference_print(&p.items[0], &text);
    struct pasta_ratings r = {0};
    assert_int_equal(pasta_ratings_read(write_text("r.jsonl", RATING "\n"), 0, NULL, &r, &err), PASTA_OK);
    assert_null(r.items[0].user_id);
    assert_true(r.items[0].lo == 1 && r.items[0].hi == 5);
    pasta_rating_print(&r.items[0], &text);
    struct pasta_rankings k = {0};
    assert_int_equal(pasta_rankings_read(write_text("k.jsonl", RANKING "\n"), 0, NULL, &k, &err), PASTA_OK);
    assert_true(k.items[0].n == 3 && k.items[0].ranks[2] == 2.5);
    assert_true(k.items[0].ranks[0] == 1 && k.items[0].ranks[1] == 2.5);
    assert_string_equal(k.items[0].prompt, "a cat");
    assert_string_equal(k.items[0].images[2], "i3");
    assert_string_equal(k.items[0].user_id, "u");
    assert_string_equal(text.data, PREFERENCE "\n" RATING "\n");
    pasta_str_release(&text);
    pasta_preferences_release(&p);
    pasta_ratings_release(&r);
    pasta_rankings_release(&k);
}

static void broken_singles_are_refused(void **state)
{
    (void)state;
    static const struct {
        char kind;
        const char *old, *new, *message;
    } cases[] = {
        {'p', "0.5", "0.7", "label: expected 0, 0.5 or 1, found 0.7"},
        {'p', "0.5", "true", "label: expected a number, found a boolean"},
        {'p', "\"i2\"", "\"i2\",\"i3\"", "images: expected 2 items, found 3"},
        {'p', "\"i2\"", "null", "images[1]: expected a string, found null"},
        {'p', "preference/1", "session/1", "(this file holds sessions)"},
        {'r', "3.5", "0.5", "rating: expected a number from 1 to 5, found 0.5"},
        {'r', "[1,5]", "[5,1]", "scale: expected a lower and a higher end, found [5, 1]"},
        {'r', "[1,5]", "[1]", "scale: expected 2 items, found 1"},
        {'r', "\"image\"", "\"picture\"", "image: expected a string, found nothing"},
        {'k', "[1,2.5,2.5]", "[1,2]", "ranks: expected 3 items, found 2"},
        {'k', "[1,2.5,2.5]", "[0,1,2]", "ranks[0]: expected a number from 1 to inf, found 0"},
        {'k', "\"i1\",\"i2\",\"i3\"", "\"i1\"", "images: expected 2 to 4096 items, found 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *line = replaced(cases[i].kind == 'p' ? PREFERENCE : cases[i].kind == 'r' ? RATING : RANKING, cases[i].old, cases[i].new);
        const char *path = write_text("one.jsonl", line);
        struct pasta_err err = {0};
        struct pasta_preferences p = {0};
        struct pasta_ratings r = {0};
        struct pasta_rankings k = {0};
        pasta_status status = cases[i].kind == 'p'   ? pasta_preferences_read(path, 0, NULL, &p, &err)
                              : cases[i].kind == 'r' ? pasta_ratings_read(path, 0, NULL, &r, &err)
                                                     : pasta_rankings_read(path, 0, NULL, &k, &err);
        assert_int_equal(status, PASTA_ERR_INPUT);
        assert_non_null(strstr(err.message, "one.jsonl:1: "));
        assert_non_null(strstr(err.message, cases[i].message));
        pasta_preferences_release(&p);
        pasta_ratings_release(&r);
        pasta_rankings_release(&k);
        free(line);
    }
}

static void read_prompts(const char *name, const char *text, size_t n, const char *first, const char *last)
{
    struct pasta_prompts p = {0};
    struct pasta_err err = {0};
    if (pasta_prompts_read(write_text(name, text), &p, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    assert_int_equal(p.n, n);
    assert_string_equal(p.items[0], first);
    assert_string_equal(p.items[n - 1], last);
    pasta_prompts_release(&p);
}

static void prompts_of_each_format(void **state)
{
    (void)state;
    read_prompts("p.txt", "\xEF\xBB\xBF one \r\n\n  \ntwo", 2, "one", "two");
    read_prompts("p.txt.gz", "one\ntwo\n", 2, "one", "two");
    read_prompts("p.tsv", "Id\tPrompt\tNote\n1\ta \"cat\"\tx\n2\t\ty\n3\tdog\n", 2, "a \"cat\"", "dog");
    read_prompts("p.jsonl", "{\"text\":\"one\"}\n{\"prompt\":\"two\"}\n", 2, "one", "two");
    read_prompts("p.jsonl", "{\"text\":\"one\\nline\"}\n{\"text\":\"\\n\"}\n{\"prompt\":\"a\\ttab\\n\"}\n", 2, "one line", "a tab");
}

static void prompts_as_they_are(void **state)
{
    (void)state;
    static const struct { const char *name, *text, *want[4]; } cases[] = {
        {"p.txt", "\n one \r\n\ttwo", {"", " one ", "\ttwo"}},
        {"p.list", "\xEF\xBB\xBF" "one\n\n", {"one", ""}},
        {"p.jsonl", "{\"text\":\"one\\nline \"}\n\n{\"text\":\"\"}\n{\"prompt\":\" two\"}\n", {"one\nline ", "", " two"}},
        {"p.tsv", "Prompt\tNote\n a \tx\n\ty\nb\n", {"a", "b"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_err err = {0};
        struct pasta_prompt_lines p = {0};
        const char *text;
        assert_int_equal(pasta_prompt_lines_open(&p, write_text(cases[i].name, cases[i].text), true, &err), PASTA_OK);
        for (int j = 0; cases[i].want[j]; j++) {
            assert_int_equal(pasta_prompt_lines_next(&p, &text, &err), PASTA_OK);
            assert_non_null(text);
            assert_string_equal(text, cases[i].want[j]);
        }
        assert_int_equal(pasta_prompt_lines_next(&p, &text, &err), PASTA_OK);
        assert_null(text);
        pasta_prompt_lines_close(&p);
    }
}

static void broken_prompts_are_refused(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"p.csv", "a\n", "expected a name in .txt, .tsv or .jsonl"},
        {"p.txt", "\n \n", "expected prompts, found none"},
        {"p.tsv", "Prompt\n", "expected prompts, found none"},
        {"p.tsv", "Id\tNote\n1\tx\n", "p.tsv:1: expected a header with a column"},
        {"p.tsv", "Id\tPrompt\n1\ta\n2\n", "p.tsv:3: expected at least 2 columns, found fewer"},
        {"p.jsonl", "{\"text\":\"a\"}\n{\"txt\":\"b\"}\n", "p.jsonl:2: prompt: expected a string, found nothing"},
        {"p.jsonl", "{\"text\":\"a\"}\n{\"text\":", "p.jsonl:2: broken JSON"},
        {"p.txt", "fine\n\xc3(\n", "p.txt:2: expected UTF-8 text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_prompts p = {0};
        struct pasta_err err = {0};
        assert_int_equal(pasta_prompts_read(write_text(cases[i][0], cases[i][1]), &p, &err), PASTA_ERR_INPUT);
        assert_non_null(strstr(err.message, cases[i][2]));
        assert_int_equal(p.n, 0);
        pasta_prompts_release(&p);
    }
}

static void parti_prompts(void **state)
{
    (void)state;
    const char *shared = getenv("PASTA_SHARED");
    char path[512];
    snprintf(path, sizeof path, "%s/data/PartiPrompts.tsv", shared ? shared : "../shared");
    if (!pasta_file_exists(path)) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    struct pasta_prompts p = {0};
    struct pasta_err err = {0};
    assert_int_equal(pasta_prompts_read(path, &p, &err), PASTA_OK);
    assert_int_equal(p.n, 1632);
    assert_string_equal(p.items[0], "bond");
    pasta_prompts_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_round_trip),
        cmocka_unit_test(checks_of_equal_columns_and_none),
        cmocka_unit_test(pieces_round_trip),
        cmocka_unit_test(broken_pieces_are_refused),
        cmocka_unit_test(unknown_fields_are_tolerated),
        cmocka_unit_test(broken_sessions_are_refused),
        cmocka_unit_test(truncated_lines_are_refused),
        cmocka_unit_test(file_with_bad_lines),
        cmocka_unit_test(file_without_records),
        cmocka_unit_test(gzip_equals_plain),
        cmocka_unit_test(single_round_trips),
        cmocka_unit_test(broken_singles_are_refused),
        cmocka_unit_test(prompts_of_each_format),
        cmocka_unit_test(prompts_as_they_are),
        cmocka_unit_test(broken_prompts_are_refused),
        cmocka_unit_test(parti_prompts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
