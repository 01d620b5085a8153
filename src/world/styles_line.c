/* styles_line.c: drawn styles: tone becomes lines, dots and grain on paper. */
#include <math.h>
#include <string.h>

#include "canvas.h"

static float clamp01(float v) { return v < 0 ? 0 : v > 1 ? 1 : v; }
static float luma_at(const struct sketch_canvas *c, int i) { return 0.299f * c->r[i] + 0.587f * c->g[i] + 0.114f * c->b[i]; }
static float smooth_step(float low, float high, float v)
{
    float t = clamp01((v - low) / (high - low));
    return t * t * (3 - 2 * t);
}

/* Ink of coverage k (1 = full) on paper, with a share `wash` of the pixel's own colour left in the paper. */
static void ink_on_paper(struct sketch_canvas *c, int i, struct rgb ink, struct rgb paper, float k, float wash)
{
    float l = luma_at(c, i) + 0.05f, lift = 0.86f / most(l, 0.25f);
    float r = paper.r * (1 + wash * (clamp01(c->r[i] * lift) - 1)), g = paper.g * (1 + wash * (clamp01(c->g[i] * lift) - 1));
    float b = paper.b * (1 + wash * (clamp01(c->b[i] * lift) - 1));
    c->r[i] = r + (ink.r - r) * k;
    c->g[i] = g + (ink.g - g) * k;
    c->b[i] = b + (ink.b - b) * k;
}

static struct rgb ink_of(const struct sketch_canvas *c, float depth)
{
    struct rgb d = sketch_palette_dark(c->palette);
    float l = sketch_luma(d), scale = l > depth ? depth / l : 1;
    return (struct rgb){d.r * scale, d.g * scale, d.b * scale};
}

static struct rgb paper_of(const struct sketch_canvas *c, float white)
{
    return sketch_mix(sketch_palette_light(c->palette), (struct rgb){1, 1, 1}, white);
}

/* Lightness for styles of one ink, into `tone`: figures use the whole range, what lies behind keeps to the lighter part, so that
 * figures stand out whatever the colours were. */
static void figure_tone(const struct sketch_canvas *c, float *tone)
{
    int n = c->size * c->size;
    float low = 1, high = 0;
    for (int i = 0; i < n; i++) {
        tone[i] = luma_at(c, i);
        if (c->a[i] > 0.9f) {
            low = least(low, tone[i]);
            high = most(high, tone[i]);
        }
    }
    float scale = high - low > 0.05f ? least(2.2f, 0.88f / (high - low)) : 1;
    float floor_tone = high - low > 0.05f ? 0.04f + 0.35f * low : 0;
    for (int i = 0; i < n; i++) {
        float behind = 0.40f + 0.60f * tone[i], front = floor_tone + (tone[i] - low) * scale;
        tone[i] = high <= low ? behind : clamp01(behind + (front - behind) * c->a[i]);
    }
}

/* Outlines (already drawn, dark) plus diagonal hatching where it is dark, cross-hatching where it is darker. */
static void ink(struct sketch_canvas *c)
{
    struct rgb dark = ink_of(c, 0.10f), paper = paper_of(c, 0.2f);
    float period = 3.4f * c->unit, frequency = 1 / period;
    figure_tone(c, c->x);
    for (int y = 0, i = 0; y < c->size; y++)
        for (int x = 0; x < c->size; x++, i++) {
            float l = c->x[i], wobble = 0.8f * c->unit * sketch_smooth_at(c, (float)x, (float)y, 1 / c->unit);
            float u = fraction(((float)(x + y) + wobble + 64 * period) * frequency);
            float v = fraction(((float)(x - y) + wobble + 64 * period + (float)c->size) * frequency);
            float hatch = clamp01((0.56f - l) * 1.5f), cross = clamp01((0.32f - l) * 1.9f);
            float k = 0;
            if (hatch > 0)
                k = 0.92f * smooth_step(-0.1f, 0.28f, hatch * 0.9f - fabsf(u - 0.5f));
            if (cross > 0)
                k = most(k, 0.92f * smooth_step(-0.1f, 0.28f, cross * 0.9f - fabsf(v - 0.5f)));
            k = most(k, smooth_step(0.42f, 0.14f, luma_at(c, i)) * (0.35f + 0.65f * c->a[i]));
            ink_on_paper(c, i, dark, paper, k, 0.28f);
        }
}

