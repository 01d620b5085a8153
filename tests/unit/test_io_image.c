/* PNG files of every colour type, made here byte by byte and without libpng, decode to the RGB that they mean; broken ones are
 * refused with their path. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/base/str.h"
#include "pasta/io/file.h"
#include "pasta/io/image.h"

/* --- a small PNG writer: stored (uncompressed) deflate blocks --- */

static void put_u32(struct pasta_str *s, uint32_t v)
{
    const unsigned char b[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v};
    pasta_str_addn(s, b, 4);
}

static void put_chunk(struct pasta_str *s, const char *type, const void *bytes, size_t length)
{
    put_u32(s, (uint32_t)length);
    size_t from = s->length;
    pasta_str_addn(s, type, 4);
    pasta_str_addn(s, bytes, length);
    uint32_t c = 0xFFFFFFFFu;
    for (size_t i = from; i < s->length; i++) {
        c ^= (unsigned char)s->data[i];
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0xEDB88320u : c >> 1;
    }
    put_u32(s, ~c);
}

/* A PNG of the given header and raw scan lines (each with its filter byte). */
static struct pasta_str make_png(uint32_t width, uint32_t height, int depth, int type, int interlace, const char *palette, size_t palette_length,
                                 const char *transparency, size_t transparency_length, const void *raw, size_t raw_length)
{
    struct pasta_str s = {0}, header = {0}, data = {0};
    pasta_str_addn(&s, "\x89PNG\r\n\x1a\n", 8);
    put_u32(&header, width);
    put_u32(&header, height);
    const char rest[5] = {(char)depth, (char)type, 0, 0, (char)interlace};
    pasta_str_addn(&header, rest, 5);
    put_chunk(&s, "IHDR", header.data, header.length);
    if (palette)
        put_chunk(&s, "PLTE", palette, palette_length);
    if (transparency)
        put_chunk(&s, "tRNS", transparency, transparency_length);
    const char block[5] = {1, (char)raw_length, (char)(raw_length >> 8), (char)~raw_length, (char)(~raw_length >> 8)};
    pasta_str_addn(&data, "\x78\x01", 2);
    pasta_str_addn(&data, block, 5);
    pasta_str_addn(&data, raw, raw_length);
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < raw_length; i++) {
        a = (a + ((const unsigned char *)raw)[i]) % 65521;
        b = (b + a) % 65521;
    }
    put_u32(&data, b << 16 | a);
    put_chunk(&s, "IDAT", data.data, data.length);
    put_chunk(&s, "IEND", "", 0);
    pasta_str_release(&header);
    pasta_str_release(&data);
    return s;
}

#define PALETTE "\xff\0\0\0\xff\0\0\0\xff\x0a\x14\x1e" /* red, green, blue, (10,20,30) */
#define RAW(text) text, sizeof text - 1

