/* The reader accepts what the reference reader accepts and refuses headers that lie; the writer's bytes are the reference writer's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/io/file.h"
#include "pasta/io/safetensors.h"

static char folder[64], path[128];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/pasta-st-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/x.safetensors", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* Writes a file with this header (its length may lie) and `data` bytes of 0, 1, 2, ... */
static void write_file(uint64_t length, const char *header, size_t data)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fwrite(&length, 8, 1, file);
    fwrite(header, 1, strlen(header), file);
    for (size_t i = 0; i < data; i++)
        fputc((int)i, file);
    assert_int_equal(fclose(file), 0);
}

#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
#define B "\"b\":{\"dtype\":\"U8\",\"shape\":[2,2],\"data_offsets\":[8,12]}"

static void good_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        int count;
    } cases[] = {
        {"{}", 0, 0},
        {"{}      ", 0, 0},
        {"{" A "}", 8, 1},
        {"{" B "," A "}   ", 12, 2},                                                     /* any order, padded */
        {"{\"__metadata__\":{\"format\":\"pt\",\"k\":\"\"}," A "}", 8, 1},
        {"{\"s\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}}", 8, 1},        /* a scalar */
        {"{\"z\":{\"dtype\":\"F32\",\"shape\":[0,9],\"data_offsets\":[8,8]}," A "}", 8, 2}, /* no elements */
        {"{\"z\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\"y\":{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, 2},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"more\":\"1.5 -3\"}}", 8, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_safetensors *st;
        struct pasta_err err = {0};
        write_file(strlen(cases[i].header), cases[i].header, cases[i].data);
        if (pasta_safetensors_open(path, &st, &err) != PASTA_OK)
            fail_msg("%s: %s", cases[i].header, err.message);
        assert_int_equal(pasta_safetensors_count(st), cases[i].count);
        pasta_safetensors_close(st);
    }
}

static const struct {
    const char *header;
    size_t data;
    const char *message;
} lies[] = {
    {"[]", 0, "expected '{' first"},
    {" {}", 0, "expected '{' first"},
    {"{\"a\":", 0, "broken JSON"},
    {"{} x", 0, "broken JSON"},
    {"{\"\xff\":1}", 0, "expected UTF-8"},
    {"{\"a\":1}", 0, "tensor 'a': expected an object, found a number"},
    {"{" A "," A "}", 8, "a: expected each key once"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "dtype: expected each key once"},
    {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "tensor 'a': dtype: expected a string, found nothing"},
    {"{\"a\":{\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "found \"F31\""},
    {"{\"a\":{\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "found \"f32\""},
    {"{\"a\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1, "F4 tensors are not supported"},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "shape: expected an array, found nothing"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "data_offsets: expected an array, found nothing"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, "data_offsets: expected 2 numbers, found 1"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}}", 8, "data_offsets: expected 2 numbers, found 3"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]}}", 8, "shape: expected whole numbers, found a string"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "expected whole numbers, found -2"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8, "expected whole numbers, found 2.0"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8e0]}}", 8, "expected whole numbers, found 8e0"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[02],\"data_offsets\":[0,8]}}", 8, "expected whole numbers, found 02"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,12]}}", 12, "expected 8 bytes for its dtype and shape, found 12"},
    {"{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "expected 4 bytes for its dtype and shape, found 8"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "expected begin <= end, found [8, 0]"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "expected to begin at 0, found 4 (a hole)"},
    {"{" A ",\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[9,13]}}", 13, "'b': data_offsets: expected to begin at 8, found 9 (a hole)"},
    {"{" A ",\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}", 8, "'b': data_offsets: expected to begin at 8, found 4 (an overlap)"},
    {"{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "(an overlap)"},
    {"{" A "}", 7, "expected 8 bytes of tensors, found 7 (truncated file?)"},
    {"{" A "}", 9, "expected 8 bytes of tensors, found 9 (bytes that belong to no tensor)"},
    {"{}", 1, "expected 0 bytes of tensors, found 1"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,2],\"data_offsets\":[0,0]}}", 0, "its size in bytes overflows"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[4503599627370496,512],\"data_offsets\":[0,0]}}", 0, "its size in bytes overflows"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,0]}}", 0, "expected numbers from 0 to 2^53"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1, "expected at most 8 dimensions, found 9"},
    {"{\"__metadata__\":{\"format\":1}}", 0, "__metadata__.format: expected a string, found a number"},
    {"{\"__metadata__\":[]}", 0, "__metadata__: expected an object, found an array"},
    {"{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "found a NUL character"},
};

static void expect_refused(const char *message)
{
    struct pasta_safetensors *st = NULL;
    struct pasta_err err = {0};
    assert_int_equal(pasta_safetensors_open(path, &st, &err), PASTA_ERR_INPUT);
    assert_null(st);
    if (!strstr(err.message, message) || !strstr(err.message, path))
        fail_msg("expected \"%s\", found \"%s\"", message, err.message);
}

