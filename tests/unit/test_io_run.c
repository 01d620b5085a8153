/* What a run leaves behind: its folder, parts, curves and manifest; resumed runs equal uninterrupted ones. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../src/io/tfevents.h"
#include "pasta/base/config.h"
#include "pasta/base/json.h"
#include "pasta/io/file.h"
#include "pasta/io/manifest.h"
#include "pasta/io/metrics.h"
#include "pasta/io/parts.h"
#include "pasta/io/sha256.h"

static char folder[64];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/pasta-run-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* A path in the test's folder; four may be in use at a time. */
static const char *path_of(const char *name)
{
    static char paths[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder, name);
    return paths[turn];
}

static void put(const char *name, const char *text)
{
    struct pasta_err err = {0};
    assert_int_equal(pasta_file_write(path_of(name), text, strlen(text), &err), PASTA_OK);
}

static struct pasta_str get(const char *name)
{
    struct pasta_err err = {0};
    struct pasta_str text = {0};
    if (pasta_file_read(path_of(name), &text, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return text;
}

/* --- run folders --- */

static const char *const owned[] = {"sessions.jsonl", "parts/", "images/", NULL};

static void run_folder_rules(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    bool complete = true;
    const char *run = path_of("run/deep");
    assert_int_equal(pasta_run_dir(run, false, false, owned, &complete, &err), PASTA_OK);
    assert_false(complete);
    put("run/deep/sessions.jsonl", "x");
    assert_int_equal(pasta_run_dir(path_of("run/deep"), false, false, owned, &complete, &err), PASTA_ERR_USAGE);
    assert_non_null(strstr(err.message, "--resume"));
    assert_non_null(strstr(err.message, "--force"));
    err = (struct pasta_err){0};
    assert_int_equal(pasta_run_dir(path_of("run/deep"), false, true, owned, &complete, &err), PASTA_OK);
    assert_false(complete);
    put("run/deep/manifest.json", "{}");
    assert_int_equal(pasta_run_dir(path_of("run/deep"), false, true, owned, &complete, &err), PASTA_OK);
    assert_true(complete);
    assert_true(pasta_file_exists(path_of("run/deep/sessions.jsonl")));
}

static void force_removes_only_what_is_owned(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    bool complete = true;
    assert_int_equal(pasta_mkdirs(path_of("run/deep/images/ab"), &err), PASTA_OK);
    put("run/deep/images/ab/1.png", "x");
    put("run/deep/notes.txt", "mine");
    put("outside.txt", "mine too");
    assert_int_equal(symlink(path_of("outside.txt"), path_of("run/deep/images/ab/link")), 0);
    assert_int_equal(symlink(folder, path_of("run/deep/images/up")), 0);
    assert_int_equal(pasta_run_dir(path_of("run/deep"), true, false, owned, &complete, &err), PASTA_OK);
    assert_false(complete);
    assert_false(pasta_file_exists(path_of("run/deep/manifest.json")));
    assert_false(pasta_file_exists(path_of("run/deep/sessions.jsonl")));
    assert_false(pasta_file_exists(path_of("run/deep/images")));
    assert_true(pasta_file_exists(path_of("run/deep/notes.txt")));
    assert_true(pasta_file_exists(path_of("outside.txt"))); /* links are removed, not followed */
    assert_int_equal(pasta_mkdirs(path_of("elsewhere"), &err), PASTA_OK);
    put("elsewhere/1.png", "x");
    assert_int_equal(symlink(path_of("elsewhere"), path_of("run/deep/images")), 0);
    put("run/deep/settings.json", "{}");
    assert_int_equal(pasta_run_dir(path_of("run/deep"), false, true, owned, &complete, &err), PASTA_OK);
    assert_int_equal(pasta_run_dir(path_of("run/deep"), true, false, owned, &complete, &err), PASTA_OK);
    assert_false(pasta_file_exists(path_of("run/deep/images")));
    assert_true(pasta_file_exists(path_of("elsewhere/1.png")));
}

static void force_leaves_a_folder_that_no_run_made(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    static const char *const names[] = {"images/", "settings.json", NULL};
    assert_int_equal(pasta_mkdirs(path_of("home/images"), &err), PASTA_OK);
    put("home/images/holiday.png", "mine");
    assert_int_equal(pasta_run_dir(path_of("home"), true, false, names, NULL, &err), PASTA_ERR_USAGE);
    assert_non_null(strstr(err.message, "holds 'images/' but neither settings.json nor manifest.json"));
    assert_true(pasta_file_exists(path_of("home/images/holiday.png")));
    err = (struct pasta_err){0};
    put("home/settings.json", "{}");
    assert_int_equal(pasta_run_dir(path_of("home"), true, false, names, NULL, &err), PASTA_OK);
    assert_false(pasta_file_exists(path_of("home/images")));
    assert_false(pasta_file_exists(path_of("home/settings.json")));
    assert_int_equal(pasta_run_dir(path_of("home"), true, false, names, NULL, &err), PASTA_OK); /* nothing of ours in it */
}

static void stale_temporaries_go(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    assert_int_equal(pasta_mkdirs(path_of("stale/parts"), &err), PASTA_OK);
    put("stale/.sessions.jsonl.tmp.123.0", "half");
    put("stale/parts/.s-000001.jsonl.tmp.123.7", "half");
    put("stale/parts/s-000000.jsonl", "whole");
    put("stale/.tmp.notes", "not one of ours");
    assert_int_equal(pasta_run_dir(path_of("stale"), false, true, owned, NULL, &err), PASTA_OK);
    assert_false(pasta_file_exists(path_of("stale/.sessions.jsonl.tmp.123.0")));
    assert_false(pasta_file_exists(path_of("stale/parts/.s-000001.jsonl.tmp.123.7")));
    assert_true(pasta_file_exists(path_of("stale/parts/s-000000.jsonl")));
    assert_true(pasta_file_exists(path_of("stale/.tmp.notes")));
}

static void run_folder_that_is_a_file(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    put("file", "x");
    assert_int_equal(pasta_run_dir(path_of("file"), true, false, owned, NULL, &err), PASTA_ERR_USAGE);
    assert_non_null(strstr(err.message, "expected a folder, found a file"));
}

/* --- parts --- */

static void write_part(const char *dir, int part, const char *text)
{
    struct pasta_err err = {0};
    struct pasta_str s = {0};
    pasta_str_add(&s, text);
    assert_int_equal(pasta_part_write(path_of(dir), "s", part, &s, &err), PASTA_OK);
    pasta_str_release(&s);
}

static void parts_join_in_order(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    assert_false(pasta_part_done(path_of("j"), "s", 0));
    write_part("j", 2, "c\n");
    write_part("j", 0, "a\n");
    assert_int_equal(pasta_parts_join(path_of("j"), "s", 3, &err), PASTA_ERR_INPUT); /* part 1 is missing */
    assert_false(pasta_file_exists(path_of("j/s.jsonl")));
    err = (struct pasta_err){0};
    write_part("j", 1, "");
    assert_true(pasta_part_done(path_of("j"), "s", 1));
    assert_int_equal(pasta_parts_join(path_of("j"), "s", 3, &err), PASTA_OK);
    struct pasta_str text = get("j/s.jsonl");
    assert_string_equal(text.data, "a\nc\n");
    pasta_str_release(&text);
    assert_false(pasta_file_exists(path_of("j/parts")));
    /* killed between the join and the clearing up: parts are left, the joined file counts */
    write_part("j", 1, "other\n");
    assert_true(pasta_part_done(path_of("j"), "s", 0));
    assert_int_equal(pasta_parts_join(path_of("j"), "s", 3, &err), PASTA_OK);
    assert_false(pasta_file_exists(path_of("j/parts")));
    text = get("j/s.jsonl");
    assert_string_equal(text.data, "a\nc\n");
    pasta_str_release(&text);
}

/* --- curves --- */

static void crc_vectors(void **state)
{
    (void)state;
    uint8_t b[32];
    assert_int_equal(pasta_crc32c("123456789", 9), 0xE3069283); /* RFC 3720, appendix B.4, for this and the next */
    memset(b, 0, sizeof b);
    assert_int_equal(pasta_crc32c(b, 32), 0x8A9136AA);
    memset(b, 0xFF, sizeof b);
    assert_int_equal(pasta_crc32c(b, 32), 0x62A8AB43);
    for (int i = 0; i < 32; i++)
        b[i] = (uint8_t)i;
    assert_int_equal(pasta_crc32c(b, 32), 0x46DD794E);
    for (int i = 0; i < 32; i++)
        b[i] = (uint8_t)(31 - i);
    assert_int_equal(pasta_crc32c(b, 32), 0x113FDB5C);
    assert_int_equal(pasta_crc32c("", 0), 0);
}

/* The record that TensorFlow's own writer begins a file with, but for the wall time, which is 0 here: tag 9, 8 bytes,
 * tag 0x1a, length 13, "brain.Event:2". */
static void event_bytes(void **state)
{
    (void)state;
    struct pasta_str s = {0};
    pasta_tfevents_header(&s);
    assert_int_equal(s.length, 8 + 4 + 24 + 4);
    assert_memory_equal(s.data, "\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22", 12); /* 24 bytes; the CRC is in every event file */
    assert_memory_equal(s.data + 12, "\x09\0\0\0\0\0\0\0\0\x1a\x0d" "brain.Event:2", 24);
    pasta_str_clear(&s);
    const char *names[] = {"a", "b/c"};
    const double values[] = {1.5, -2};
    pasta_tfevents_scalars(&s, 300, names, values, 2);
    static const char event[] = "\x09\0\0\0\0\0\xc0\x72\x40" /* wall_time 300.0 */
                                "\x10\xac\x02"               /* step 300 */
                                "\x2a\x16"                   /* summary of 22 bytes */
                                "\x0a\x08\x0a\x01" "a\x15\0\0\xc0\x3f"
                                "\x0a\x0a\x0a\x03" "b/c\x15\0\0\0\xc0";
    assert_int_equal(s.length, 16 + sizeof event - 1);
    assert_memory_equal(s.data + 12, event, sizeof event - 1);
    pasta_str_release(&s);
}

/* Every record of an event file checks; returns how many there are. */
static int count_events(const struct pasta_str *s)
{
    int n = 0;
    for (size_t at = 0; at < s->length; n++) {
        uint64_t length;
        uint32_t check;
        memcpy(&length, s->data + at, 8);
        memcpy(&check, s->data + at + 8, 4);
        assert_int_equal(check, pasta_crc32c_masked(s->data + at, 8));
        assert_true(at + 16 + length <= s->length);
        memcpy(&check, s->data + at + 12 + length, 4);
        assert_int_equal(check, pasta_crc32c_masked(s->data + at + 12, length));
        at += 16 + length;
    }
    return n;
}

/* A training run of `to` steps that writes curves and "checkpoints" every 10. */
static void train(const char *dir, int64_t from, int64_t to, int64_t resume_step)
{
    struct pasta_err err = {0};
    struct pasta_metrics *m;
    assert_int_equal(pasta_mkdirs(path_of(dir), &err), PASTA_OK);
    assert_int_equal(pasta_metrics_open(&m, path_of(dir), resume_step, &err), PASTA_OK);
    for (int64_t step = from; step <= to; step++) {
        if (step % 2 == 0) {
            pasta_metrics_put(m, step, "loss/v", 1.0 / (double)(step + 3));
            pasta_metrics_put(m, step, "lr", 0.1);
            pasta_metrics_put(m, step, "loss/v", step == 6 ? NAN : 1.0 / (double)(step + 3));
        }
        if (step % 10 == 0)
            assert_int_equal(pasta_metrics_flush(m, &err), PASTA_OK);
    }
    assert_int_equal(pasta_metrics_close(m, &err), PASTA_OK);
}

static const char *const curve_files[] = {"metrics.jsonl", "events.out.tfevents.0.pasta"};

static void curves_of_a_resumed_run(void **state)
{
    (void)state;
    train("whole", 1, 40, -1);
    train("cut", 1, 27, -1);
    /* what a kill leaves: half a row in one file, garbage at the end of the other */
    FILE *file = fopen(path_of("cut/metrics.jsonl"), "a");
    fputs("{\"schema\":\"pasta.metrics/1\",\"step\":2", file);
    fclose(file);
    file = fopen(path_of("cut/events.out.tfevents.0.pasta"), "a");
    fputs("\x18", file);
    fclose(file);
    train("cut", 21, 40, 20);
    for (int i = 0; i < 2; i++) {
        char a[64], b[64];
        snprintf(a, sizeof a, "whole/%s", curve_files[i]);
        snprintf(b, sizeof b, "cut/%s", curve_files[i]);
        struct pasta_str whole = get(a), cut = get(b);
        assert_int_equal(whole.length, cut.length);
        assert_memory_equal(whole.data, cut.data, whole.length);
        if (i == 1)
            assert_int_equal(count_events(&whole), 21); /* the header and 20 rows */
        else {
            assert_non_null(strstr(whole.data, "{\"schema\":\"pasta.metrics/1\",\"step\":6,\"loss/v\":null,\"lr\":0.1}\n"));
            assert_non_null(strstr(whole.data, "\"step\":40,"));
        }
        pasta_str_release(&whole);
        pasta_str_release(&cut);
    }
    train("cut", 1, 4, -1); /* a fresh run replaces */
    struct pasta_str text = get("cut/metrics.jsonl");
    assert_null(strstr(text.data, "\"step\":40,"));
    pasta_str_release(&text);
}

/* A flush that meets a full disk (here: a limit on file sizes) takes back what it had written; with room again nothing is missing. */
static void curves_on_a_full_disk(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_metrics *m;
    struct rlimit old, tight;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = 1000;
    assert_int_equal(pasta_mkdirs(path_of("full"), &err), PASTA_OK);
    assert_int_equal(pasta_metrics_open(&m, path_of("full"), -1, &err), PASTA_OK);
    for (int64_t step = 0; step < 40; step++)
        pasta_metrics_put(m, step, "loss", (double)step);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    assert_int_equal(pasta_metrics_flush(m, &err), PASTA_ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_non_null(strstr(err.message, "full/metrics.jsonl': File too large"));
    struct pasta_str text = get("full/metrics.jsonl");
    assert_int_equal(text.length, 0);
    err = (struct pasta_err){0};
    assert_int_equal(pasta_metrics_close(m, &err), PASTA_OK);
    pasta_str_release(&text);
    text = get("full/metrics.jsonl");
    int rows = 0;
    for (const char *p = text.data; (p = strstr(p, "\"step\":")); p++)
        rows++;
    assert_int_equal(rows, 40);
    pasta_str_release(&text);
}

static void broken_curves_are_refused(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_metrics *m;
    assert_int_equal(pasta_mkdirs(path_of("broken"), &err), PASTA_OK);
    put("broken/metrics.jsonl", "{\"schema\":\"pasta.metrics/1\",\"step\":1,\"a\":1}\n{\"step\":\n");
    assert_int_equal(pasta_metrics_open(&m, path_of("broken"), 5, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "broken/metrics.jsonl:2: broken JSON"));
    assert_int_equal(pasta_metrics_close(NULL, &err), PASTA_OK);
}

/* --- manifest --- */

static void manifest_holds_everything(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_config config;
    pasta_config_init(&config);
    config.seed = 77;
    put("input.txt", "abc");
    assert_int_equal(pasta_mkdirs(path_of("model/sub"), &err), PASTA_OK);
    put("model/b.bin", "b");
    put("model/sub/a.bin", "abc");
    put("model/sub.txt", "");
    put("model/.hidden", "no");
    assert_int_equal(pasta_mkdirs(path_of("m"), &err), PASTA_OK);
    put("m/sessions.jsonl", "abc");
    char *argv[] = {"pasta-collect", "--out", "a \"b\""};
    struct pasta_manifest *m = pasta_manifest_new("pasta-collect", 3, argv, &config);
    pasta_manifest_library(m, "zlib", "1.2.13");
    assert_int_equal(pasta_manifest_input(m, path_of("input.txt"), &err), PASTA_OK);
    assert_int_equal(pasta_manifest_input(m, path_of("input.txt"), &err), PASTA_OK); /* twice is once */
    assert_int_equal(pasta_manifest_input(m, path_of("model"), &err), PASTA_OK);
    assert_int_equal(pasta_manifest_output(m, path_of("m"), "sessions.jsonl", &err), PASTA_OK);
    pasta_manifest_count(m, "sessions", 1);
    pasta_manifest_count(m, "sessions", 3);
    assert_int_equal(pasta_manifest_output(m, path_of("m"), "missing.jsonl", &err), PASTA_ERR_INPUT);
    err = (struct pasta_err){0};
    assert_int_equal(pasta_manifest_write(m, path_of("m"), &err), PASTA_OK);
    pasta_manifest_free(m);
    pasta_config_release(&config);

    struct pasta_str text = get("m/manifest.json");
    cJSON *tree;
    assert_int_equal(pasta_json_parse(text.data, text.length, "manifest", &tree, &err), PASTA_OK);
    const char *const keys[] = {"schema", "program", "version", "commit", "arguments", "seed", "libraries", "inputs", "outputs", "counts",
                                "config", "started", "wall_seconds"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_true(pasta_json_has(tree, keys[i]));
    assert_int_equal(cJSON_GetObjectItem(tree, "seed")->valuedouble, 77);
    assert_int_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(tree, "counts"), "sessions")->valuedouble, 3);
    assert_string_equal(cJSON_GetArrayItem(cJSON_GetObjectItem(tree, "arguments"), 2)->valuestring, "a \"b\"");
    const cJSON *inputs = cJSON_GetObjectItem(tree, "inputs");
    assert_int_equal(cJSON_GetArraySize(inputs), 2);
    assert_string_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(inputs, 0), "sha256")->valuestring,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    /* the folder's digest is what sha256sum makes of the list of its files */
    struct pasta_str list = {0};
    const char *const files[][2] = {{"b", "./b.bin"}, {"", "./sub.txt"}, {"abc", "./sub/a.bin"}};
    char hex[65];
    for (int i = 0; i < 3; i++) {
        pasta_sha256(files[i][0], strlen(files[i][0]), hex);
        pasta_str_printf(&list, "%s  %s\n", hex, files[i][1]);
    }
    pasta_sha256(list.data, list.length, hex);
    assert_string_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(inputs, 1), "sha256")->valuestring, hex);
    assert_int_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(inputs, 1), "files")->valuedouble, 3);
    assert_int_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(inputs, 1), "bytes")->valuedouble, 4);
    cJSON_Delete(tree);
    pasta_str_release(&list);
    pasta_str_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_folder_rules),
        cmocka_unit_test(force_removes_only_what_is_owned), cmocka_unit_test(force_leaves_a_folder_that_no_run_made),
        cmocka_unit_test(stale_temporaries_go),
        cmocka_unit_test(run_folder_that_is_a_file),
        cmocka_unit_test(parts_join_in_order),
        cmocka_unit_test(crc_vectors),
        cmocka_unit_test(event_bytes),
        cmocka_unit_test(curves_of_a_resumed_run),
        cmocka_unit_test(curves_on_a_full_disk),
        cmocka_unit_test(broken_curves_are_refused),
        cmocka_unit_test(manifest_holds_everything),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
