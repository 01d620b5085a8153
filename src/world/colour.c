/* colour.c: natural colours and palettes. */
#include "colour.h"

#include <math.h>
#include <string.h>

#define HEX(x) {((x) >> 16 & 255) / 255.f, ((x) >> 8 & 255) / 255.f, ((x) & 255) / 255.f}

static const struct {
    const char *name;
    struct rgb colour;
} natural[] = {
    {"red", HEX(0xd9352b)},   {"orange", HEX(0xf0872b)}, {"yellow", HEX(0xf6ca3c)}, {"green", HEX(0x4c9f45)},
    {"blue", HEX(0x3676c9)},  {"violet", HEX(0x8a4fb8)}, {"pink", HEX(0xf08fae)},   {"brown", HEX(0x8a5a34)},
    {"black", HEX(0x22222a)}, {"white", HEX(0xf8f6f0)},  {"grey", HEX(0x8d949e)},   {"tan", HEX(0xd0a368)},
    {"cream", HEX(0xf5e5c0)}, {"navy", HEX(0x26396b)},   {"olive", HEX(0x7d8a3c)},  {"skin", HEX(0xeebd97)},
    {"sky", HEX(0xa9d6f2)},   {"sea", HEX(0x3f93b8)},    {"grass", HEX(0x86bf5a)},  {"sand", HEX(0xecd49a)},
    {"night", HEX(0x171c3a)}, {"snow", HEX(0xeef4fa)},   {"wall", HEX(0xe9d3b8)},   {"floor", HEX(0xa9744a)},
};
enum { NATURAL = sizeof natural / sizeof *natural };

static const struct {
    struct rgb dark, anchor[3], light; /* anchors: warm hues, greens to blues, violets */
    float natural;                     /* share of the natural colour that stays */
} palette[PALETTES] = {
    [PALETTE_VIVID] = {HEX(0x1b1630), {HEX(0xf0342c), HEX(0x1590e0), HEX(0x9a2fd0)}, HEX(0xfff7e0), 0.8f},
    [PALETTE_WARM] = {HEX(0x4a140c), {HEX(0xd8401f), HEX(0xe88a2a), HEX(0xa82850)}, HEX(0xffe9bd), 0.12f},
    [PALETTE_COOL] = {HEX(0x0b1f3f), {HEX(0x4f7fd0), HEX(0x1f9fae), HEX(0x5a5fc4)}, HEX(0xdff2f8), 0.12f},
    [PALETTE_PASTEL] = {HEX(0x7f6f92), {HEX(0xf6b3a8), HEX(0xa8dcc8), HEX(0xc9b6e8)}, HEX(0xfffaf2), 0.15f},
    [PALETTE_EARTHY] = {HEX(0x2f2118), {HEX(0xa65f34), HEX(0x83804a), HEX(0x7a5345)}, HEX(0xe9dcc0), 0.12f},
    [PALETTE_MONOCHROME] = {HEX(0x101010), {HEX(0x707070), HEX(0x848484), HEX(0x5c5c5c)}, HEX(0xfafafa), 0.0f},
    [PALETTE_FOREST] = {HEX(0x0d2a1c), {HEX(0xa8a83c), HEX(0x2f8a46), HEX(0x3f7068)}, HEX(0xe8f4cf), 0.12f},
    [PALETTE_SUNSET] = {HEX(0x2a1150), {HEX(0xff7a3c), HEX(0x8a3fa8), HEX(0xe0408a)}, HEX(0xffd98a), 0.10f},
    [PALETTE_CANDY] = {HEX(0x7a1460), {HEX(0xff5fa8), HEX(0x45cfe0), HEX(0xc06cf0)}, HEX(0xfff0f8), 0.10f},
    [PALETTE_GOLD] = {HEX(0x0e0c08), {HEX(0xc8962a), HEX(0x6a5a34), HEX(0x8f6a20)}, HEX(0xffe7a0), 0.0f},
};

