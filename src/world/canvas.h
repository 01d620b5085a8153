/* canvas.h: the pixel half of an image: planes of floats, light, and the filters that make a style.
 *
 * Planes are [size,size] row-major f32, 0..1. Textures scale with the image: `unit` pixels are 1/64 of it.
 */
#ifndef PASTA_SRC_WORLD_CANVAS_H
#define PASTA_SRC_WORLD_CANVAS_H
#include <stdint.h>
#include "colour.h"

enum { NOISE_SIZE = 256, NOISE_MASK = NOISE_SIZE - 1 };
struct sketch_noise { /* tiling textures, -1..1; made once */
    float smooth[NOISE_SIZE][NOISE_SIZE];  /* clouds: features of some 16 texels */
    float grain[NOISE_SIZE][NOISE_SIZE];   /* paper: features of some 2 texels */
};
void sketch_noise_make(struct sketch_noise *noise);

/* libm's fminf and friends are calls (they mind NaN); these are instructions. */
static inline float least(float a, float b) { return a < b ? a : b; }
static inline float most(float a, float b) { return a > b ? a : b; }
static inline float fraction(float v) { return v - (float)(int)v; } /* of v >= 0 */

struct sketch_canvas {
    int size;
    float unit;
    float *r, *g, *b;  /* the picture */
    float *a;          /* coverage by figures, 0..1 */
    float *x, *y, *z;  /* scratch */
    const struct sketch_noise *noise;
    uint32_t shift;    /* where textures start: different in every image */
    enum sketch_palette palette;
    enum sketch_style style;
};
static inline float sketch_smooth_at(const struct sketch_canvas *c, float x, float y, float scale)
{
    return c->noise->smooth[((int)(y * scale) + (c->shift >> 8)) & NOISE_MASK][((int)(x * scale) + c->shift) & NOISE_MASK];
}
static inline float sketch_grain_at(const struct sketch_canvas *c, float x, float y, float scale)
{
    return c->noise->grain[((int)(y * scale) + (c->shift >> 4)) & NOISE_MASK][((int)(x * scale) + (c->shift >> 12)) & NOISE_MASK];
}
/* A well-mixed hash of two small numbers and the image's shift, as a float in [0,1). */
static inline float sketch_scatter(const struct sketch_canvas *c, int x, int y)
{
    uint32_t h = (uint32_t)x * 0x9e3779b1u ^ (uint32_t)y * 0x85ebca77u ^ c->shift * 0xc2b2ae3du;
    h ^= h >> 15;
    h *= 0x2c1b3c6du;
    h ^= h >> 12;
    h *= 0x297a2d39u;
    h ^= h >> 15;
    return (float)(h >> 8) / 16777216.f;
}

/* Box blur of radius `radius` pixels, twice, in place; `scratch` of the same size. */
void sketch_blur(float *plane, float *scratch, int size, int radius);
/* Light and mood on the whole picture, before the style. side: -1 from the left, 1 from the right. */
void sketch_light(struct sketch_canvas *c, enum sketch_lighting lighting, float side);
void sketch_mood_tone(struct sketch_canvas *c, enum sketch_mood mood);
/* Pulls figures and what lies behind apart where light and palette have made them alike. */
void sketch_separate(struct sketch_canvas *c);
/* Four small pictures instead of one. */
void sketch_grid(struct sketch_canvas *c);
/* The style's filter: styles_line.c for drawn styles, styles_paint.c for painted ones. */
void sketch_style_filter(struct sketch_canvas *c);
void sketch_style_line(struct sketch_canvas *c);  /* ink, stipple, charcoal, crayon, blueprint, woodcut, comic, neon */
void sketch_style_paint(struct sketch_canvas *c); /* photo, watercolor, oil, pixel, mosaic, papercut; flat needs none */
#endif
