/* canvas.c: textures, blur, grid, light and the tone of a mood. */
#include "canvas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"
#include "pasta/base/rng.h"

/* Tiling value noise of `cells` cells, added with weight w. */
static void add_octave(float out[NOISE_SIZE][NOISE_SIZE], int cells, float w, uint32_t stream)
{
    struct pasta_rng rng = pasta_rng_at(20241210, PASTA_RNG_DRAW, stream, (uint32_t)cells, 1);
    float *value = pasta_malloc((size_t)cells * (size_t)cells * sizeof *value);
    for (int i = 0; i < cells * cells; i++)
        value[i] = (float)pasta_rng_uniform(&rng) * 2 - 1;
    for (int y = 0; y < NOISE_SIZE; y++)
        for (int x = 0; x < NOISE_SIZE; x++) {
            float fx = (float)x * (float)cells / NOISE_SIZE, fy = (float)y * (float)cells / NOISE_SIZE;
            int x0 = (int)fx, y0 = (int)fy, x1 = (x0 + 1) % cells, y1 = (y0 + 1) % cells;
            float tx = fx - (float)x0, ty = fy - (float)y0;
            tx = tx * tx * (3 - 2 * tx);
            ty = ty * ty * (3 - 2 * ty);
            float top = value[y0 * cells + x0] * (1 - tx) + value[y0 * cells + x1] * tx;
            float low = value[y1 * cells + x0] * (1 - tx) + value[y1 * cells + x1] * tx;
            out[y][x] += w * (top * (1 - ty) + low * ty);
        }
    free(value);
}

void sketch_noise_make(struct sketch_noise *noise)
{
    memset(noise, 0, sizeof *noise);
    add_octave(noise->smooth, 16, 0.75f, 1);
    add_octave(noise->smooth, 32, 0.45f, 2);
    add_octave(noise->smooth, 64, 0.25f, 3);
    add_octave(noise->grain, 128, 0.7f, 4);
    add_octave(noise->grain, 256, 0.6f, 5);
}

static void blur_rows(const float *in, float *out, int size, int radius)
{
    float scale = 1.f / (float)(2 * radius + 1);
    for (int y = 0; y < size; y++) {
        const float *row = in + y * size;
        float sum = row[0] * (float)(radius + 1);
        for (int i = 0; i < radius; i++)
            sum += row[i < size ? i : size - 1];
        for (int x = 0; x < size; x++) {
            int in_x = x + radius < size ? x + radius : size - 1;
            sum += row[in_x];
            if (x > 0)
                sum -= row[x - radius - 1 > 0 ? x - radius - 1 : 0];
            else
                sum -= row[0];
            out[x * size + y] = sum * scale; /* transposed: two passes blur both ways */
        }
    }
}

void sketch_blur(float *plane, float *scratch, int size, int radius)
{
    if (radius < 1)
        return;
    for (int i = 0; i < 2; i++) {
        blur_rows(plane, scratch, size, radius);
        blur_rows(scratch, plane, size, radius);
    }
}

static void tint(struct sketch_canvas *c, int i, float r, float g, float b)
{
    c->r[i] *= r;
    c->g[i] *= g;
    c->b[i] *= b;
}

/* How strongly light and mood may brighten a style that lives on dark ground. */
static float openness(const struct sketch_canvas *c) { return c->style == STYLE_NEON ? 0.25f : c->style == STYLE_BLUEPRINT ? 0.5f : 1; }

static void towards(struct sketch_canvas *c, int i, struct rgb to, float t)
{
    c->r[i] += (to.r - c->r[i]) * t;
    c->g[i] += (to.g - c->g[i]) * t;
    c->b[i] += (to.b - c->b[i]) * t;
}

