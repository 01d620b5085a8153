/* render.h: attributes + seed -> pixels. */
#ifndef PASTA_SRC_WORLD_RENDER_H
#define PASTA_SRC_WORLD_RENDER_H
#include "canvas.h"
#include "drawings.h"
/* Writes [size,size,3] RGB bytes to `pixels`. Same attributes, seed and size: same bytes, on any thread. */
pasta_status sketch_render(const struct sketch_drawings *drawings, const struct sketch_noise *noise,
                           const struct sketch_attributes *a, uint64_t seed, int size, uint8_t *pixels,
                           struct pasta_err *err) PASTA_MUST_CHECK;
#endif
