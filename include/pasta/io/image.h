/* image.h: 8-bit RGB images, and PNG through libpng. */
#ifndef PASTA_IO_IMAGE_H
#define PASTA_IO_IMAGE_H
#include <stddef.h>
#include <stdint.h>
#include "pasta/base/err.h"
#include "pasta/base/str.h"
struct pasta_image {
    int width, height;
    uint8_t *pixels; /* [height,width,3] row-major RGB, owned; release with pasta_image_release */
};
void pasta_image_release(struct pasta_image *image);
/* Reads a PNG of any colour type as RGB (alpha dropped, 16 bit scaled to 8, palette and grey expanded). */
pasta_status pasta_png_read(const char *path, struct pasta_image *out, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_png_decode(const void *bytes, size_t length, const char *where, struct pasta_image *out,
                              struct pasta_err *err) PASTA_MUST_CHECK;
/* Encodes; keys and texts: n_text pairs for tEXt chunks, or iTXt where the text is not
 * ASCII (may be 0). Keys are 1 to 79 characters. Same image, same bytes. */
pasta_status pasta_png_encode(const struct pasta_image *image, const char *const (*texts)[2], int n_text,
                              struct pasta_str *out, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
