/* backgrounds.c: twelve places, and what a mood puts into the air. */
#include "backgrounds.h"

#include <math.h>

static struct rgb named(const char *name, int shade) { return sketch_natural(sketch_natural_find(name), shade); }
static double between(struct pasta_rng *rng, double low, double high) { return low + (high - low) * pasta_rng_uniform(rng); }

static void box(struct sketch_painter *p, double x, double y, double w, double h, struct rgb c)
{
    cairo_rectangle(p->cr, x, y, w, h);
    sketch_paint(p, c);
}

static void disc(struct sketch_painter *p, double x, double y, double rx, double ry, struct rgb c)
{
    sketch_path_ellipse(p->cr, x, y, rx, ry);
    sketch_paint(p, c);
}

static void triangle(struct sketch_painter *p, double x, double base, double half, double height, struct rgb c)
{
    const double xy[] = {x - half, base, x, base - height, x + half, base};
    sketch_path_polygon(p->cr, xy, 3);
    sketch_paint(p, c);
}

/* A band of waves from y down: `bumps` over the width, of height a. */
static void hills(struct sketch_painter *p, double y, double a, int bumps, double shift, struct rgb c)
{
    cairo_move_to(p->cr, -0.1, 1.1);
    cairo_line_to(p->cr, -0.1, y);
    double step = 1.2 / bumps, x = -0.1;
    for (int i = 0; i < bumps; i++, x += step) {
        double up = (i % 2 ? a : -a) + shift * a;
        cairo_curve_to(p->cr, x + step * 0.35, y + up, x + step * 0.65, y + up, x + step, y);
    }
    cairo_line_to(p->cr, 1.1, 1.1);
    cairo_close_path(p->cr);
    sketch_paint(p, c);
}

static void sky_and_ground(struct sketch_painter *p, double horizon, struct rgb sky, struct rgb ground)
{
    box(p, -0.1, -0.1, 1.2, 1.2, sky);
    box(p, -0.1, horizon, 1.2, 1.2, ground);
}

static void clouds(struct sketch_painter *p, double horizon, struct pasta_rng *rng)
{
    for (int i = 0; i < 2; i++) {
        double x = between(rng, 0.08, 0.4) + 0.5 * i, y = horizon * between(rng, 0.15, 0.45);
        disc(p, x, y, 0.11, 0.035, named("white", 0));
        disc(p, x + 0.03, y - 0.03, 0.055, 0.04, named("white", 0));
    }
}

static void city(struct sketch_painter *p, double h, struct rgb sky, struct pasta_rng *rng)
{
    sky_and_ground(p, h, sky, named("grey", 0));
    double x = -0.05;
    while (x < 1.05) {
        double w = between(rng, 0.10, 0.17), top = h * between(rng, 0.12, 0.62);
        box(p, x, top, w, h - top, named(pasta_rng_below(rng, 2) ? "navy" : "violet", (int)pasta_rng_below(rng, 2)));
        for (double wy = top + 0.05; wy < h - 0.05; wy += 0.09)
            for (double wx = x + 0.022; wx < x + w - 0.03; wx += 0.05)
                if (pasta_rng_below(rng, 3) > 0) {
                    cairo_rectangle(p->cr, wx, wy, 0.026, 0.036);
                    sketch_stroke(p, named("yellow", 0), 0.008);
                }
        x += w + between(rng, 0, 0.015);
    }
    box(p, -0.1, h, 1.2, 0.025, named("white", -1));
}

static void forest(struct sketch_painter *p, double h, struct rgb sky, struct pasta_rng *rng)
{
    sky_and_ground(p, h, sky, named("grass", -1));
    for (int row = 0; row < 2; row++)
        for (int i = 0; i < 6; i++) {
            double x = (i + 0.5 * row) / 5 - 0.05 + between(rng, -0.03, 0.03), base = h + 0.02 + 0.05 * row;
            double height = (0.42 + 0.12 * row) * h * between(rng, 0.85, 1.25);
            box(p, x - 0.014, base - 0.05, 0.028, 0.06, named("brown", 0));
            triangle(p, x, base - 0.03, 0.10, height, named("green", row ? -1 : 0));
            triangle(p, x, base - 0.03 - height * 0.4, 0.075, height * 0.75, named("green", row ? 0 : 1));
        }
}

