/* Resizing, cutting and normalising: exact small cases, bytes that Pillow gives for extreme shapes, settings files, and what must be
 * refused. Agreement with the reference on real images is in golden/test_clip.c. */
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

#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/io/sha256.h"
#include "pasta/model/preprocess.h"

static struct pasta_image image_of(int width, int height)
{
    struct pasta_image image = {width, height, pasta_malloc(3 * (size_t)width * (size_t)height)};
    for (int i = 0; i < 3 * width * height; i++)
        image.pixels[i] = (uint8_t)(i * 37 + i / 7);
    return image;
}

static void test_same_size_is_a_copy(void **state)
{
    (void)state;
    struct pasta_image image = image_of(7, 5), out;
    pasta_image_resize(&image, 7, 5, PASTA_BICUBIC, &out);
    assert_ptr_not_equal(out.pixels, image.pixels);
    assert_memory_equal(out.pixels, image.pixels, 3 * 7 * 5);
    pasta_image_release(&image);
    pasta_image_release(&out);
}

static void test_flat_stays_flat(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {3, 9}, {40, 2}, {17, 64}};
    struct pasta_image image = image_of(13, 11), out;
    memset(image.pixels, 201, 3 * 13 * 11);
    for (size_t i = 0; i < 4; i++)
        for (int r = PASTA_BILINEAR; r <= PASTA_BICUBIC; r++) {
            pasta_image_resize(&image, sizes[i][0], sizes[i][1], (enum pasta_resample)r, &out);
            for (int j = 0; j < 3 * out.width * out.height; j++)
                assert_int_equal(out.pixels[j], 201);
            pasta_image_release(&out);
        }
    pasta_image_release(&image);
}

/* Worked by hand from the filter: 0 0 255 255 to half the width has taps of 8 around 1 and 3, so each place mixes both halves;
 * a step up to twice the width overshoots and is clamped. */
static void test_bicubic_by_hand(void **state)
{
    (void)state;
    struct pasta_image image = {2, 1, pasta_malloc(6)}, out;
    for (int i = 0; i < 6; i++)
        image.pixels[i] = i < 3 ? 0 : 255;
    pasta_image_resize(&image, 4, 1, PASTA_BICUBIC, &out);
    /* place 0 is at 0.25: taps 0 and 1 at distances 0.25 and 1.25 (the others lie outside and the rest is scaled to 1):
     * w(0.25) = 0.8671875, w(1.25) = -0.0703125; 255 * -0.0703125 / 0.796875 < 0, clamped. */
    /* place 1 is at 0.75: w(0.25) = 0.8671875 on the left, w(0.75) = 0.2265625 on the right: 255 * 0.2265625 / 1.09375 = 52.82. */
    static const uint8_t expected[] = {0, 53, 202, 255};
    for (int x = 0; x < 4; x++)
        for (int c = 0; c < 3; c++)
            assert_int_equal(out.pixels[3 * x + c], expected[x]);
    pasta_image_release(&image);
    pasta_image_release(&out);
}

static void test_cut_and_normalise(void **state)
{
    (void)state;
    struct pasta_preprocess p = pasta_preprocess_clip(2);
    struct pasta_err err = {0};
    p.do_resize = false;
    struct pasta_image image = image_of(5, 2); /* (5 - 2) / 2 rounds down: begins in column 1 */
    float out[12];
    assert_int_equal(pasta_preprocess_image(&p, &image, 2, out, &err), PASTA_OK);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 2; y++)
            for (int x = 0; x < 2; x++) {
                double v = image.pixels[3 * (y * 5 + x + 1) + c] / 255.0;
                assert_true(fabs(out[4 * c + 2 * y + x] - (v - p.mean[c]) / p.std[c]) < 1e-6);
            }
    pasta_image_release(&image);
}

