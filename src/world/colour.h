/* colour.h: named natural colours, and palettes that recolour them.
 *
 * Drawings and backgrounds are described in natural colours (grass is green); a palette maps those to its own few anchors, by
 * lightness and family of hue, so that a scene keeps its contrasts under every palette.
 */
#ifndef PASTA_SRC_WORLD_COLOUR_H
#define PASTA_SRC_WORLD_COLOUR_H
#include <stdint.h>
#include "attributes.h"

struct rgb {
    float r, g, b; /* 0..1 */
};
/* Index of a natural colour by name ("tan"), or -1. */
int sketch_natural_find(const char *name);
/* A natural colour, darker (shade < 0) or lighter (shade > 0). */
struct rgb sketch_natural(int index, int shade);
struct rgb sketch_stated_colour(enum sketch_colour colour); /* of a colour word; not for COLOUR_NATURAL */
struct rgb sketch_palette_map(enum sketch_palette palette, struct rgb natural);
struct rgb sketch_palette_dark(enum sketch_palette palette);
struct rgb sketch_palette_light(enum sketch_palette palette);
struct rgb sketch_palette_anchor(enum sketch_palette palette, int which); /* 0..2 */
struct rgb sketch_mix(struct rgb a, struct rgb b, float t);   /* t = 0: a */
struct rgb sketch_saturate(struct rgb c, float factor);       /* 1 leaves it, 0 is grey */
struct rgb sketch_turn(struct rgb c, float degrees);          /* a small turn of hue */
float sketch_luma(struct rgb c);
#endif