static void mountains(struct sketch_painter *p, double h, struct rgb sky, struct pasta_rng *rng)
{
    sky_and_ground(p, h, sky, named("grass", 0));
    clouds(p, h * 0.7, rng);
    for (int i = 0; i < 4; i++) {
        double x = (i * 0.31) + between(rng, -0.05, 0.08), height = h * between(rng, 0.5, 0.85), half = height * 0.62;
        triangle(p, x, h + 0.01, half, height, named(i % 2 ? "blue" : "navy", 1));
        const double cap[] = {x, h + 0.01 - height, x + half * 0.3, h - height * 0.7, x + half * 0.08, h - height * 0.75,
                              x - half * 0.1, h - height * 0.66, x - half * 0.3, h - height * 0.7};
        sketch_path_polygon(p->cr, cap, 5);
        sketch_paint(p, named("white", 0));
    }
    hills(p, h + 0.02, 0.03, 4, 0, named("grass", 0));
}

static void beach(struct sketch_painter *p, double h, struct rgb sky, struct pasta_rng *rng)
{
    sky_and_ground(p, h - 0.14, sky, named("sea", 0));
    disc(p, between(rng, 0.15, 0.85), (h - 0.14) * 0.35, 0.085, 0.085, named("yellow", 1));
    for (int i = 0; i < 4; i++) {
        double x = between(rng, 0, 0.85), y = h - 0.12 + 0.035 * i;
        cairo_move_to(p->cr, x, y);
        cairo_line_to(p->cr, x + 0.16, y);
        sketch_stroke(p, named("white", 0), 0.012);
    }
    hills(p, h + 0.03, 0.025, 3, 0, named("white", 0));
    hills(p, h + 0.05, 0.025, 3, 0, named("sand", 0));
}

static void desert(struct sketch_painter *p, double h, struct rgb sky, struct pasta_rng *rng)
{
    sky_and_ground(p, h, sketch_mix(sky, named("orange", 1), 0.45f), named("sand", 0));
    disc(p, between(rng, 0.2, 0.8), h * 0.35, 0.1, 0.1, named("red", 1));
    hills(p, h - 0.02, 0.09, 3, -0.3, named("orange", 1));
    hills(p, h + 0.07, 0.07, 2, 0.2, named("sand", 0));
    for (int i = 0; i < 2; i++) {
        double x = between(rng, 0.06, 0.26) + 0.68 * i, y = h + 0.05;
        cairo_move_to(p->cr, x, y);
        cairo_line_to(p->cr, x, y - 0.24);
        sketch_stroke(p, named("green", 0), 0.035);
        cairo_move_to(p->cr, x, y - 0.08);
        cairo_line_to(p->cr, x + 0.06, y - 0.09);
        cairo_line_to(p->cr, x + 0.06, y - 0.17);
        sketch_stroke(p, named("green", 0), 0.026);
    }
}

static void space(struct sketch_painter *p, struct pasta_rng *rng)
{
    box(p, -0.1, -0.1, 1.2, 1.2, named("night", 0));
    for (int i = 0; i < 34; i++) {
        double x = pasta_rng_uniform(rng), y = pasta_rng_uniform(rng), r = i % 5 == 0 ? 0.014 : 0.007;
        cairo_move_to(p->cr, x, y);
        cairo_line_to(p->cr, x + r * 0.2, y);
        sketch_stroke(p, named("white", 0), 2 * r);
    }
    double x = pasta_rng_below(rng, 2) ? 0.84 : 0.15, y = between(rng, 0.12, 0.25);
    disc(p, x, y, 0.10, 0.10, named("orange", 0));
    cairo_move_to(p->cr, x - 0.16, y + 0.035);
    cairo_line_to(p->cr, x + 0.16, y - 0.035);
    sketch_stroke(p, named("cream", 0), 0.022);
}