static const struct rgb stated[COLOURS] = {
    [COLOUR_RED] = HEX(0xdc2a26),   [COLOUR_ORANGE] = HEX(0xf58a1f), [COLOUR_YELLOW] = HEX(0xf7d02c),
    [COLOUR_GREEN] = HEX(0x37a046), [COLOUR_BLUE] = HEX(0x2f6fd6),   [COLOUR_VIOLET] = HEX(0x8d44c4),
    [COLOUR_PINK] = HEX(0xf27fae),  [COLOUR_BROWN] = HEX(0x80522f),  [COLOUR_BLACK] = HEX(0x26262c),
    [COLOUR_WHITE] = HEX(0xf6f6f4), [COLOUR_GREY] = HEX(0x8c9098),
};

int sketch_natural_find(const char *name)
{
    for (int i = 0; i < NATURAL; i++)
        if (strcmp(natural[i].name, name) == 0)
            return i;
    return -1;
}

struct rgb sketch_mix(struct rgb a, struct rgb b, float t)
{
    return (struct rgb){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

static struct rgb shade_of(struct rgb c, int shade)
{
    if (shade < 0)
        return (struct rgb){c.r * 0.70f, c.g * 0.70f, c.b * 0.74f};
    return shade > 0 ? sketch_mix(c, (struct rgb){1, 1, 1}, 0.42f) : c;
}

struct rgb sketch_natural(int index, int shade) { return shade_of(natural[index].colour, shade); }
struct rgb sketch_stated_colour(enum sketch_colour colour) { return stated[colour]; }
struct rgb sketch_palette_dark(enum sketch_palette p) { return palette[p].dark; }
struct rgb sketch_palette_light(enum sketch_palette p) { return palette[p].light; }
struct rgb sketch_palette_anchor(enum sketch_palette p, int which) { return palette[p].anchor[which]; }
float sketch_luma(struct rgb c) { return 0.299f * c.r + 0.587f * c.g + 0.114f * c.b; }

struct rgb sketch_saturate(struct rgb c, float factor)
{
    float l = sketch_luma(c);
    struct rgb out = {l + (c.r - l) * factor, l + (c.g - l) * factor, l + (c.b - l) * factor};
    out.r = fminf(1, fmaxf(0, out.r));
    out.g = fminf(1, fmaxf(0, out.g));
    out.b = fminf(1, fmaxf(0, out.b));
    return out;
}

struct rgb sketch_turn(struct rgb c, float degrees)
{
    float a = degrees * (float)M_PI / 180, cs = cosf(a), sn = sinf(a), k = (1 - cs) / 3, s = sn * 0.57735f;
    struct rgb out = {c.r * (cs + k) + c.g * (k - s) + c.b * (k + s), c.r * (k + s) + c.g * (cs + k) + c.b * (k - s),
                      c.r * (k - s) + c.g * (k + s) + c.b * (cs + k)};
    return sketch_saturate(out, 1);
}

struct rgb sketch_palette_map(enum sketch_palette p, struct rgb c)
{
    float high = fmaxf(c.r, fmaxf(c.g, c.b)), low = fminf(c.r, fminf(c.g, c.b)), chroma = high - low, t = sketch_luma(c);
    struct rgb neutral = sketch_mix(palette[p].dark, palette[p].light, t), mapped = neutral;
    if (chroma > 0.08f) {
        float hue = high == c.r ? (c.g - c.b) / chroma : high == c.g ? 2 + (c.b - c.r) / chroma : 4 + (c.r - c.g) / chroma;
        hue = hue < 0 ? hue * 60 + 360 : hue * 60; /* degrees */
        struct rgb anchor = palette[p].anchor[hue < 62 || hue > 345 ? 0 : hue < 250 ? 1 : 2];
        /* keep lightness order: the anchor sits in the middle, dark and light at the ends */
        mapped = t < 0.5f ? sketch_mix(palette[p].dark, anchor, fminf(1, 0.25f + 1.6f * t))
                          : sketch_mix(anchor, palette[p].light, (2 * t - 1) * 0.75f);
        mapped = sketch_mix(neutral, mapped, fminf(1, 0.35f + 1.8f * chroma));
    }
    mapped = sketch_mix(mapped, c, palette[p].natural);
    return p == PALETTE_VIVID ? sketch_saturate(mapped, 1.25f) : mapped;
}