static void light_pixel(struct sketch_canvas *c, enum sketch_lighting lighting, float side, float open, float x, float y, int i)
{
    float dx, dy, d, t;
    switch (lighting) {
    case LIGHT_GOLDEN: /* low warm sun from one side, violet shadow on the other */
        t = 0.5f + side * (x - 0.5f);
        tint(c, i, 0.72f + 0.46f * t, 0.62f + 0.36f * t, 0.62f - 0.12f * t);
        dx = x - (side > 0 ? 0.94f : 0.06f);
        dy = y - 0.14f;
        d = dx * dx + dy * dy;
        t = least(1, 0.022f / (d + 0.012f));
        towards(c, i, (struct rgb){1, 0.86f, 0.48f}, most(0.4f, open) * t * (1 - 0.65f * c->a[i]));
        break;
    case LIGHT_MOONLIGHT:
        d = 1 + 0.30f * c->a[i];
        tint(c, i, 0.36f * d, 0.43f * d, 0.68f * d);
        dx = x - (side > 0 ? 0.84f : 0.16f);
        dy = y - 0.15f;
        d = sqrtf(dx * dx + dy * dy);
        t = d < 0.085f ? 1 : d < 0.10f ? (0.10f - d) / 0.015f : 0;
        t = most(t * (1 - c->a[i]), 0.34f * most(0, 1 - d / 0.42f) * (1 - 0.5f * c->a[i]));
        towards(c, i, (struct rgb){0.93f, 0.95f, 1}, t);
        break;
    case LIGHT_SPOTLIGHT: /* a cone from the upper edge onto the ground */
        dx = (x - 0.5f) / (0.16f + 0.30f * y);
        dy = (y - 0.86f) / 0.15f;
        t = most(least(1, most(0, (1.06f - fabsf(dx)) * 7)) * (y < 0.9f), least(1, most(0, (1.6f - dx * dx - dy * dy) * 3)));
        d = 0.18f + (0.58f + 0.40f * c->a[i]) * t;
        tint(c, i, d, d * 0.98f, d * (t > 0.5f ? 0.9f : 1.1f));
        towards(c, i, (struct rgb){1, 0.97f, 0.8f}, open * 0.16f * t * (1 - c->a[i]));
        break;
    case LIGHT_BACKLIT: /* bright behind, figures nearly silhouettes */
        dx = x - 0.5f;
        dy = y - 0.45f;
        d = dx * dx + dy * dy;
        if (c->a[i] < 1)
            towards(c, i, (struct rgb){1, 0.96f, 0.82f}, open * (1 - c->a[i]) * most(0, 0.95f - 2.6f * d));
        t = 1 - 0.70f * c->a[i];
        tint(c, i, t, t * 0.97f, t);
        break;
    case LIGHT_MISTY:
        t = (0.64f - 0.34f * c->a[i]) * (0.6f + 0.4f * y) + (0.30f - 0.06f * c->a[i]) * sketch_smooth_at(c, x * 0.35f, y * 1.3f, 110);
        t = (t + 0.45f * most(0, y - 0.62f) / 0.38f) * (1 - 0.40f * c->a[i]); /* thickest on the ground, thinner before figures */
        towards(c, i, (struct rgb){0.86f, 0.89f, 0.91f}, open * least(0.94f, most(0.08f, t)));
        break;
    default:
        break;
    }
}

void sketch_light(struct sketch_canvas *c, enum sketch_lighting lighting, float side)
{
    if (lighting == LIGHT_DAYLIGHT)
        return;
    float step = 1.f / (float)c->size, open = openness(c);
    for (int y = 0, i = 0; y < c->size; y++)
        for (int x = 0; x < c->size; x++, i++)
            light_pixel(c, lighting, side, open, ((float)x + 0.5f) * step, ((float)y + 0.5f) * step, i);
    if (lighting != LIGHT_BACKLIT)
        return;
    /* a bright rim where figures end */
    int n = c->size * c->size;
    memcpy(c->x, c->a, (size_t)n * sizeof *c->x);
    sketch_blur(c->x, c->y, c->size, (int)(1.2f * c->unit + 0.5f));
    for (int i = 0; i < n; i++)
        towards(c, i, (struct rgb){1, 0.93f, 0.70f}, c->a[i] * least(1, most(0, 0.80f - c->x[i]) * 1.8f));
}

void sketch_mood_tone(struct sketch_canvas *c, enum sketch_mood mood)
{
    static const struct {
        float saturation, contrast, lift;
        struct rgb to;
        float t;
    } tone[MOODS] = {
        [MOOD_CALM] = {1, 0.92f, 0.02f, {0, 0, 0}, 0},
        [MOOD_JOYFUL] = {1.15f, 1, 0.04f, {0, 0, 0}, 0},
        [MOOD_GLOOMY] = {0.55f, 0.9f, -0.12f, {0.33f, 0.38f, 0.45f}, 0.18f},
        [MOOD_DREAMY] = {0.95f, 0.9f, 0.06f, {0.80f, 0.68f, 0.95f}, 0.24f},
        [MOOD_DRAMATIC] = {1.1f, 1.35f, -0.06f, {0, 0, 0}, 0},
        [MOOD_ROMANTIC] = {1, 0.95f, 0.03f, {0.98f, 0.66f, 0.74f}, 0.18f},
        [MOOD_ENERGETIC] = {1.25f, 1.15f, 0, {0, 0, 0}, 0},
    };
    int n = c->size * c->size;
    float s = tone[mood].saturation, k = tone[mood].contrast, lift = tone[mood].lift * openness(c), t = tone[mood].t * openness(c);
    struct rgb to = tone[mood].to;
    for (int i = 0; i < n; i++) {
        float l = 0.299f * c->r[i] + 0.587f * c->g[i] + 0.114f * c->b[i], base = 0.5f + (l - 0.5f) * k + lift;
        float r = base + (c->r[i] - l) * s * k, g = base + (c->g[i] - l) * s * k, b = base + (c->b[i] - l) * s * k;
        c->r[i] = least(1, most(0, r + (to.r - r) * t));
        c->g[i] = least(1, most(0, g + (to.g - g) * t));
        c->b[i] = least(1, most(0, b + (to.b - b) * t));
    }
}

