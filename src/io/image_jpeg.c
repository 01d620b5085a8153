#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "image_formats.h"
#include "pasta/base/mem.h"

/* libjpeg leaves its work to an error handler that must not return, so it jumps. What must survive the jump lives in this struct, which
 * the caller of the jumping code owns; the functions between setjmp and longjmp hold nothing of their own. */
struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf stop;
    const unsigned char *bytes;
    size_t length;
    uint8_t *pixels, *line; /* line: one row of four channels */
    char reason[JMSG_LENGTH_MAX];
};

enum { MAX_SCANS = 1000 }; /* encoders write some ten; each costs a pass over the whole image and a file can hold any number */

static struct decoder *decoder_of(j_common_ptr jpeg)
{
    return jpeg->client_data;
}

static void stop(struct decoder *d, const char *reason)
{
    snprintf(d->reason, sizeof d->reason, "%s", reason);
    longjmp(d->stop, 1);
}

static void on_error(j_common_ptr jpeg)
{
    struct decoder *d = decoder_of(jpeg);
    d->errors.format_message(jpeg, d->reason);
    longjmp(d->stop, 1);
}

static void on_message(j_common_ptr jpeg, int level)
{
    (void)jpeg;
    (void)level;
}

/* Called where the file ends before the image does; libjpeg's own goes on with grey. */
static boolean on_end(j_decompress_ptr jpeg)
{
    stop(decoder_of((j_common_ptr)jpeg), "the file is truncated");
    return FALSE;
}

static void on_progress(j_common_ptr jpeg)
{
    if (((j_decompress_ptr)jpeg)->input_scan_number > MAX_SCANS)
        stop(decoder_of(jpeg), "more than 1000 scans");
}

/* Adobe's files, and so all that occur, hold 255 less the ink. */
static void from_inverted_cmyk(const uint8_t *in, int width, uint8_t *out)
{
    for (int x = 0; x < width; x++, in += 4)
        for (int c = 0; c < 3; c++) {
            const unsigned product = (255u - in[c]) * in[3] + 128; /* rounded division by 255 */
            const int value = in[3] - (int)(((product >> 8) + product) >> 8);
            *out++ = (uint8_t)value;
        }
}

/* The part that may jump. */
static void decode(struct decoder *d)
{
    jpeg_create_decompress(&d->jpeg);
    d->jpeg.client_data = d;
    d->jpeg.progress = &d->progress;
    d->progress.progress_monitor = on_progress;
    jpeg_mem_src(&d->jpeg, d->bytes, (unsigned long)d->length);
    d->jpeg.src->fill_input_buffer = on_end;
    jpeg_read_header(&d->jpeg, TRUE);
    if (!pasta_image_fits(d->jpeg.image_width, d->jpeg.image_height))
        stop(d, PASTA_IMAGE_TOO_LARGE);
    if (d->jpeg.num_components == 2 || d->jpeg.num_components > 4)
        stop(d, "expected 1, 3 or 4 channels");
    d->jpeg.out_color_space = d->jpeg.num_components == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&d->jpeg);
    const size_t width = d->jpeg.output_width;
    d->pixels = pasta_malloc(width * d->jpeg.output_height * 3);
    d->line = pasta_malloc(width * 4);
    while (d->jpeg.output_scanline < d->jpeg.output_height) {
        uint8_t *row = d->pixels + d->jpeg.output_scanline * width * 3;
        JSAMPROW to = d->jpeg.num_components == 4 ? d->line : row;
        jpeg_read_scanlines(&d->jpeg, &to, 1);
        if (to == d->line)
            from_inverted_cmyk(d->line, (int)width, row);
    }
    jpeg_finish_decompress(&d->jpeg);
}

static bool decode_guarded(struct decoder *d)
{
    if (setjmp(d->stop))
        return false;
    decode(d);
    return true;
}

pasta_status pasta_jpeg_decode(const void *bytes, size_t length, const char *where, struct pasta_image *out, struct pasta_err *err)
{
    struct decoder d = {.bytes = bytes, .length = length};
    d.jpeg.err = jpeg_std_error(&d.errors);
    d.jpeg.client_data = &d;
    d.errors.error_exit = on_error;
    d.errors.emit_message = on_message;
    const bool ok = decode_guarded(&d);
    if (ok)
        *out = (struct pasta_image){(int)d.jpeg.output_width, (int)d.jpeg.output_height, d.pixels};
    jpeg_destroy_decompress(&d.jpeg);
    free(d.line);
    if (ok)
        return PASTA_OK;
    free(d.pixels);
    return pasta_fail(err, PASTA_ERR_INPUT, "'%s': broken JPEG image: %s", where, d.reason);
}
