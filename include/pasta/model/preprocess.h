/* preprocess.h: an image as CLIP's vision tower wants it, following preprocessor_config.json.
 *
 * Convert to RGB, resize so that the shorter side has a given length (or to a fixed size), cut out the centre, scale to 0..1,
 * normalise. The resize is Pillow's, bit for bit: antialiased, separable, horizontal pass first, fixed-point weights, rounded to 8
 * bits after each pass. (Pillow 13 begins with the height where the width grows and the height shrinks, which keeping the sides' ratio
 * never asks for.)
 *
 * Sources: transformers CLIPImageProcessor; Pillow src/libImaging/Resample.c.
 */
#ifndef PASTA_MODEL_PREPROCESS_H
#define PASTA_MODEL_PREPROCESS_H
#include <stdbool.h>
#include "pasta/base/err.h"
#include "pasta/base/str.h"
#include "pasta/io/image.h"

enum pasta_resample { PASTA_BILINEAR = 2, PASTA_BICUBIC = 3 }; /* Pillow's numbers */

struct pasta_preprocess {
    bool do_resize, do_crop, do_rescale, do_normalize;
    enum pasta_resample resample;
    int shortest;                     /* length of the shorter side, or 0: resize to resize_width x resize_height */
    int resize_width, resize_height;
    int crop_width, crop_height;
    double rescale;
    double mean[3], std[3];
    bool as_tensor;                   /* scale first, then resize in floats and cut as torchvision does; shortest is set, and all is done */
};

/* CLIP's own settings for images of size x size. */
struct pasta_preprocess pasta_preprocess_clip(int size);
/* HPSv2's evaluation transform: torchvision's of tensors, whose resize is antialiased from 0.17 on, with CLIP's mean and deviation. The
 * image is RGB, also where the file was not: of an image with alpha the original would make four channels.
 * Source: tgxs002/HPSv2 hpsv2/src/open_clip/transform.py. */
struct pasta_preprocess pasta_preprocess_hpsv2(int size);
/* Reads preprocessor_config.json of a model folder. `size` is what the tower wants; a configuration that cannot give it is
 * PASTA_ERR_INPUT. */
pasta_status pasta_preprocess_read(const char *dir, int size, struct pasta_preprocess *out, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_preprocess_print(const struct pasta_preprocess *p, struct pasta_str *out); /* as preprocessor_config.json */

/* Pillow's Image.resize of an 8-bit RGB image; *out is owned by the caller. width, height >= 1. */
void pasta_image_resize(const struct pasta_image *image, int width, int height, enum pasta_resample resample, struct pasta_image *out);
/* Pixel values [3,size,size] f32. An image that does not come out at that size (no resize, no crop) is PASTA_ERR_INPUT. */
pasta_status pasta_preprocess_image(const struct pasta_preprocess *p, const struct pasta_image *image, int size, float *out,
                                    struct pasta_err *err) PASTA_MUST_CHECK;
#endif