static void test_small_image_gets_a_black_border(void **state)
{
    (void)state;
    struct pasta_preprocess p = pasta_preprocess_clip(4);
    struct pasta_err err = {0};
    p.do_resize = p.do_normalize = false;
    struct pasta_image image = image_of(1, 1);
    memset(image.pixels, 255, 3);
    float out[48];
    assert_int_equal(pasta_preprocess_image(&p, &image, 4, out, &err), PASTA_OK);
    for (int i = 0; i < 16; i++) /* floor((1 - 4) / 2) = -2: the image lies at (2, 2) */
        assert_true(out[i] == (i == 10 ? 1.0f : 0.0f));
    pasta_image_release(&image);
}

/* tests/golden/data/preprocess.txt, which make_images.py writes and describes. */
static void test_same_bytes_as_pillow(void **state)
{
    (void)state;
    FILE *cases = fopen("tests/golden/data/preprocess.txt", "r");
    int width, height, shortest, to_width, to_height, crop, resample, n = 0;
    char expected[65], found[65];
    assert_non_null(cases);
    for (; fscanf(cases, "%d %d %d %d %d %d %d %64s", &width, &height, &shortest, &to_width, &to_height, &crop, &resample, expected) == 8; n++) {
        const int size = crop ? crop : to_width;
        const size_t values = 3 * (size_t)size * (size_t)size;
        struct pasta_preprocess p = {.do_resize = shortest || to_width, .do_crop = crop > 0, .resample = (enum pasta_resample)resample,
                                     .shortest = shortest, .resize_width = to_width, .resize_height = to_height, .crop_width = crop,
                                     .crop_height = crop};
        struct pasta_image image = image_of(width, height);
        struct pasta_err err = {0};
        float *planes = pasta_malloc(values * sizeof *planes);
        uint8_t *bytes = pasta_malloc(values);
        assert_int_equal(pasta_preprocess_image(&p, &image, size, planes, &err), PASTA_OK);
        for (size_t i = 0; i < values; i++)
            bytes[i] = (uint8_t)planes[i % 3 * (values / 3) + i / 3];
        pasta_sha256(bytes, values, found);
        if (strcmp(found, expected) != 0)
            fail_msg("%d x %d, shortest %d, crop %d: not the bytes that Pillow gives", width, height, shortest, crop);
        free(bytes);
        free(planes);
        pasta_image_release(&image);
    }
    assert_int_equal(n, 18);
    fclose(cases);
}

static void test_wrong_size_is_refused(void **state)
{
    (void)state;
    struct pasta_preprocess p = pasta_preprocess_clip(4);
    struct pasta_err err = {0};
    struct pasta_image image = image_of(5, 4);
    float out[48];
    p.do_resize = p.do_crop = false;
    assert_int_equal(pasta_preprocess_image(&p, &image, 4, out, &err), PASTA_ERR_INPUT);
    assert_string_equal(err.message, "image of 5 x 4 pixels: expected 4 x 4 after preprocessing, found 5 x 4");
    pasta_image_release(&image);
}

/* The cut of a resized image, computed alone, is that of the whole resized image; and an image of any shape has one, for only the cut is
 * computed. */
static void test_cut_of_a_resized_image(void **state)
{
    (void)state;
    static const int sizes[][2] = {{9, 30}, {30, 9}, {5, 7}, {6, 6}, {64, 3}, {3, 40}, {100, 6}};
    struct pasta_preprocess p = pasta_preprocess_clip(6), plain = p;
    struct pasta_err err = {0};
    plain.do_resize = false;
    float once[3 * 36], twice[3 * 36];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (p.shortest = 4; p.shortest <= 8; p.shortest++) { /* smaller than the cut, as large, larger */
            int w = sizes[i][0], h = sizes[i][1], s = p.shortest;
            struct pasta_image image = image_of(w, h), whole;
            pasta_image_resize(&image, w <= h ? s : s * w / h, w <= h ? s * h / w : s, PASTA_BICUBIC, &whole);
            assert_int_equal(pasta_preprocess_image(&p, &image, 6, once, &err), PASTA_OK);
            assert_int_equal(pasta_preprocess_image(&plain, &whole, 6, twice, &err), PASTA_OK);
            assert_memory_equal(once, twice, sizeof once);
            pasta_image_release(&image);
            pasta_image_release(&whole);
        }
    p = pasta_preprocess_clip(6);
    struct pasta_image thin = image_of(1 << 20, 1);
    memset(thin.pixels, 255, 3 << 20);
    p.do_normalize = false;
    assert_int_equal(pasta_preprocess_image(&p, &thin, 6, once, &err), PASTA_OK);
    for (int i = 0; i < 3 * 36; i++)
        assert_true(once[i] == 1.0f);
    pasta_image_release(&thin);
}