/* Dots of ink, denser where it is darker. */
static void stipple(struct sketch_canvas *c)
{
    struct rgb dark = ink_of(c, 0.09f), paper = paper_of(c, 0.55f);
    int n = c->size * c->size, cells = 52;
    float cell = (float)c->size / (float)cells;
    figure_tone(c, c->y);
    memset(c->x, 0, (size_t)n * sizeof *c->x);
    for (int cy = 0; cy < cells; cy++)
        for (int cx = 0; cx < cells; cx++) {
            float px = ((float)cx + 0.1f + 0.8f * sketch_scatter(c, cx, cy)) * cell;
            float py = ((float)cy + 0.1f + 0.8f * sketch_scatter(c, cx + 977, cy)) * cell;
            int sx = (int)px, sy = (int)py;
            float l = c->y[sy * c->size + sx], tone = clamp01((0.80f - l) * 1.4f);
            if (tone < 0.03f || sketch_scatter(c, cx, cy + 613) > tone * 2.0f)
                continue;
            float radius = cell * (0.22f + 0.52f * tone);
            int reach = (int)(radius + 1.5f);
            for (int y = sy - reach; y <= sy + reach; y++)
                for (int x = sx - reach; x <= sx + reach; x++) {
                    if (x < 0 || y < 0 || x >= c->size || y >= c->size)
                        continue;
                    float dx = (float)x + 0.5f - px, dy = (float)y + 0.5f - py;
                    float k = clamp01(radius + 0.5f - sqrtf(dx * dx + dy * dy));
                    float *p = &c->x[y * c->size + x];
                    *p = most(*p, k);
                }
        }
    for (int i = 0; i < n; i++)
        ink_on_paper(c, i, dark, paper, c->x[i], 0.10f);
}

/* Soft tones and rubbed edges, broken by the grain of the paper. */
static void charcoal(struct sketch_canvas *c)
{
    struct rgb dark = ink_of(c, 0.11f), paper = paper_of(c, 0.15f);
    paper = (struct rgb){paper.r * 0.93f, paper.g * 0.92f, paper.b * 0.90f};
    int n = c->size * c->size, s = c->size;
    figure_tone(c, c->x);
    memcpy(c->y, c->x, (size_t)n * sizeof *c->y);
    sketch_blur(c->y, c->z, s, (int)(1.4f * c->unit + 0.5f));
    for (int y = 0, i = 0; y < s; y++)
        for (int x = 0; x < s; x++, i++) {
            float grain = sketch_grain_at(c, (float)x, (float)y, 1.5f / c->unit);
            float rub = sketch_smooth_at(c, (float)(x + y) * 2.2f, (float)(x - y) * 0.5f, 1.6f / c->unit);
            float edge = clamp01((c->y[i] - c->x[i]) * 2.4f), tone = clamp01(1 - 0.35f * c->x[i] - 0.65f * c->y[i]);
            float k = clamp01(0.92f * tone * (1 + 0.32f * rub) + 0.8f * edge);
            k = clamp01(k + 0.42f * grain * k * (1.15f - k) * 1.6f);
            ink_on_paper(c, i, dark, paper, k, 0.03f);
        }
}

/* Waxy strokes of colour that leave the paper bare here and there. */
static void crayon(struct sketch_canvas *c)
{
    for (int y = 0, i = 0; y < c->size; y++)
        for (int x = 0; x < c->size; x++, i++) {
            float u = (float)x * 0.8f + (float)y * 0.6f, v = (float)x * 0.6f - (float)y * 0.8f;
            float wax = sketch_grain_at(c, u * 0.2f + 400 * c->unit, v + 400 * c->unit, 1.0f / c->unit)
                        + 0.6f * sketch_grain_at(c, (float)x, (float)y, 1 / c->unit);
            float l = luma_at(c, i), bare = 0.78f * smooth_step(0.10f, 0.95f, wax + 0.30f * (l - 0.5f) - 0.35f * c->a[i]);
            struct rgb p = sketch_saturate((struct rgb){c->r[i], c->g[i], c->b[i]}, 1.2f);
            c->r[i] = p.r + (0.985f - p.r) * bare;
            c->g[i] = p.g + (0.98f - p.g) * bare;
            c->b[i] = p.b + (0.95f - p.b) * bare;
        }
}