void sketch_separate(struct sketch_canvas *c)
{
    if (c->style == STYLE_NEON || c->style == STYLE_BLUEPRINT)
        return; /* lines stand out by themselves */
    int n = c->size * c->size;
    float front[4] = {0}, back[4] = {0};
    for (int i = 0; i < n; i++) {
        float a = c->a[i], b = 1 - a;
        front[0] += a * c->r[i], front[1] += a * c->g[i], front[2] += a * c->b[i], front[3] += a;
        back[0] += b * c->r[i], back[1] += b * c->g[i], back[2] += b * c->b[i], back[3] += b;
    }
    if (front[3] < 1 || back[3] < 1)
        return;
    float d[3], wanted = 0.30f;
    for (int k = 0; k < 3; k++)
        d[k] = back[k] / back[3] - front[k] / front[3];
    float light = 0.299f * d[0] + 0.587f * d[1] + 0.114f * d[2];
    float apart = sqrtf(light * light + 0.25f * ((d[0] - light) * (d[0] - light) + (d[1] - light) * (d[1] - light) + (d[2] - light) * (d[2] - light)));
    if (apart >= wanted)
        return;
    float push = (light < 0 ? -1 : 1) * (wanted - apart), to = push > 0 ? 1 : 0, back_t = fabsf(push) * 1.1f, front_t = fabsf(push) * 0.5f;
    for (int i = 0; i < n; i++) {
        float t = c->a[i] * front_t, u = (1 - c->a[i]) * back_t;
        c->r[i] += (to - c->r[i]) * u + (1 - to - c->r[i]) * t;
        c->g[i] += (to - c->g[i]) * u + (1 - to - c->g[i]) * t;
        c->b[i] += (to - c->b[i]) * u + (1 - to - c->b[i]) * t;
    }
}

static void shrink(float *plane, float *scratch, int size)
{
    int half = size / 2;
    for (int y = 0; y < half; y++)
        for (int x = 0; x < half; x++) {
            const float *p = plane + 2 * y * size + 2 * x;
            scratch[y * half + x] = 0.25f * (p[0] + p[1] + p[size] + p[size + 1]);
        }
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            int tile_x = x >= half, cx = x % half, cy = (y < half ? y : y - half) % half;
            plane[y * size + x] = scratch[cy * half + (tile_x ? half - 1 - cx : cx)];
        }
}

void sketch_grid(struct sketch_canvas *c)
{
    int size = c->size, half = size / 2, gap = (int)(c->unit * 1.2f + 0.5f);
    shrink(c->r, c->x, size);
    shrink(c->g, c->x, size);
    shrink(c->b, c->x, size);
    shrink(c->a, c->x, size);
    bool dark = c->style == STYLE_NEON || c->style == STYLE_BLUEPRINT;
    struct rgb border = dark ? (struct rgb){0.8f, 0.85f, 0.9f} : (struct rgb){0.98f, 0.97f, 0.94f};
    for (int y = 0, i = 0; y < size; y++)
        for (int x = 0; x < size; x++, i++) {
            int tile = (x >= half) + 2 * (y >= half), mx = x - half, my = y - half;
            if (tile == 1 || tile == 2) { /* two of the four in other colours */
                struct rgb k = sketch_palette_anchor(c->palette, tile);
                towards(c, i, k, 0.34f * (1 - 0.6f * c->a[i]));
            }
            if ((mx >= -gap && mx < gap) || (my >= -gap && my < gap))
                c->r[i] = border.r, c->g[i] = border.g, c->b[i] = border.b, c->a[i] = 0;
        }
}

void sketch_style_filter(struct sketch_canvas *c)
{
    sketch_style_line(c);
    sketch_style_paint(c);
}