/* Images of 2 x 1 pixels; each must decode to the six bytes. */
static const struct {
    const char *what;
    int depth, type;
    const char *palette, *transparency;
    size_t transparency_length;
    const char *raw;
    size_t raw_length;
    unsigned char rgb[6];
} images[] = {
    {"grey 1", 1, 0, NULL, NULL, 0, RAW("\0\x40"), {0, 0, 0, 255, 255, 255}},
    {"grey 2", 2, 0, NULL, NULL, 0, RAW("\0\x60"), {85, 85, 85, 170, 170, 170}},
    {"grey 4", 4, 0, NULL, NULL, 0, RAW("\0\x3f"), {51, 51, 51, 255, 255, 255}},
    {"grey 8", 8, 0, NULL, NULL, 0, RAW("\0\x07\xf0"), {7, 7, 7, 240, 240, 240}},
    {"grey 8 with a transparent colour", 8, 0, NULL, "\0\x07", 2, RAW("\0\x07\xf0"), {7, 7, 7, 240, 240, 240}},
    {"grey 16", 16, 0, NULL, NULL, 0, RAW("\0\x80\x80\x00\x7f"), {255, 255, 255, 127, 127, 127}},
    {"rgb 8", 8, 2, NULL, NULL, 0, RAW("\0\x01\x02\x03\x04\x05\x06"), {1, 2, 3, 4, 5, 6}},
    {"rgb 8, sub filter", 8, 2, NULL, NULL, 0, RAW("\1\x01\x02\x03\x04\x05\x06"), {1, 2, 3, 5, 7, 9}},
    {"rgb 8 with a transparent colour", 8, 2, NULL, "\0\1\0\2\0\3", 6, RAW("\0\x01\x02\x03\x04\x05\x06"), {1, 2, 3, 4, 5, 6}},
    {"rgb 16", 16, 2, NULL, NULL, 0, RAW("\0\0\xff\x80\x80\xff\xff\x01\xff\x10\x10\xfe\xff"), {0, 128, 255, 1, 16, 254}},
    {"palette 1", 1, 3, PALETTE, NULL, 0, RAW("\0\x40"), {255, 0, 0, 0, 255, 0}},
    {"palette 2", 2, 3, PALETTE, NULL, 0, RAW("\0\xe0"), {10, 20, 30, 0, 0, 255}},
    {"palette 4", 4, 3, PALETTE, NULL, 0, RAW("\0\x31"), {10, 20, 30, 0, 255, 0}},
    {"palette 8", 8, 3, PALETTE, NULL, 0, RAW("\0\x02\x03"), {0, 0, 255, 10, 20, 30}},
    {"palette 8 with alpha", 8, 3, PALETTE, "\0\x80", 2, RAW("\0\0\1"), {255, 0, 0, 0, 255, 0}},
    {"grey and alpha 8", 8, 4, NULL, NULL, 0, RAW("\0\x09\0\x0b\xff"), {9, 9, 9, 11, 11, 11}},
    {"grey and alpha 16", 16, 4, NULL, NULL, 0, RAW("\0\x09\xff\0\0\xff\xff\x12\x34"), {9, 9, 9, 255, 255, 255}},
    {"rgb and alpha 8", 8, 6, NULL, NULL, 0, RAW("\0\1\2\3\0\4\5\6\x7f"), {1, 2, 3, 4, 5, 6}},
    {"rgb and alpha 16", 16, 6, NULL, NULL, 0, RAW("\0\1\1\2\2\3\3\0\0\4\4\5\5\6\6\xff\xff"), {1, 2, 3, 4, 5, 6}},
};

static void every_colour_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
        struct pasta_str png = make_png(2, 1, images[i].depth, images[i].type, 0, images[i].palette, sizeof PALETTE - 1,
                                        images[i].transparency, images[i].transparency_length, images[i].raw, images[i].raw_length);
        struct pasta_image image = {0};
        struct pasta_err err = {0};
        if (pasta_image_decode(png.data, png.length, images[i].what, &image, &err) != PASTA_OK)
            fail_msg("%s", err.message);
        assert_int_equal(image.width, 2);
        assert_int_equal(image.height, 1);
        if (memcmp(image.pixels, images[i].rgb, 6) != 0)
            fail_msg("%s: %d %d %d  %d %d %d", images[i].what, image.pixels[0], image.pixels[1], image.pixels[2], image.pixels[3],
                     image.pixels[4], image.pixels[5]);
        pasta_image_release(&image);
        pasta_str_release(&png);
    }
}

/* Adam7 of 2 x 2: pass 1 holds (0,0), pass 6 (1,0), pass 7 the second line. */
static void interlaced(void **state)
{
    (void)state;
    struct pasta_str png = make_png(2, 2, 8, 0, 1, NULL, 0, NULL, 0, "\0\x01" "\0\x02" "\0\x03\x04", 7);
    struct pasta_image image = {0};
    struct pasta_err err = {0};
    assert_int_equal(pasta_image_decode(png.data, png.length, "x", &image, &err), PASTA_OK);
    for (int i = 0; i < 12; i++)
        assert_int_equal(image.pixels[i], 1 + i / 3);
    pasta_image_release(&image);
    pasta_str_release(&png);
}

static struct pasta_image gradient(int width, int height)
{
    struct pasta_image image = {width, height, malloc((size_t)width * (size_t)height * 3)};
    for (int i = 0; i < width * height * 3; i++)
        image.pixels[i] = (uint8_t)(i * 7 + i / 100);
    return image;
}

static void encode_then_decode(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {64, 64}, {3, 200}, {256, 17}};
    const char *const texts[][2] = {{"prompt", "a cat"}, {"note", "ein B\xc3\xa4r"}};
    for (int i = 0; i < 4; i++) {
        struct pasta_image image = gradient(sizes[i][0], sizes[i][1]), back = {0};
        struct pasta_str a = {0}, b = {0};
        struct pasta_err err = {0};
        assert_int_equal(pasta_png_encode(&image, texts, 2, &a, &err), PASTA_OK);
        assert_int_equal(pasta_png_encode(&image, texts, 2, &b, &err), PASTA_OK);
        assert_int_equal(a.length, b.length);
        assert_memory_equal(a.data, b.data, a.length);
        assert_non_null(memmem(a.data, a.length, "tEXtprompt\0a cat", 16));
        assert_non_null(memmem(a.data, a.length, "iTXtnote\0", 9)); /* tEXt is Latin-1 */
        assert_non_null(memmem(a.data, a.length, "ein B\xc3\xa4r", 8));
        assert_int_equal(pasta_image_decode(a.data, a.length, "x", &back, &err), PASTA_OK);
        assert_true(back.width == image.width && back.height == image.height);
        assert_memory_equal(back.pixels, image.pixels, (size_t)image.width * (size_t)image.height * 3);
        pasta_image_release(&image);
        pasta_image_release(&back);
        pasta_str_release(&a);
        pasta_str_release(&b);
    }
}

