/* preprocess_impl.h: the second way of resizing. */
#ifndef PASTA_SRC_PREPROCESS_H
#define PASTA_SRC_PREPROCESS_H
#include "pasta/model/preprocess.h"

/* The middle [3,size,size] of the image resized as a tensor to width x height, which are at least size. Black is 0, white 1. */
void preprocess_tensor(const struct pasta_image *image, int width, int height, int size, float *out);
#endif
