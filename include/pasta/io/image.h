/* image.h: 8-bit RGB images, read from PNG, JPEG and WebP files and written as PNG.
 *
 * Reading gives the bytes of Pillow's `Image.open(path).convert("RGB")`, which is what the published encoders were trained and are
 * evaluated with: alpha and transparent colours are dropped, 16-bit grey is cut off at 255 and other 16-bit samples keep their high byte,
 * four-channel JPEG is taken for Adobe's inverted CMYK, colour profiles and EXIF orientation are not applied, and an animation gives its
 * first frame. Unlike Pillow, a PNG without its end is refused.
 *
 *     struct pasta_image image;
 *     status = pasta_image_read("cat.jpg", &image, err);
 *     pasta_image_release(&image);
 */
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
/* The format is told by the first bytes, not by the name. At most 2^15 pixels a side and 2^27 in all, which a file of some bytes may have
 * and which take 1.5 GB while they are decoded. A file of another format, too large, truncated or refused by its library is
 * PASTA_ERR_INPUT, and `where` names it; a JPEG with wrong bits amid its data gives wrong pixels, as in Pillow. Decoding is a function of
 * the bytes alone. */
pasta_status pasta_image_read(const char *path, struct pasta_image *out, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_image_decode(const void *bytes, size_t length, const char *where, struct pasta_image *out,
                                struct pasta_err *err) PASTA_MUST_CHECK;
/* "PNG", "JPEG" or "WebP" by the first bytes; NULL: none of them. */
const char *pasta_image_format(const void *bytes, size_t length);
/* Endings of names that stand for these formats, NULL at the end: ".png" first, which is what we write. */
extern const char *const pasta_image_endings[];
/* Encodes; keys and texts: n_text pairs for tEXt chunks, or iTXt where the text is not
 * ASCII (may be 0). Keys are 1 to 79 characters. Same image, same bytes. */
pasta_status pasta_png_encode(const struct pasta_image *image, const char *const (*texts)[2], int n_text,
                              struct pasta_str *out, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
