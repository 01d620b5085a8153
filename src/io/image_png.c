#include <png.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image_formats.h"
#include "pasta/base/mem.h"

/* libpng reports errors with longjmp. Everything that must survive the jump lives in one of the two structs below, which the caller
 * of the jumping code owns; the functions between setjmp and longjmp hold nothing of their own. */

static void on_error(png_structp png, png_const_charp message)
{
    snprintf(png_get_error_ptr(png), 128, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

struct decoder {
    png_structp png;
    png_infop info;
    const unsigned char *next, *end;
    uint8_t *pixels;
    png_bytep *rows;
    png_uint_32 width, height;
    char reason[128];
};

static void read_bytes(png_structp png, png_bytep out, size_t length)
{
    struct decoder *d = png_get_io_ptr(png);
    if ((size_t)(d->end - d->next) < length)
        png_error(png, "truncated PNG");
    memcpy(out, d->next, length);
    d->next += length;
}

/* Asks libpng to turn whatever the file holds into 8-bit RGB, 16-bit grey excepted. */
static void set_rgb(struct decoder *d)
{
    int type = png_get_color_type(d->png, d->info), depth = png_get_bit_depth(d->png, d->info);
    if (type == PNG_COLOR_TYPE_GRAY && depth == 16)
        return;
    png_set_strip_16(d->png);
    if (type == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(d->png);
    if (type == PNG_COLOR_TYPE_GRAY && depth < 8)
        png_set_expand_gray_1_2_4_to_8(d->png);
    if (type == PNG_COLOR_TYPE_GRAY || type == PNG_COLOR_TYPE_GRAY_ALPHA)
        png_set_gray_to_rgb(d->png);
    png_set_strip_alpha(d->png);
}

/* A row of 16-bit grey, in place, to RGB: values above 255 are cut off, not scaled. */
static void cut_grey(uint8_t *row, png_uint_32 width)
{
    for (png_uint_32 x = width; x-- > 0;)
        memset(row + 3 * (size_t)x, row[2 * (size_t)x] ? 255 : row[2 * (size_t)x + 1], 3);
}

/* The part that may jump. */
static void decode(struct decoder *d)
{
    png_set_read_fn(d->png, d, read_bytes);
    png_set_crc_action(d->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_user_limits(d->png, PASTA_IMAGE_SIDE, PASTA_IMAGE_SIDE);
    png_read_info(d->png, d->info);
    d->width = png_get_image_width(d->png, d->info);
    d->height = png_get_image_height(d->png, d->info);
    if (!pasta_image_fits(d->width, d->height))
        png_error(d->png, PASTA_IMAGE_TOO_LARGE);
    set_rgb(d);
    png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    size_t row = png_get_rowbytes(d->png, d->info);
    bool grey_16 = png_get_bit_depth(d->png, d->info) == 16;
    if (row != (size_t)d->width * (grey_16 ? 2 : 3))
        png_error(d->png, "unexpected row size");
    d->pixels = pasta_malloc((size_t)d->width * d->height * 3);
    d->rows = pasta_malloc(d->height * sizeof *d->rows);
    for (png_uint_32 y = 0; y < d->height; y++)
        d->rows[y] = d->pixels + (size_t)y * d->width * 3;
    png_read_image(d->png, d->rows);
    png_read_end(d->png, NULL);
    for (png_uint_32 y = 0; grey_16 && y < d->height; y++)
        cut_grey(d->rows[y], d->width);
}

static bool decode_guarded(struct decoder *d)
{
    if (setjmp(png_jmpbuf(d->png)))
        return false;
    decode(d);
    return true;
}

pasta_status pasta_png_decode(const void *bytes, size_t length, const char *where, struct pasta_image *out, struct pasta_err *err)
{
    struct decoder d = {.next = bytes, .end = (const unsigned char *)bytes + length};
    d.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, d.reason, on_error, on_warning);
    d.info = d.png ? png_create_info_struct(d.png) : NULL;
    bool ok = d.info && decode_guarded(&d);
    png_destroy_read_struct(&d.png, &d.info, NULL);
    free(d.rows);
    if (!ok) {
        free(d.pixels);
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': broken PNG image: %s", where, d.reason[0] ? d.reason : "libpng does not start");
    }
    *out = (struct pasta_image){(int)d.width, (int)d.height, d.pixels};
    return PASTA_OK;
}

struct encoder {
    png_structp png;
    png_infop info;
    png_bytep *rows;
    png_textp texts;
    struct pasta_str *out;
    char reason[128];
};

/* tEXt chunks are Latin-1 by definition; other text goes into iTXt, which is UTF-8. */
static bool is_ascii(const char *text)
{
    while (*text && !(*text & 0x80))
        text++;
    return !*text;
}

static void write_bytes(png_structp png, png_bytep bytes, size_t length)
{
    struct encoder *e = png_get_io_ptr(png);
    pasta_str_addn(e->out, bytes, length);
}

static void flush_nothing(png_structp png)
{
    (void)png;
}

static void encode(struct encoder *e, const struct pasta_image *image, int n_text)
{
    png_set_write_fn(e->png, e, write_bytes, flush_nothing);
    png_set_IHDR(e->png, e->info, (png_uint_32)image->width, (png_uint_32)image->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (n_text)
        png_set_text(e->png, e->info, e->texts, n_text);
    /* Fixed, so that bytes do not follow libpng's defaults; on rendered images one filter and a low level lose a few per cent
     * of size and save most of the time. */
    png_set_filter(e->png, PNG_FILTER_TYPE_BASE, PNG_FILTER_SUB);
    png_set_compression_level(e->png, 3);
    png_write_info(e->png, e->info);
    png_write_image(e->png, e->rows);
    png_write_end(e->png, NULL);
}

static bool encode_guarded(struct encoder *e, const struct pasta_image *image, int n_text)
{
    if (setjmp(png_jmpbuf(e->png)))
        return false;
    encode(e, image, n_text);
    return true;
}

pasta_status pasta_png_encode(const struct pasta_image *image, const char *const (*texts)[2], int n_text, struct pasta_str *out,
                              struct pasta_err *err)
{
    if (image->width < 1 || image->height < 1 || image->width > PASTA_IMAGE_SIDE || image->height > PASTA_IMAGE_SIDE)
        return pasta_fail(err, PASTA_ERR_FAILED, "cannot encode an image of %d x %d pixels", image->width, image->height);
    size_t before = out->length;
    struct encoder e = {.out = out};
    e.rows = pasta_malloc((size_t)image->height * sizeof *e.rows);
    for (int y = 0; y < image->height; y++)
        e.rows[y] = image->pixels + (size_t)y * (size_t)image->width * 3;
    e.texts = pasta_calloc((size_t)n_text, sizeof *e.texts);
    for (int i = 0; i < n_text; i++)
        e.texts[i] = (png_text){.compression = is_ascii(texts[i][1]) ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE,
                                .key = (char *)texts[i][0], .text = (char *)texts[i][1], .text_length = strlen(texts[i][1])};
    e.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, e.reason, on_error, on_warning);
    e.info = e.png ? png_create_info_struct(e.png) : NULL;
    bool ok = e.info && encode_guarded(&e, image, n_text);
    png_destroy_write_struct(&e.png, &e.info);
    free(e.texts);
    free(e.rows);
    if (ok)
        return PASTA_OK;
    out->length = before;
    return pasta_fail(err, PASTA_ERR_FAILED, "cannot encode a PNG image: %s", e.reason[0] ? e.reason : "libpng does not start");
}