/* Fine and coarse grid of light lines over everything. */
static void blueprint(struct sketch_canvas *c)
{
    int step = (int)(8 * c->unit + 0.5f), fine = step / 2;
    for (int y = 0, i = 0; y < c->size; y++)
        for (int x = 0; x < c->size; x++, i++) {
            float k = x % step == 0 || y % step == 0 ? 0.24f : x % fine == 0 || y % fine == 0 ? 0.07f : 0;
            c->r[i] += (0.75f - c->r[i]) * k;
            c->g[i] += (0.86f - c->g[i]) * k;
            c->b[i] += (1.00f - c->b[i]) * k;
        }
}

/* Horizontal cuts whose width follows the tone; a second colour in the lights. */
static void woodcut(struct sketch_canvas *c)
{
    struct rgb dark = ink_of(c, 0.07f), paper = paper_of(c, 0.1f);
    float period = 3.2f * c->unit, frequency = 1 / period;
    figure_tone(c, c->x);
    for (int y = 0, i = 0; y < c->size; y++)
        for (int x = 0; x < c->size; x++, i++) {
            float l = c->x[i], bow = 1.6f * c->unit * sinf((float)x / (float)c->size * 7 + (float)(c->shift & 7));
            bow += 1.1f * c->unit * sketch_smooth_at(c, (float)x, (float)y, 0.5f / c->unit);
            float u = fraction(((float)y + bow + 16 * period) * frequency), edge = 0.30f / c->unit;
            float tone = clamp01((0.82f - l) * 1.30f), k = smooth_step(-edge, edge, tone * 0.5f - fabsf(u - 0.5f));
            k = most(k, smooth_step(0.34f, 0.10f, luma_at(c, i)) * c->a[i]);
            ink_on_paper(c, i, dark, paper, k, 0.75f);
        }
}

/* Flat steps of saturated colour with screen dots in the middle tones of the background. */
static void comic(struct sketch_canvas *c)
{
    float period = 3.6f * c->unit, frequency = 1 / period;
    for (int y = 0, i = 0; y < c->size; y++)
        for (int x = 0; x < c->size; x++, i++) {
            float l = luma_at(c, i);
            struct rgb p = sketch_saturate((struct rgb){c->r[i], c->g[i], c->b[i]}, 1.5f);
            if (l > 0.25f) {
                float u = fraction(((float)(x + y) * 0.7071f) * frequency) - 0.5f;
                float v = fraction(((float)(x - y) * 0.7071f + 64 * period) * frequency) - 0.5f;
                float radius = 0.42f * sqrtf(clamp01(1.05f - l)) * (1 - 0.45f * c->a[i]);
                float k = clamp01((radius - sqrtf(u * u + v * v)) * period + 0.5f);
                struct rgb dot = {p.r * p.r * 0.75f, p.g * p.g * 0.75f, p.b * p.b * 0.75f};
                p = sketch_mix(sketch_mix(p, (struct rgb){1, 1, 0.97f}, 0.30f * (1 - c->a[i])), dot, k * 0.75f);
            }
            c->r[i] = p.r;
            c->g[i] = p.g;
            c->b[i] = p.b;
        }
}

/* Bright lines glow into the dark. */
static void neon(struct sketch_canvas *c)
{
    int n = c->size * c->size;
    float *plane[3] = {c->r, c->g, c->b};
    for (int k = 0; k < 3; k++) {
        memcpy(c->x, plane[k], (size_t)n * sizeof *c->x);
        memcpy(c->z, plane[k], (size_t)n * sizeof *c->z);
        sketch_blur(c->x, c->y, c->size, (int)(1 * c->unit + 0.5f));
        sketch_blur(c->z, c->y, c->size, (int)(3 * c->unit + 0.5f));
        for (int i = 0; i < n; i++)
            plane[k][i] = 1 - (1 - clamp01(plane[k][i] * 1.1f)) * (1 - clamp01(0.8f * c->x[i])) * (1 - clamp01(0.6f * c->z[i] - 0.03f));
    }
}

void sketch_style_line(struct sketch_canvas *c)
{
    switch (c->style) {
    case STYLE_INK: ink(c); break;
    case STYLE_STIPPLE: stipple(c); break;
    case STYLE_CHARCOAL: charcoal(c); break;
    case STYLE_CRAYON: crayon(c); break;
    case STYLE_BLUEPRINT: blueprint(c); break;
    case STYLE_WOODCUT: woodcut(c); break;
    case STYLE_COMIC: comic(c); break;
    case STYLE_NEON: neon(c); break;
    default: break;
    }
}