static void lying_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        write_file(strlen(lies[i].header), lies[i].header, lies[i].data);
        expect_refused(lies[i].message);
    }
}

static void lying_lengths(void **state)
{
    (void)state;
    write_file(3, "{}", 0);
    expect_refused("header: expected 3 bytes, found 2 (truncated file?)");
    write_file(0, "{}", 0);
    expect_refused("expected '{' first");
    write_file(UINT64_MAX, "{}", 0);
    expect_refused("expected at most 100000000 bytes");
    write_file(UINT64_MAX - 7, "{}", 0);
    expect_refused("expected at most 100000000 bytes");
    write_file(100000000, "{}", 0);
    expect_refused("header: expected 100000000 bytes, found 2");
    assert_int_equal(truncate(path, 7), 0);
    expect_refused("at least 8 bytes, found 7");
    assert_int_equal(truncate(path, 0), 0);
    expect_refused("at least 8 bytes, found 0");
    unlink(path);
    expect_refused("No such file");
    struct pasta_safetensors *st;
    struct pasta_err err = {0};
    assert_int_equal(pasta_safetensors_open(folder, &st, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "found a folder"));
    pasta_safetensors_close(NULL);
}

static void values_and_lookups(void **state)
{
    (void)state;
    const char *header = "{\"__metadata__\":{\"encoder\":\"abc\"},\"u\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                         "\"f\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[3,11]}}"; /* f lies at an odd address */
    struct pasta_safetensors *st;
    struct pasta_err err = {0};
    write_file(strlen(header), header, 11);
    assert_int_equal(pasta_safetensors_open(path, &st, &err), PASTA_OK);
    assert_string_equal(pasta_safetensors_meta(st, "encoder"), "abc");
    assert_null(pasta_safetensors_meta(st, "format"));
    assert_string_equal(pasta_safetensors_at(st, 0)->name, "u");
    const struct pasta_st_tensor *f = pasta_safetensors_find(st, "f");
    assert_non_null(f);
    assert_int_equal(pasta_st_numel(f), 2);
    assert_int_equal((uintptr_t)f->data % 4, 0);
    const unsigned char expected[8] = {3, 4, 5, 6, 7, 8, 9, 10};
    assert_memory_equal(f->data, expected, 8);
    assert_null(pasta_safetensors_find(st, "g"));
    const int64_t any[2] = {-1, 2}, wrong[2] = {1, 3};
    const struct pasta_st_tensor *t;
    assert_int_equal(pasta_safetensors_want(st, "f", PASTA_ST_F32, 2, any, &t, &err), PASTA_OK);
    assert_ptr_equal(t, f);
    assert_int_equal(pasta_safetensors_want(st, "f", PASTA_ST_F32, 2, wrong, &t, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "tensor 'f': expected F32 [1,3], found F32 [1,2]"));
    err = (struct pasta_err){0};
    assert_int_equal(pasta_safetensors_want(st, "f", PASTA_ST_F16, 1, any, &t, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "expected F16 [any], found F32 [1,2]"));
    err = (struct pasta_err){0};
    assert_int_equal(pasta_safetensors_want(st, "g", PASTA_ST_F32, 0, NULL, &t, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "tensor 'g': expected F32 [], found nothing"));
    pasta_safetensors_close(st);
}

/* The bytes that the reference writer's own tests state. */
static void writer_layout(void **state)
{
    (void)state;
    const float values[6] = {0, 1, 2, 3, 4, 5};
    const struct pasta_st_tensor tensor = {.name = "attn.0", .dtype = PASTA_ST_F32, .rank = 3, .shape = {1, 2, 3}, .data = values, .bytes = 24};
    struct pasta_err err = {0};
    struct pasta_str text = {0};
    assert_int_equal(pasta_safetensors_write(path, &tensor, 1, NULL, 0, &err), PASTA_OK);
    assert_int_equal(pasta_file_read(path, &text, &err), PASTA_OK);
    static const char header[] = "{\"__metadata__\":{\"format\":\"pt\"},\"attn.0\":{\"dtype\":\"F32\",\"shape\":[1,2,3],\"data_offsets\":[0,24]}}";
    size_t padded = (sizeof header - 1 + 7) / 8 * 8;
    assert_int_equal(text.length, 8 + padded + 24);
    assert_int_equal((unsigned char)text.data[0], padded);
    assert_memory_equal(text.data + 8, header, sizeof header - 1);
    for (size_t i = sizeof header - 1; i < padded; i++)
        assert_int_equal(text.data[8 + i], ' ');
    assert_memory_equal(text.data + 8 + padded, values, 24);
    pasta_str_release(&text);
}