static void bad_requests(void **state)
{
    (void)state;
    struct pasta_image nothing = {0};
    struct pasta_str out = {0};
    struct pasta_err err = {0};
    pasta_str_add(&out, "kept");
    assert_int_equal(pasta_png_encode(&nothing, NULL, 0, &out, &err), PASTA_ERR_FAILED);
    assert_string_equal(out.data, "kept");
    pasta_str_release(&out);
    pasta_image_release(&nothing);
}

/* Every prefix, and every single damaged byte (checksums cover them all), is refused; nothing crashes or leaks, which the sanitizer build
 * watches. */
static void damaged_images(void **state)
{
    (void)state;
    struct pasta_image image = gradient(9, 5), back = {0};
    struct pasta_str png = {0};
    struct pasta_err err = {0};
    assert_int_equal(pasta_png_encode(&image, NULL, 0, &png, &err), PASTA_OK);
    for (size_t n = 0; n < png.length; n++) {
        err = (struct pasta_err){0};
        char *copy = malloc(n + 1);
        memcpy(copy, png.data, n);
        assert_int_equal(pasta_image_decode(copy, n, "dir/cut.png", &back, &err), PASTA_ERR_INPUT);
        assert_non_null(strstr(err.message, n == 0 ? "'dir/cut.png': expected a PNG, JPEG or WebP image, found an empty file"
                                            : n < 8 ? "'dir/cut.png': expected a PNG, JPEG or WebP image, found something else"
                                                    : "'dir/cut.png': broken PNG image: "));
        assert_null(back.pixels);
        free(copy);
    }
    for (size_t i = 0; i < png.length; i++) {
        png.data[i] ^= 0x55;
        assert_int_equal(pasta_image_decode(png.data, png.length, "x", &back, &err), PASTA_ERR_INPUT);
        png.data[i] ^= 0x55;
    }
    pasta_image_release(&image);
    pasta_str_release(&png);
}

/* A header that promises more pixels than any memory holds is refused before anything is allocated. */
static void huge_claims(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{32768, 32768}, {1u << 30, 1}, {0, 1}};
    for (int i = 0; i < 3; i++) {
        struct pasta_str png = make_png(sizes[i][0], sizes[i][1], 8, 2, 0, NULL, 0, NULL, 0, "\0\1\2\3", 4);
        struct pasta_image image = {0};
        struct pasta_err err = {0};
        assert_int_equal(pasta_image_decode(png.data, png.length, "x", &image, &err), PASTA_ERR_INPUT);
        pasta_str_release(&png);
    }
}

static void files(void **state)
{
    (void)state;
    char folder[] = "/tmp/pasta-image-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.png", folder);
    struct pasta_image image = gradient(4, 4), back = {0};
    struct pasta_str png = {0};
    struct pasta_err err = {0};
    assert_int_equal(pasta_png_encode(&image, NULL, 0, &png, &err), PASTA_OK);
    assert_int_equal(pasta_file_write_lazy(path, png.data, png.length, &err), PASTA_OK);
    assert_int_equal(pasta_image_read(path, &back, &err), PASTA_OK);
    assert_memory_equal(back.pixels, image.pixels, 48);
    pasta_image_release(&back);
    assert_int_equal(pasta_file_write_lazy(path, "GIF89a..", 8, &err), PASTA_OK);
    assert_int_equal(pasta_image_read(path, &back, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, path));
    unlink(path);
    err = (struct pasta_err){0};
    assert_int_equal(pasta_image_read(path, &back, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "No such file"));
    rmdir(folder);
    pasta_image_release(&image);
    pasta_str_release(&png);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_colour_type),
        cmocka_unit_test(interlaced),
        cmocka_unit_test(encode_then_decode),
        cmocka_unit_test(bad_requests),
        cmocka_unit_test(damaged_images),
        cmocka_unit_test(huge_claims),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
