/* Images of every kind decode to the bytes that Pillow gives (data/images/, written by make_images.py); what is cut off or damaged is
 * refused with its name or decodes, and never breaks anything. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"
#include "pasta/io/file.h"
#include "pasta/io/image.h"
#include "pasta/io/sha256.h"

#define FOLDER "tests/golden/data/images/"

/* Calls check for each line of expected.txt. */
static int for_each(void (*check)(const char *path, int width, int height, const char *sha256))
{
    FILE *list = fopen(FOLDER "expected.txt", "r");
    char name[64], sha256[65], path[128];
    int width, height, n = 0;
    assert_non_null(list);
    while (fscanf(list, "%63s %d %d %64s", name, &width, &height, sha256) == 4) {
        snprintf(path, sizeof path, FOLDER "%s", name);
        check(path, width, height, sha256);
        n++;
    }
    fclose(list);
    return n;
}

static void check_pixels(const char *path, int width, int height, const char *sha256)
{
    struct pasta_image image;
    struct pasta_err err = {0};
    char found[65];
    if (pasta_image_read(path, &image, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    assert_int_equal(image.width, width);
    assert_int_equal(image.height, height);
    pasta_sha256(image.pixels, 3 * (size_t)width * (size_t)height, found);
    if (strcmp(found, sha256) != 0)
        fail_msg("%s: not the pixels that Pillow gives", path);
    pasta_image_release(&image);
}

static void same_as_pillow(void **state)
{
    (void)state;
    assert_int_equal(for_each(check_pixels), 40);
}

/* Decodes a copy of exactly this length, so that a sanitizer sees a read beyond it. */
static pasta_status decode(const char *bytes, size_t length, struct pasta_err *err)
{
    struct pasta_image image = {0};
    char *copy = memcpy(pasta_malloc(length), bytes, length);
    *err = (struct pasta_err){0};
    const pasta_status status = pasta_image_decode(copy, length, "dir/cut", &image, err);
    assert_true(status == PASTA_OK ? image.pixels != NULL : image.pixels == NULL);
    pasta_image_release(&image);
    free(copy);
    return status;
}

static struct pasta_str read_bytes(const char *path)
{
    struct pasta_str bytes = {0};
    struct pasta_err err = {0};
    assert_int_equal(pasta_file_read(path, &bytes, &err), PASTA_OK);
    return bytes;
}

static void check_prefixes(const char *path, int width, int height, const char *sha256)
{
    struct pasta_str bytes = read_bytes(path);
    struct pasta_err err;
    (void)width, (void)height, (void)sha256;
    for (size_t n = 0; n < bytes.length; n++) {
        if (decode(bytes.data, n, &err) != PASTA_ERR_INPUT)
            fail_msg("%s: the first %zu of %zu bytes were taken for an image", path, n, bytes.length);
        assert_non_null(strstr(err.message, n == 0 ? "'dir/cut': expected a PNG, JPEG or WebP image, found an empty file" : "'dir/cut': "));
        assert_null(strchr(err.message, '\n'));
    }
    pasta_str_release(&bytes);
}

static void truncated(void **state)
{
    (void)state;
    for_each(check_prefixes);
}

static void check_damaged(const char *path, int width, int height, const char *sha256)
{
    struct pasta_str bytes = read_bytes(path);
    struct pasta_err err;
    (void)width, (void)height, (void)sha256;
    for (size_t i = 0; i < bytes.length; i++) {
        const char whole = bytes.data[i];
        bytes.data[i] = (char)(whole ^ 1 << i % 8);
        if (decode(bytes.data, bytes.length, &err) != PASTA_OK)
            assert_int_equal(err.status, PASTA_ERR_INPUT);
        bytes.data[i] = whole;
    }
    pasta_str_release(&bytes);
}

static void damaged(void **state)
{
    (void)state;
    for_each(check_damaged);
}

static void check_refused(const struct pasta_str *bytes, const char *reason)
{
    struct pasta_err err;
    assert_int_equal(decode(bytes->data, bytes->length, &err), PASTA_ERR_INPUT);
    if (!strstr(err.message, reason))
        fail_msg("'%s' is not in '%s'", reason, err.message);
}

/* Headers that promise 32767 x 32767 and 16383 x 16383 pixels. */
static void too_large(void **state)
{
    (void)state;
    struct pasta_str jpeg = read_bytes(FOLDER "rgb-420.jpg"), webp = read_bytes(FOLDER "lossy.webp");
    char *frame = memmem(jpeg.data, jpeg.length, "\xff\xc0", 2);
    assert_non_null(frame);
    memcpy(frame + 5, "\x7f\xff\x7f\xff", 4);
    check_refused(&jpeg, "2^15 pixels a side");
    memcpy(webp.data + 26, "\xff\x3f\xff\x3f", 4);
    check_refused(&webp, "2^15 pixels a side");
    pasta_str_release(&jpeg);
    pasta_str_release(&webp);
}

/* A progressive file that sends its first scan a thousand times more. */
static void too_many_scans(void **state)
{
    (void)state;
    struct pasta_str jpeg = read_bytes(FOLDER "grey-progressive.jpg"), many = {0};
    const char *scan = memmem(jpeg.data, jpeg.length, "\xff\xda", 2), *end = jpeg.data + jpeg.length, *next = scan + 2;
    while (next[0] != '\xff' || next[1] == 0)
        next++;
    pasta_str_addn(&many, jpeg.data, (size_t)(scan - jpeg.data));
    for (int i = 0; i < 1001; i++)
        pasta_str_addn(&many, scan, (size_t)(next - scan));
    pasta_str_addn(&many, next, (size_t)(end - next));
    check_refused(&many, "more than 1000 scans");
    pasta_str_release(&many);
    pasta_str_release(&jpeg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_pillow),
        cmocka_unit_test(truncated),
        cmocka_unit_test(damaged),
        cmocka_unit_test(too_large),
        cmocka_unit_test(too_many_scans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