static void writer_order(void **state)
{
    (void)state;
    const uint64_t bytes[8] = {0};
    const struct pasta_st_tensor tensors[] = {
        {.name = "u8", .dtype = PASTA_ST_U8, .rank = 1, .shape = {1}, .data = bytes, .bytes = 1},
        {.name = "z", .dtype = PASTA_ST_F32, .rank = 0, .data = bytes, .bytes = 4},
        {.name = "h", .dtype = PASTA_ST_F16, .rank = 1, .shape = {0}, .data = NULL, .bytes = 0},
        {.name = "a\"", .dtype = PASTA_ST_F32, .rank = 0, .data = bytes, .bytes = 4},
        {.name = "i64", .dtype = PASTA_ST_I64, .rank = 1, .shape = {2}, .data = bytes, .bytes = 16},
    };
    const char *const order[] = {"i64", "a\"", "z", "h", "u8"};
    const char *const meta[][2] = {{"k", "v\n"}, {"format", "np"}};
    struct pasta_err err = {0};
    struct pasta_safetensors *st;
    assert_int_equal(pasta_safetensors_write(path, tensors, 5, meta, 2, &err), PASTA_OK);
    assert_int_equal(pasta_safetensors_open(path, &st, &err), PASTA_OK);
    for (int i = 0; i < 5; i++)
        assert_string_equal(pasta_safetensors_at(st, i)->name, order[i]);
    assert_string_equal(pasta_safetensors_meta(st, "format"), "np");
    assert_string_equal(pasta_safetensors_meta(st, "k"), "v\n");
    pasta_safetensors_close(st);
    /* what the reader would refuse is not written */
    struct pasta_st_tensor bad[2] = {tensors[0], tensors[0]};
    assert_int_equal(pasta_safetensors_write(path, bad, 2, NULL, 0, &err), PASTA_ERR_FAILED);
    assert_non_null(strstr(err.message, "'u8' is given twice"));
    err = (struct pasta_err){0};
    bad[0].bytes = 2;
    assert_int_equal(pasta_safetensors_write(path, bad, 1, NULL, 0, &err), PASTA_ERR_FAILED);
    assert_non_null(strstr(err.message, "expected 1 bytes for its shape, found 2"));
}

/* --- files filled piece by piece --- */

enum { ROWS = 5 };
static const float grown_a[ROWS][2] = {{1, 2}, {3, 4}, {5, 6}, {7, 8}, {9, 10}}, grown_b[ROWS] = {.1f, .2f, .3f, .4f, .5f};
static const char *const grown_meta[][2] = {{"encoder", "x"}, {"prompts", "y"}};

static pasta_status grow(bool force, bool resume, const char *const (*meta)[2], struct pasta_st_partial **file, bool *complete,
                         int64_t *done, struct pasta_err *err)
{
    const struct pasta_st_tensor tensors[] = {{"b", PASTA_ST_F32, 1, {ROWS}, NULL, 0}, {"a", PASTA_ST_F32, 2, {ROWS, 2}, NULL, 0}};
    *err = (struct pasta_err){0};
    return pasta_st_partial_open(path, tensors, 2, meta, 2, force, resume, complete, file, done, err);
}

static void put_rows(struct pasta_st_partial *file, int first, int count)
{
    struct pasta_err err = {0};
    assert_int_equal(pasta_st_partial_put(file, "a", first, count, grown_a[first], &err), PASTA_OK);
    assert_int_equal(pasta_st_partial_put(file, "b", first, count, &grown_b[first], &err), PASTA_OK);
    assert_int_equal(pasta_st_partial_mark(file, first + count, &err), PASTA_OK);
}

static void assert_same_bytes(const char *a, const char *b)
{
    struct pasta_str x = {0}, y = {0};
    struct pasta_err err = {0};
    assert_int_equal(pasta_file_read(a, &x, &err), PASTA_OK);
    assert_int_equal(pasta_file_read(b, &y, &err), PASTA_OK);
    assert_int_equal(x.length, y.length);
    assert_memory_equal(x.data, y.data, x.length);
    pasta_str_release(&x);
    pasta_str_release(&y);
}

