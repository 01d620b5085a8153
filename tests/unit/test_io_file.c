/* Files appear whole or not at all; every kind of damage is named; a full disk leaves nothing behind. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pasta/base/mem.h"
#include "pasta/base/threads.h"
#include "pasta/io/file.h"
#include "pasta/io/safetensors.h"
#include "pasta/io/sha256.h"

static char folder[64];

static const char *path_of(const char *name)
{
    static char paths[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder, name);
    return paths[turn];
}

static int setup(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    strcpy(folder, "/tmp/pasta-file-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    umount(path_of("disk")); /* where a test stopped before it could */
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* Names in a folder, hidden ones included. */
static int count_files(const char *path)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    int n = 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2;
}

static void write_raw(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* Text that does not compress to nothing. */
static struct pasta_str sample(size_t lines)
{
    struct pasta_str s = {0};
    uint32_t x = 1;
    for (size_t i = 0; i < lines; i++, x = x * 1664525u + 1013904223u)
        pasta_str_printf(&s, "line %zu %08x\n", i, x);
    return s;
}

static void write_then_read(void **state)
{
    (void)state;
    static const char *const names[] = {"plain.txt", "packed.txt.gz"};
    struct pasta_str text = sample(20000), back = {0};
    for (int i = 0; i < 2; i++) {
        struct pasta_err err = {0};
        assert_int_equal(pasta_file_write(path_of(names[i]), text.data, text.length, &err), PASTA_OK);
        assert_int_equal(pasta_file_read(path_of(names[i]), &back, &err), PASTA_OK);
        assert_int_equal(back.length, text.length);
        assert_memory_equal(back.data, text.data, text.length);
    }
    struct stat plain, packed;
    assert_int_equal(stat(path_of(names[0]), &plain) | stat(path_of(names[1]), &packed), 0);
    assert_true(packed.st_size < plain.st_size / 2);
    char a[65], b[65];
    struct pasta_err err = {0};
    assert_int_equal(pasta_sha256_file(path_of(names[1]), a, &err), PASTA_OK);
    assert_int_equal(pasta_file_write(path_of(names[1]), text.data, text.length, &err), PASTA_OK);
    assert_int_equal(pasta_sha256_file(path_of(names[1]), b, &err), PASTA_OK);
    assert_string_equal(a, b); /* same text, same compressed bytes */
    pasta_str_release(&text);
    pasta_str_release(&back);
}

static void nothing_appears_before_commit(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_out out;
    int before = count_files(folder);
    assert_int_equal(pasta_out_open(&out, path_of("late.txt"), &err), PASTA_OK);
    assert_int_equal(pasta_out_write(&out, "new", 3, &err), PASTA_OK);
    assert_false(pasta_file_exists(path_of("late.txt")));
    pasta_out_abort(&out);
    pasta_out_abort(&out);
    assert_int_equal(count_files(folder), before);
    assert_int_equal(pasta_file_write(path_of("late.txt"), "old", 3, &err), PASTA_OK);
    assert_int_equal(pasta_out_open(&out, path_of("late.txt"), &err), PASTA_OK);
    assert_int_equal(pasta_out_write(&out, "new", 3, &err), PASTA_OK);
    struct pasta_str text = {0};
    assert_int_equal(pasta_file_read(path_of("late.txt"), &text, &err), PASTA_OK);
    assert_string_equal(text.data, "old");
    assert_int_equal(pasta_out_commit(&out, &err), PASTA_OK);
    pasta_out_abort(&out);
    assert_int_equal(pasta_file_read(path_of("late.txt"), &text, &err), PASTA_OK);
    assert_string_equal(text.data, "new");
    assert_int_equal(count_files(folder), before + 1);
    pasta_str_release(&text);
}

static void missing_folders(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    assert_int_equal(pasta_file_write(path_of("no/such/file"), "x", 1, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "no/such/file': No such file or directory"));
    err = (struct pasta_err){0};
    struct pasta_str text = {0};
    assert_int_equal(pasta_file_read(path_of("nothing"), &text, &err), PASTA_ERR_INPUT);
    assert_null(text.data);
    err = (struct pasta_err){0};
    assert_int_equal(pasta_file_read(folder, &text, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "Is a directory"));
    err = (struct pasta_err){0};
    assert_int_equal(pasta_mkdirs(path_of("a//b/c/"), &err), PASTA_OK);
    assert_int_equal(pasta_mkdirs(path_of("a/b/c"), &err), PASTA_OK);
    assert_true(pasta_file_exists(path_of("a/b/c")));
    assert_int_equal(pasta_file_write(path_of("a/file"), "x", 1, &err), PASTA_OK);
    assert_int_not_equal(pasta_mkdirs(path_of("a/file"), &err), PASTA_OK);
    err = (struct pasta_err){0};
    assert_int_not_equal(pasta_mkdirs(path_of("a/file/x"), &err), PASTA_OK);
}

/* --- damage --- */

static void every_truncation_of_gzip(void **state)
{
    (void)state;
    struct pasta_str text = sample(40), packed = {0}, back = {0};
    struct pasta_err err = {0};
    assert_int_equal(pasta_file_write(path_of("t.gz"), text.data, text.length, &err), PASTA_OK);
    FILE *file = fopen(path_of("t.gz"), "rb");
    char buffer[4096];
    pasta_str_addn(&packed, buffer, fread(buffer, 1, sizeof buffer, file));
    fclose(file);
    assert_true(packed.length > 100 && packed.length < sizeof buffer);
    for (size_t n = 0; n < packed.length; n++) {
        write_raw(path_of("cut.jsonl.gz"), packed.data, n);
        err = (struct pasta_err){0};
        assert_int_equal(pasta_file_read(path_of("cut.jsonl.gz"), &back, &err), PASTA_ERR_INPUT);
        assert_non_null(strstr(err.message, n < 2 ? "expected gzip data" : "truncated gzip stream"));
    }
    /* two members one after the other are one text; trailing bytes and flipped ones are damage */
    struct pasta_str two = {0};
    pasta_str_addn(&two, packed.data, packed.length);
    pasta_str_addn(&two, packed.data, packed.length);
    write_raw(path_of("two.gz"), two.data, two.length);
    err = (struct pasta_err){0};
    assert_int_equal(pasta_file_read(path_of("two.gz"), &back, &err), PASTA_OK);
    assert_int_equal(back.length, 2 * text.length);
    two.data[packed.length] ^= 1;
    write_raw(path_of("two.gz"), two.data, two.length);
    assert_int_equal(pasta_file_read(path_of("two.gz"), &back, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "damaged gzip stream"));
    packed.data[packed.length / 2] ^= 0x10;
    write_raw(path_of("flip.gz"), packed.data, packed.length);
    err = (struct pasta_err){0};
    assert_int_equal(pasta_file_read(path_of("flip.gz"), &back, &err), PASTA_ERR_INPUT);
    /* text under a .gz name is no gzip; gzip under another name is read */
    write_raw(path_of("text.gz"), "hello\n", 6);
    err = (struct pasta_err){0};
    assert_int_equal(pasta_file_read(path_of("text.gz"), &back, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "expected gzip data, found something else"));
    pasta_str_release(&two);
    pasta_str_release(&packed);
    pasta_str_release(&text);
    pasta_str_release(&back);
}

static void expect_lines(const char *bytes, size_t length, const char *const *expected, int n)
{
    write_raw(path_of("lines"), bytes, length);
    struct pasta_lines lines = {0};
    struct pasta_err err = {0};
    bool more;
    assert_int_equal(pasta_lines_open(&lines, path_of("lines"), &err), PASTA_OK);
    for (int i = 0; i < n; i++) {
        assert_int_equal(pasta_lines_next(&lines, &more, &err), PASTA_OK);
        assert_true(more);
        assert_string_equal(lines.line.data, expected[i]);
        assert_int_equal(lines.number, i + 1);
    }
    assert_int_equal(pasta_lines_next(&lines, &more, &err), PASTA_OK);
    assert_false(more);
    assert_int_equal(lines.number, n);
    pasta_lines_close(&lines);
    pasta_lines_close(&lines);
}

static void lines_of_all_kinds(void **state)
{
    (void)state;
    expect_lines("", 0, NULL, 0);
    expect_lines("\n", 1, (const char *[]){""}, 1);
    expect_lines("a", 1, (const char *[]){"a"}, 1);
    expect_lines("a\r\n\r\nb\rc", 9, (const char *[]){"a", "", "b\rc"}, 3);
    char *longest = pasta_malloc(300001); /* beyond any buffer */
    memset(longest, 'x', 300000);
    longest[300000] = '\0';
    struct pasta_str text = {0};
    pasta_str_printf(&text, "%s\nend\n", longest);
    expect_lines(text.data, text.length, (const char *[]){longest, "end"}, 2);
    free(longest);
    pasta_str_release(&text);
}

static void lines_of_a_truncated_gzip(void **state)
{
    (void)state;
    struct pasta_str text = sample(100000);
    struct pasta_err err = {0};
    assert_int_equal(pasta_file_write(path_of("long.gz"), text.data, text.length, &err), PASTA_OK);
    struct stat info;
    assert_int_equal(stat(path_of("long.gz"), &info), 0);
    assert_int_equal(truncate(path_of("long.gz"), info.st_size / 2), 0);
    struct pasta_lines lines = {0};
    bool more = true;
    assert_int_equal(pasta_lines_open(&lines, path_of("long.gz"), &err), PASTA_OK);
    pasta_status status;
    while ((status = pasta_lines_next(&lines, &more, &err)) == PASTA_OK && more)
        ;
    assert_int_equal(status, PASTA_ERR_INPUT);
    assert_true(lines.number > 10000);
    char expected[300];
    snprintf(expected, sizeof expected, "%s:%lld: truncated gzip stream", path_of("long.gz"), (long long)lines.number + 1);
    assert_string_equal(err.message, expected);
    pasta_lines_close(&lines);
    pasta_str_release(&text);
}

/* --- full disks --- */

/* Every way of writing fails with the system's reason and leaves `where` as it was. */
static void expect_refusals(const char *where, const char *reason)
{
    static const char *const names[] = {"big.txt", "big.txt.gz", "lazy", "big.safetensors"};
    struct pasta_str text = {0};
    uint32_t x = 1;
    for (int i = 0; i < 1 << 19; i++, x = x * 1664525u + 1013904223u) /* 512 KiB that do not compress */
        pasta_str_addc(&text, (char)(x >> 24));
    int before = count_files(where);
    for (int i = 0; i < 4; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", where, names[i]);
        struct pasta_err err = {0};
        struct pasta_st_tensor tensor = {.name = "a", .dtype = PASTA_ST_U8, .rank = 1, .shape = {1 << 19}, .data = text.data, .bytes = 1 << 19};
        pasta_status status = i == 2   ? pasta_file_write_lazy(path, text.data, text.length, &err)
                              : i == 3 ? pasta_safetensors_write(path, &tensor, 1, NULL, 0, &err)
                                       : pasta_file_write(path, text.data, text.length, &err);
        assert_int_equal(status, PASTA_ERR_IO);
        assert_non_null(strstr(err.message, reason));
        assert_non_null(strstr(err.message, path));
        assert_int_equal(count_files(where), before);
    }
    /* after the first failure everything fails, and the first cause stays */
    char path[300];
    snprintf(path, sizeof path, "%s/out", where);
    struct pasta_out out;
    struct pasta_err err = {0};
    assert_int_equal(pasta_out_open(&out, path, &err), PASTA_OK);
    assert_int_equal(pasta_out_write(&out, text.data, text.length, &err), PASTA_ERR_IO);
    assert_int_equal(pasta_out_write(&out, text.data, 1, &err), PASTA_ERR_IO);
    assert_int_equal(pasta_out_commit(&out, &err), PASTA_ERR_IO);
    assert_non_null(strstr(err.message, reason));
    pasta_out_abort(&out);
    assert_int_equal(count_files(where), before);
    pasta_str_release(&text);
}

static void file_size_limit(void **state)
{
    (void)state;
    struct rlimit old, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = 100000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    expect_refusals(folder, "File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
}

static void full_disk(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    const char *where = path_of("disk");
    assert_int_equal(pasta_mkdirs(where, &err), PASTA_OK);
    if (mount("tmpfs", where, "tmpfs", 0, "size=128k") != 0) {
        print_message("skipped: this user may not mount a small file system\n");
        skip();
    }
    expect_refusals(path_of("disk"), "No space left on device");
    /* a small file still fits, so nothing of the big ones is left */
    char path[300];
    snprintf(path, sizeof path, "%s/small", path_of("disk"));
    pasta_status status = pasta_file_write(path, "x", 1, &err);
    umount(path_of("disk"));
    assert_int_equal(status, PASTA_OK);
}

/* --- threads --- */

static char same_path[256];

static pasta_status write_same(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    (void)item;
    (void)worker;
    return pasta_file_write_lazy(same_path, ctx, 5000, err);
}

static void threads_may_write_the_same_path(void **state)
{
    (void)state;
    char *bytes = pasta_malloc(5000);
    memset(bytes, 'y', 5000);
    struct pasta_err err = {0};
    snprintf(same_path, sizeof same_path, "%s/same", folder);
    int before = count_files(folder);
    assert_int_equal(pasta_parallel_for(400, 4, write_same, bytes, &err), PASTA_OK);
    struct pasta_str text = {0};
    assert_int_equal(pasta_file_read(path_of("same"), &text, &err), PASTA_OK);
    assert_int_equal(text.length, 5000);
    assert_int_equal(count_files(folder), before + 1);
    pasta_str_release(&text);
    free(bytes);
}

/* --- hashes --- */

static void sha256_vectors(void **state)
{
    (void)state; /* FIPS 180-4 examples */
    char hex[65], *million = pasta_malloc(1000000);
    pasta_sha256("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    pasta_sha256("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    memset(million, 'a', 1000000);
    write_raw(path_of("million"), million, 1000000);
    struct pasta_err err = {0};
    assert_int_equal(pasta_sha256_file(path_of("million"), hex, &err), PASTA_OK);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    assert_int_equal(pasta_sha256_file(path_of("none"), hex, &err), PASTA_ERR_INPUT);
    err = (struct pasta_err){0};
    assert_int_equal(pasta_sha256_file(folder, hex, &err), PASTA_ERR_INPUT);
    free(million);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_then_read),
        cmocka_unit_test(nothing_appears_before_commit),
        cmocka_unit_test(missing_folders),
        cmocka_unit_test(every_truncation_of_gzip),
        cmocka_unit_test(lines_of_all_kinds),
        cmocka_unit_test(lines_of_a_truncated_gzip),
        cmocka_unit_test(file_size_limit),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(threads_may_write_the_same_path),
        cmocka_unit_test(sha256_vectors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
