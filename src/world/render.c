/* render.c: scene, then light, then the style's filter. */
#include "render.h"

#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"
#include "scene.h"

enum { PLANES = 7 };

/* Background planes from a surface; photographs have theirs out of focus. */
static void load_back(struct sketch_canvas *c, cairo_surface_t *surface)
{
    const unsigned char *data = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    for (int y = 0, i = 0; y < c->size; y++) {
        const uint32_t *row = (const uint32_t *)(const void *)(data + y * stride);
        for (int x = 0; x < c->size; x++, i++) {
            c->r[i] = (float)(row[x] >> 16 & 255) * (1 / 255.f);
            c->g[i] = (float)(row[x] >> 8 & 255) * (1 / 255.f);
            c->b[i] = (float)(row[x] & 255) * (1 / 255.f);
        }
    }
    if (c->style == STYLE_PHOTO) {
        int radius = (int)(1.1f * c->unit + 0.5f);
        sketch_blur(c->r, c->x, c->size, radius);
        sketch_blur(c->g, c->x, c->size, radius);
        sketch_blur(c->b, c->x, c->size, radius);
    }
}

/* A figure's shadow on what lies behind, below and to the right. */
static void cast_shadow(struct sketch_canvas *c)
{
    bool soft = c->style == STYLE_PHOTO || c->style == STYLE_OIL;
    if (!soft && c->style != STYLE_PAPERCUT)
        return;
    int n = c->size * c->size, shift = (int)((soft ? 2.2f : 1.4f) * c->unit + 0.5f);
    memcpy(c->x, c->a, (size_t)n * sizeof *c->x);
    sketch_blur(c->x, c->y, c->size, (int)((soft ? 2.0f : 1.0f) * c->unit + 0.5f));
    for (int y = shift; y < c->size; y++)
        for (int x = shift; x < c->size; x++) {
            int i = y * c->size + x;
            float k = 1 - 0.48f * c->x[i - shift * c->size - shift];
            c->r[i] *= k;
            c->g[i] *= k;
            c->b[i] *= k;
        }
}

static void load_front(struct sketch_canvas *c, cairo_surface_t *surface)
{
    const unsigned char *data = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    for (int y = 0, i = 0; y < c->size; y++) {
        const uint32_t *row = (const uint32_t *)(const void *)(data + y * stride);
        for (int x = 0; x < c->size; x++, i++)
            c->a[i] = (float)(row[x] >> 24) * (1 / 255.f);
    }
    cast_shadow(c);
    for (int y = 0, i = 0; y < c->size; y++) {
        const uint32_t *row = (const uint32_t *)(const void *)(data + y * stride);
        for (int x = 0; x < c->size; x++, i++) {
            float under = 1 - c->a[i];
            c->r[i] = c->r[i] * under + (float)(row[x] >> 16 & 255) * (1 / 255.f);
            c->g[i] = c->g[i] * under + (float)(row[x] >> 8 & 255) * (1 / 255.f);
            c->b[i] = c->b[i] * under + (float)(row[x] & 255) * (1 / 255.f);
        }
    }
}

static uint8_t to_byte(float v) { return (uint8_t)((v < 0 ? 0 : v > 1 ? 1 : v) * 255 + 0.5f); }

pasta_status sketch_render(const struct sketch_drawings *drawings, const struct sketch_noise *noise,
                           const struct sketch_attributes *a, uint64_t seed, int size, uint8_t *pixels, struct pasta_err *err)
{
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_DRAW, 1, 0, 0);
    struct sketch_canvas c = {.size = size, .unit = (float)size / 64, .noise = noise, .shift = pasta_rng_u32(&rng),
                              .palette = (enum sketch_palette)a->value[SKETCH_PALETTE],
                              .style = (enum sketch_style)a->value[SKETCH_STYLE]};
    float side = pasta_rng_below(&rng, 2) ? 1 : -1;
    cairo_surface_t *back, *front;
    pasta_status status = sketch_scene(drawings, a, size, &rng, &back, &front, err);
    if (status != PASTA_OK)
        return status;

    size_t n = (size_t)size * (size_t)size;
    float *block = pasta_malloc(PLANES * n * sizeof *block), **planes[PLANES] = {&c.r, &c.g, &c.b, &c.a, &c.x, &c.y, &c.z};
    for (int i = 0; i < PLANES; i++)
        *planes[i] = block + (size_t)i * n;
    load_back(&c, back);
    load_front(&c, front);
    if (a->value[SKETCH_COMPOSITION] == COMPOSITION_GRID)
        sketch_grid(&c);
    sketch_mood_tone(&c, (enum sketch_mood)a->value[SKETCH_MOOD]);
    sketch_light(&c, (enum sketch_lighting)a->value[SKETCH_LIGHTING], side);
    sketch_separate(&c);
    sketch_style_filter(&c);
    for (size_t i = 0; i < n; i++) {
        pixels[3 * i] = to_byte(c.r[i]);
        pixels[3 * i + 1] = to_byte(c.g[i]);
        pixels[3 * i + 2] = to_byte(c.b[i]);
    }
    free(block);
    cairo_surface_destroy(back);
    cairo_surface_destroy(front);
    return PASTA_OK;
}