static void room(struct sketch_painter *p, double h, struct pasta_rng *rng)
{
    sky_and_ground(p, h, named("wall", 0), named("floor", 0));
    for (int i = 0; i < 5; i++) {
        cairo_move_to(p->cr, 0.5 + (i - 2) * 0.18, h);
        cairo_line_to(p->cr, 0.5 + (i - 2) * 0.42, 1.05);
        sketch_stroke(p, named("brown", 0), 0.008);
    }
    box(p, -0.1, h - 0.03, 1.2, 0.035, named("brown", 0));
    bool left = pasta_rng_below(rng, 2);
    double wx = left ? 0.06 : 0.66, px = left ? 0.70 : 0.10;
    box(p, wx, h * 0.16, 0.28, h * 0.5, named("white", 0));
    box(p, wx + 0.02, h * 0.16 + 0.02, 0.11, h * 0.5 - 0.04, named("sky", 0));
    box(p, wx + 0.15, h * 0.16 + 0.02, 0.11, h * 0.5 - 0.04, named("sky", 0));
    box(p, px, h * 0.22, 0.2, h * 0.28, named("brown", 0));
    box(p, px + 0.025, h * 0.22 + 0.025, 0.15, h * 0.28 - 0.05, named("red", 1));
}

static void meadow(struct sketch_painter *p, double h, struct rgb sky, struct pasta_rng *rng)
{
    sky_and_ground(p, h, sky, named("grass", 0));
    clouds(p, h, rng);
    hills(p, h, 0.05, 3, 0, named("green", 1));
    hills(p, h + 0.07, 0.04, 4, 0, named("grass", 0));
    static const char *const petals[] = {"red", "yellow", "violet", "pink", "white"};
    for (int i = 0; i < 14; i++) {
        double x = between(rng, 0.02, 0.98), y = between(rng, h + 0.08, 1.0);
        cairo_move_to(p->cr, x, y);
        cairo_line_to(p->cr, x, y + 0.045);
        sketch_stroke(p, named("green", -1), 0.01);
        disc(p, x, y, 0.019, 0.019, named(petals[i % 5], 0));
    }
}

static void snow(struct sketch_painter *p, double h, struct rgb sky, struct pasta_rng *rng)
{
    sky_and_ground(p, h, sketch_mix(sky, named("grey", 1), 0.6f), named("snow", 0));
    for (int i = 0; i < 5; i++) {
        double x = i * 0.24 + between(rng, -0.04, 0.04), height = h * between(rng, 0.35, 0.5);
        triangle(p, x, h + 0.02, 0.085, height, named("green", -1));
        triangle(p, x, h + 0.02 - height * 0.5, 0.05, height * 0.5, named("white", 0));
    }
    hills(p, h + 0.02, 0.04, 3, 0, named("snow", 0));
    hills(p, h + 0.12, 0.03, 2, 0, named("white", 0));
    for (int i = 0; i < 30; i++) {
        double x = pasta_rng_uniform(rng), y = pasta_rng_uniform(rng);
        cairo_move_to(p->cr, x, y);
        cairo_line_to(p->cr, x + 0.002, y);
        sketch_stroke(p, named("white", 0), 0.026);
    }
}

static void underwater(struct sketch_painter *p, struct pasta_rng *rng)
{
    static const float depth[] = {0.35f, 0.15f, 0, -0.25f};
    for (int i = 0; i < 4; i++)
        box(p, -0.1, 0.25 * i - 0.1, 1.2, 1.2, sketch_mix(named("sea", 0), depth[i] > 0 ? named("white", 0) : named("navy", 0), fabsf(depth[i])));
    hills(p, 0.92, 0.03, 3, 0, named("sand", 0));
    for (int i = 0; i < 5; i++) {
        double x = (i < 3 ? 0.05 : 0.62) + 0.075 * i + between(rng, -0.02, 0.02), top = between(rng, 0.5, 0.7);
        cairo_move_to(p->cr, x, 0.98);
        cairo_curve_to(p->cr, x + 0.07, 0.88, x - 0.07, 0.78, x + 0.02, top);
        sketch_stroke(p, named(i % 2 ? "green" : "pink", 0), 0.032);
    }
    for (int i = 0; i < 10; i++)
        disc(p, between(rng, 0.05, 0.95), between(rng, 0.05, 0.8), 0.012 + 0.008 * (i % 3), 0.012 + 0.008 * (i % 3), named("sky", 1));
}