static pasta_status read_settings(const char *text, int size, struct pasta_preprocess *out, struct pasta_err *err)
{
    char dir[] = "/tmp/pasta-preprocess-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *path = pasta_path_join(dir, "preprocessor_config.json");
    assert_int_equal(pasta_file_write(path, text, strlen(text), err), PASTA_OK);
    pasta_status status = pasta_preprocess_read(dir, size, out, err);
    unlink(path);
    rmdir(dir);
    free(path);
    return status;
}

static void test_settings(void **state)
{
    (void)state;
    struct pasta_preprocess p, again;
    struct pasta_err err = {0};
    assert_int_equal(read_settings("{\"size\": 30, \"crop_size\": 24, \"resample\": 2, \"image_mean\": [0.5, 0.25, 0], \"image_std\": [1, 2, 4]}", 24, &p, &err), PASTA_OK);
    assert_int_equal(p.shortest, 30);
    assert_int_equal(p.crop_height, 24);
    assert_int_equal(p.resample, PASTA_BILINEAR);
    assert_true(p.do_resize && p.do_crop && p.do_rescale && p.do_normalize);
    assert_true(p.mean[1] == 0.25 && p.std[2] == 4);
    assert_int_equal(read_settings("{\"size\": {\"height\": 24, \"width\": 26}, \"do_normalize\": false, \"do_rescale\": false}", 24, &p, &err), PASTA_OK);
    assert_int_equal(p.shortest, 0);
    assert_int_equal(p.resize_width, 26);
    assert_false(p.do_normalize || p.do_rescale);
    struct pasta_str text = {0};
    pasta_preprocess_print(&p, &text);
    assert_int_equal(read_settings(text.data, 24, &again, &err), PASTA_OK);
    struct pasta_str text_again = {0};
    pasta_preprocess_print(&again, &text_again);
    assert_string_equal(text_again.data, text.data);
    pasta_str_release(&text);
    pasta_str_release(&text_again);
}

static void test_settings_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[]", "expected an object"},
        {"{\"size\": \"big\"}", "size: expected a number or an object, found a string"},
        {"{\"size\": {\"height\": 24}}", "width"},
        {"{\"size\": {\"height\": 24, \"width\": 26}, \"do_center_crop\": false}", "size: expected the vision tower's image_size 24, found 26 x 24"},
        {"{\"size\": {\"shortest_edge\": 0}}", "shortest_edge"},
        {"{\"crop_size\": 32}", "crop_size: expected the vision tower's image_size 24, found 32 x 32"},
        {"{\"resample\": 1}", "resample"},
        {"{\"image_mean\": [1, 2]}", "image_mean: expected 3 numbers"},
        {"{\"image_std\": [1, 2, 0]}", "image_std: expected 3 positive numbers"},
        {"{\"do_resize\": 1}", "do_resize"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_preprocess p;
        struct pasta_err err = {0};
        assert_int_equal(read_settings(cases[i][0], 24, &p, &err), PASTA_ERR_INPUT);
        assert_non_null(strstr(err.message, cases[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_size_is_a_copy),
        cmocka_unit_test(test_flat_stays_flat),
        cmocka_unit_test(test_bicubic_by_hand),
        cmocka_unit_test(test_cut_and_normalise),
        cmocka_unit_test(test_small_image_gets_a_black_border),
        cmocka_unit_test(test_same_bytes_as_pillow),
        cmocka_unit_test(test_wrong_size_is_refused),
        cmocka_unit_test(test_cut_of_a_resized_image),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_settings_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
