/* scene.h: the vector half of an image: background and figures on two cairo surfaces. */
#ifndef PASTA_SRC_WORLD_SCENE_H
#define PASTA_SRC_WORLD_SCENE_H
#include "drawings.h"
#include "painter.h"
#include "pasta/base/rng.h"

/* Paints `a` onto two new surfaces of size x size pixels: *back (RGB24) and *front (ARGB32, premultiplied: figures, mood, frame).
 * The caller destroys both. Errors: PASTA_ERR_FAILED with cairo's reason. */
pasta_status sketch_scene(const struct sketch_drawings *drawings, const struct sketch_attributes *a, int size,
                          struct pasta_rng *rng, cairo_surface_t **back, cairo_surface_t **front, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
