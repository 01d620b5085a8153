/* t2i_reply.h: the image in what a text-to-image service replied. */
#ifndef PASTA_SRC_WORLD_T2I_REPLY_H
#define PASTA_SRC_WORLD_T2I_REPLY_H
#include "pasta/io/image.h"

enum t2i_reply_form {
    T2I_DATA,   /* {"data":[{"b64_json":TEXT}]}: OpenAI */
    T2I_IMAGES, /* {"images":[TEXT]}: AUTOMATIC1111, stable-diffusion.cpp */
};
/* Decodes the first image: base64, with or without "data:...;base64," in front, of a PNG, JPEG or WebP. PASTA_ERR_INPUT says what was found
 * instead. */
pasta_status t2i_reply_image(const char *bytes, size_t length, enum t2i_reply_form form, struct pasta_image *out,
                             struct pasta_err *err) PASTA_MUST_CHECK;
#endif
