/* image_formats.h: one decoder a format, each in the one file that includes its library. They are called with bytes that begin with
 * their format's signature, and give pixels as pasta_image_decode promises. */
#ifndef PASTA_IO_IMAGE_FORMATS_H
#define PASTA_IO_IMAGE_FORMATS_H
#include <stdbool.h>
#include "pasta/io/image.h"

enum { PASTA_IMAGE_SIDE = 1 << 15 };
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
enum { PASTA_IMAGE_PIXELS = 1 << 20 }; /* 50 bytes of WebP can hold 2^27 pixels, which leaves time for few inputs */
#else
enum { PASTA_IMAGE_PIXELS = 1 << 27 }; /* 400 MB of RGB: more is a header that lies */
#endif
#define PASTA_IMAGE_TOO_LARGE "expected at most 2^15 pixels a side and 2^27 in all, the header says more"

static inline bool pasta_image_fits(size_t width, size_t height)
{
    return width <= PASTA_IMAGE_SIDE && height <= PASTA_IMAGE_SIDE && width * height <= PASTA_IMAGE_PIXELS;
}

pasta_status pasta_png_decode(const void *bytes, size_t length, const char *where, struct pasta_image *out,
                              struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_jpeg_decode(const void *bytes, size_t length, const char *where, struct pasta_image *out,
                               struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_webp_decode(const void *bytes, size_t length, const char *where, struct pasta_image *out,
                               struct pasta_err *err) PASTA_MUST_CHECK;
#endif