static void filled_piece_by_piece(void **state)
{
    (void)state;
    static const char *const other[][2] = {{"encoder", "x"}, {"prompts", "z"}};
    struct pasta_err err = {0};
    struct pasta_st_partial *file = NULL;
    bool complete = true;
    int64_t done = -1;
    char partial[160], whole[160];
    snprintf(partial, sizeof partial, "%s.partial", path);
    snprintf(whole, sizeof whole, "%s.whole", path);
    const struct pasta_st_tensor tensors[] = {{"a", PASTA_ST_F32, 2, {ROWS, 2}, grown_a, sizeof grown_a},
                                              {"b", PASTA_ST_F32, 1, {ROWS}, grown_b, sizeof grown_b}};
    assert_int_equal(pasta_safetensors_write(whole, tensors, 2, grown_meta, 2, &err), PASTA_OK);
    unlink(path);

    assert_int_equal(grow(false, false, grown_meta, &file, &complete, &done, &err), PASTA_OK);
    assert_false(complete);
    assert_int_equal(done, 0);
    put_rows(file, 0, 2);
    assert_int_equal(pasta_st_partial_put(file, "a", 4, 2, grown_a, &err), PASTA_ERR_FAILED);
    assert_int_equal(pasta_st_partial_put(file, "c", 0, 1, grown_a, &err), PASTA_ERR_FAILED);
    pasta_st_partial_close(file); /* as a killed run leaves it */
    assert_false(pasta_file_exists(path));

    assert_int_equal(grow(false, false, grown_meta, &file, &complete, &done, &err), PASTA_ERR_USAGE);
    assert_non_null(strstr(err.message, "--resume"));
    assert_int_equal(grow(false, true, other, &file, &complete, &done, &err), PASTA_ERR_USAGE);
    assert_non_null(strstr(err.message, "prompts \"y\", found \"z\""));
    assert_int_equal(grow(false, true, grown_meta, &file, &complete, &done, &err), PASTA_OK);
    assert_int_equal(done, 2);
    put_rows(file, 2, 3);
    pasta_st_partial_close(file);
    assert_int_equal(truncate(partial, 8 + 1), 0); /* killed before its header was written: from the beginning */
    assert_int_equal(grow(false, true, grown_meta, &file, &complete, &done, &err), PASTA_OK);
    assert_int_equal(done, 0);
    put_rows(file, 0, 1);
    put_rows(file, 1, 4);
    assert_int_equal(pasta_st_partial_commit(file, &err), PASTA_OK);
    pasta_st_partial_close(file);
    assert_same_bytes(path, whole);
    assert_false(pasta_file_exists(partial));

    assert_int_equal(rename(path, partial), 0); /* killed before its last step */
    assert_int_equal(grow(false, true, grown_meta, &file, &complete, &done, &err), PASTA_OK);
    assert_true(complete);
    assert_same_bytes(path, whole);
    assert_int_equal(grow(false, true, grown_meta, &file, &complete, &done, &err), PASTA_OK);
    assert_true(complete);
    assert_int_equal(grow(false, false, grown_meta, &file, &complete, &done, &err), PASTA_ERR_USAGE);
    assert_int_equal(grow(false, true, other, &file, &complete, &done, &err), PASTA_ERR_USAGE);
    assert_int_equal(grow(true, true, other, &file, &complete, &done, &err), PASTA_OK); /* begins anew, and the old one stays until then */
    assert_false(complete);
    assert_int_equal(done, 0);
    assert_same_bytes(path, whole);
    pasta_st_partial_close(file);
    unlink(partial);
    unlink(whole);
}

/* Files made in Python are read; those that have {"format":"pt"} alone as metadata, as ours have, are the same bytes when written again. */
static void reference_files(void **state)
{
    (void)state;
    static const char *const names[] = {"clip-gelu/model-00001-of-00002", "clip-gelu/model-00002-of-00002", "clip-tiny/expected", "optim/adafactor"};
    const char *shared = getenv("PASTA_SHARED");
    int seen = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char file[512];
        snprintf(file, sizeof file, "%s/parity/%s.safetensors", shared ? shared : "../shared", names[i]);
        if (!pasta_file_exists(file))
            continue;
        struct pasta_safetensors *st;
        struct pasta_err err = {0};
        if (pasta_safetensors_open(file, &st, &err) != PASTA_OK)
            fail_msg("%s", err.message);
        int n = pasta_safetensors_count(st);
        assert_true(n > 0);
        if (pasta_safetensors_meta(st, "format")) {
            struct pasta_str a = {0}, b = {0};
            assert_int_equal(pasta_safetensors_write(path, pasta_safetensors_at(st, 0), n, NULL, 0, &err), PASTA_OK);
            assert_int_equal(pasta_file_read(file, &a, &err), PASTA_OK);
            assert_int_equal(pasta_file_read(path, &b, &err), PASTA_OK);
            assert_int_equal(a.length, b.length);
            assert_memory_equal(a.data, b.data, a.length);
            pasta_str_release(&a);
            pasta_str_release(&b);
            seen++;
        }
        pasta_safetensors_close(st);
    }
    if (!seen) {
        print_message("skipped: no files of the reference writer in %s\n", shared ? shared : "../shared");
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_headers),
        cmocka_unit_test(lying_headers),
        cmocka_unit_test(lying_lengths),
        cmocka_unit_test(values_and_lookups),
        cmocka_unit_test(writer_layout),
        cmocka_unit_test(writer_order),
        cmocka_unit_test(filled_piece_by_piece),
        cmocka_unit_test(reference_files),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