static void pattern(struct sketch_painter *p, struct pasta_rng *rng)
{
    static const char *const base[] = {"pink", "sky", "yellow", "grass"}, *const mark[] = {"red", "blue", "orange", "green"};
    int c = (int)pasta_rng_below(rng, 4), kind = (int)pasta_rng_below(rng, 3);
    box(p, -0.1, -0.1, 1.2, 1.2, named(base[c], 1));
    for (int i = 0; i < 7; i++) {
        if (kind == 0) { /* diagonal stripes */
            double x = -0.9 + 0.3 * i;
            const double xy[] = {x, -0.1, x + 0.14, -0.1, x + 1.34, 1.1, x + 1.2, 1.1};
            sketch_path_polygon(p->cr, xy, 4);
            sketch_paint(p, named(mark[c], 1));
            continue;
        }
        for (int j = 0; j < 6; j++) {
            double x = 0.2 * i - 0.1 + (j % 2 ? 0.1 : 0), y = 0.2 * j;
            if (kind == 1)
                disc(p, x, y, 0.058, 0.058, named(mark[c], 1));
            else
                triangle(p, x, y + 0.06, 0.065, 0.11, named(mark[c], 1));
        }
    }
}

static void plain(struct sketch_painter *p, double h, struct pasta_rng *rng)
{
    static const char *const walls[] = {"tan", "sky", "grey", "grass"};
    struct rgb c = named(walls[pasta_rng_below(rng, 4)], 1);
    box(p, -0.1, -0.1, 1.2, 1.2, c);
    cairo_rectangle(p->cr, -0.1, h + 0.1, 1.2, 1.0);
    sketch_paint(p, (struct rgb){c.r * 0.9f, c.g * 0.9f, c.b * 0.9f});
}

void sketch_paint_background(struct sketch_painter *p, enum sketch_background background, float horizon, bool night,
                             struct pasta_rng *rng)
{
    struct rgb sky = night ? named("night", 1) : named("sky", 0);
    switch (background) {
    case BACKGROUND_PLAIN: case BACKGROUNDS: plain(p, horizon, rng); break;
    case BACKGROUND_CITY: city(p, horizon, sky, rng); break;
    case BACKGROUND_FOREST: forest(p, horizon, sky, rng); break;
    case BACKGROUND_MOUNTAINS: mountains(p, horizon, sky, rng); break;
    case BACKGROUND_BEACH: beach(p, horizon, sky, rng); break;
    case BACKGROUND_DESERT: desert(p, horizon, sky, rng); break;
    case BACKGROUND_SPACE: space(p, rng); break;
    case BACKGROUND_ROOM: room(p, horizon, rng); break;
    case BACKGROUND_MEADOW: meadow(p, horizon, sky, rng); break;
    case BACKGROUND_SNOW: snow(p, horizon, sky, rng); break;
    case BACKGROUND_UNDERWATER: underwater(p, rng); break;
    case BACKGROUND_PATTERN: pattern(p, rng); break;
    }
}

/* --- moods --------------------------------------------------------------------------------------- */

static void confetti(struct sketch_painter *p, struct pasta_rng *rng)
{
    static const char *const paper[] = {"red", "yellow", "green", "blue", "pink", "violet"};
    for (int i = 0; i < 26; i++) {
        cairo_save(p->cr);
        cairo_translate(p->cr, pasta_rng_uniform(rng), pasta_rng_uniform(rng) * 0.75);
        cairo_rotate(p->cr, between(rng, 0, M_PI));
        cairo_rectangle(p->cr, -0.022, -0.011, 0.044, 0.022);
        cairo_restore(p->cr);
        sketch_paint(p, named(paper[i % 6], 0));
    }
}

