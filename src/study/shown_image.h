/* shown_image.h: an image as raters get it: the pixels, and nothing that says what made them. */
#ifndef PASTA_SRC_STUDY_SHOWN_IMAGE_H
#define PASTA_SRC_STUDY_SHOWN_IMAGE_H
#include <stdbool.h>
#include "pasta/base/err.h"
#include "pasta/base/str.h"

/* Reads ROOT/images/ab/ID.png as shown_image_strip leaves it. `id` is 64 hexadecimal digits: no path can be made of it. */
pasta_status shown_image_read(const char *root, const char *id, struct pasta_str *out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Appends the PNG file in `png` with the chunks alone that decide its pixels: no text, no time, nothing behind its end. False: it is no PNG
 * file, or a part of one. */
bool shown_image_strip(const struct pasta_str *png, struct pasta_str *out);
#endif