static void rain(struct sketch_painter *p, struct pasta_rng *rng)
{
    for (int i = 0; i < 36; i++) {
        double x = between(rng, 0, 1.2), y = between(rng, -0.1, 0.95);
        cairo_move_to(p->cr, x, y);
        cairo_line_to(p->cr, x - 0.045, y + 0.12);
    }
    sketch_stroke(p, named("white", 0), 0.013);
}

static void sparkles(struct sketch_painter *p, struct pasta_rng *rng)
{
    for (int i = 0; i < 9; i++) {
        double x = between(rng, 0.04, 0.96), y = between(rng, 0.04, 0.8), r = between(rng, 0.03, 0.07), q = r * 0.2;
        const double xy[] = {x, y - r, x + q, y - q, x + r, y, x + q, y + q, x, y + r, x - q, y + q, x - r, y, x - q, y - q};
        sketch_path_polygon(p->cr, xy, 8);
        sketch_paint(p, named("white", 0));
    }
}

static void lightning(struct sketch_painter *p, struct pasta_rng *rng)
{
    for (int i = 0; i < 4; i++)
        disc(p, 0.3 * i + between(rng, -0.03, 0.08), between(rng, -0.01, 0.04), 0.2, 0.085, named("grey", -1));
    double x = pasta_rng_below(rng, 2) ? between(rng, 0.74, 0.86) : between(rng, 0.1, 0.22);
    const double xy[] = {x, 0.07, x + 0.08, 0.07, x + 0.03, 0.23, x + 0.09, 0.23, x - 0.06, 0.54, x - 0.01, 0.30, x - 0.07, 0.30};
    sketch_path_polygon(p->cr, xy, 7);
    sketch_paint(p, named("yellow", 0));
}

static void hearts(struct sketch_painter *p, struct pasta_rng *rng)
{
    for (int i = 0; i < 7; i++) {
        double x = between(rng, 0.06, 0.94), y = between(rng, 0.05, 0.6), r = between(rng, 0.035, 0.065);
        cairo_move_to(p->cr, x, y + r);
        cairo_curve_to(p->cr, x - 2 * r, y - r * 0.3, x - r * 0.8, y - r * 1.4, x, y - r * 0.35);
        cairo_curve_to(p->cr, x + r * 0.8, y - r * 1.4, x + 2 * r, y - r * 0.3, x, y + r);
        cairo_close_path(p->cr);
        sketch_paint(p, i % 2 ? named("pink", 0) : named("red", 0));
    }
}

static void speed_lines(struct sketch_painter *p, struct pasta_rng *rng)
{
    for (int i = 0; i < 26; i++) {
        double a = (i + between(rng, 0, 0.8)) / 26 * 2 * M_PI, r = between(rng, 0.40, 0.53), w = 0.026;
        const double xy[] = {0.5 + r * cos(a), 0.5 + r * sin(a), 0.5 + 0.85 * cos(a - w), 0.5 + 0.85 * sin(a - w),
                             0.5 + 0.85 * cos(a + w), 0.5 + 0.85 * sin(a + w)};
        sketch_path_polygon(p->cr, xy, 3);
        sketch_paint(p, named(i % 2 ? "yellow" : "navy", 0));
    }
}

void sketch_paint_mood(struct sketch_painter *p, enum sketch_mood mood, struct pasta_rng *rng)
{
    switch (mood) {
    case MOOD_JOYFUL: confetti(p, rng); break;
    case MOOD_GLOOMY: rain(p, rng); break;
    case MOOD_DREAMY: sparkles(p, rng); break;
    case MOOD_DRAMATIC: lightning(p, rng); break;
    case MOOD_ROMANTIC: hearts(p, rng); break;
    case MOOD_ENERGETIC: speed_lines(p, rng); break;
    default: break; /* calm: nothing stirs */
    }
}
