/* painter.c: the pen of each style, and the shapes of drawings. */
#include "painter.h"

#include <assert.h>
#include <math.h>

enum pen { PEN_FILL, PEN_OUTLINE, PEN_BOLD, PEN_SOFT, PEN_LINES, PEN_CUT, PEN_WASH };

static enum pen pen_of(enum sketch_style style)
{
    switch (style) {
    case STYLE_INK: return PEN_OUTLINE;
    case STYLE_COMIC: case STYLE_WOODCUT: return PEN_BOLD;
    case STYLE_CHARCOAL: case STYLE_CRAYON: case STYLE_STIPPLE: return PEN_SOFT;
    case STYLE_NEON: case STYLE_BLUEPRINT: return PEN_LINES;
    case STYLE_PAPERCUT: return PEN_CUT;
    case STYLE_WATERCOLOR: return PEN_WASH;
    default: return PEN_FILL;
    }
}

struct rgb sketch_ground(enum sketch_style style, enum sketch_palette palette)
{
    struct rgb dark = sketch_palette_dark(palette);
    if (style == STYLE_NEON)
        return (struct rgb){dark.r * 0.25f, dark.g * 0.25f, dark.b * 0.25f + 0.03f};
    struct rgb blue = {0.09f, 0.27f, 0.55f}; /* blueprints stay bluish under every palette */
    return sketch_mix(blue, sketch_palette_anchor(palette, 1), 0.35f);
}

static void source(cairo_t *cr, struct rgb c, double alpha) { cairo_set_source_rgba(cr, c.r, c.g, c.b, alpha); }

static struct rgb resolve(const struct sketch_painter *p, struct rgb natural)
{
    struct rgb c = sketch_palette_map(p->palette, natural);
    if (p->turn != 0)
        c = sketch_turn(c, p->turn);
    return sketch_mix(c, sketch_palette_light(p->palette), p->fade);
}

/* Colour of a bright line for a shape of colour c, on dark ground. */
static struct rgb line_colour(const struct sketch_painter *p, struct rgb c)
{
    if (p->style == STYLE_BLUEPRINT)
        return sketch_mix((struct rgb){0.93f, 0.97f, 1}, c, 0.25f + 0.3f * p->fade);
    float high = fmaxf(0.2f, fmaxf(c.r, fmaxf(c.g, c.b)));
    struct rgb bright = {c.r / high, c.g / high, c.b / high};
    bright = sketch_saturate(bright, 1.6f);
    return p->fade > 0 ? (struct rgb){bright.r * 0.5f, bright.g * 0.5f, bright.b * 0.5f} : bright;
}

/* The colour of outlines: the palette's dark, dark enough to be a line. */
static struct rgb outline_colour(enum sketch_palette palette)
{
    struct rgb d = sketch_palette_dark(palette);
    float l = sketch_luma(d), k = l > 0.12f ? 0.12f / l : 1;
    return (struct rgb){d.r * k, d.g * k, d.b * k};
}

static void stroke_px(cairo_t *cr, double px, bool keep)
{
    cairo_save(cr);
    cairo_identity_matrix(cr); /* the path is in device space already, the width is to be so too */
    cairo_set_line_width(cr, px);
    if (keep)
        cairo_stroke_preserve(cr);
    else
        cairo_stroke(cr);
    cairo_restore(cr);
}

void sketch_paint(struct sketch_painter *p, struct rgb natural)
{
    cairo_t *cr = p->cr;
    struct rgb c = resolve(p, natural), dark = outline_colour(p->palette);
    double px = p->unit * p->line;
    switch (pen_of(p->style)) {
    case PEN_FILL:
        source(cr, c, 1);
        cairo_fill(cr);
        break;
    case PEN_OUTLINE:
        source(cr, c, 1);
        cairo_fill_preserve(cr);
        source(cr, dark, 1);
        stroke_px(cr, px * (p->fade > 0 ? 0.7 : 1.15), false);
        break;
    case PEN_BOLD:
        source(cr, c, 1);
        cairo_fill_preserve(cr);
        source(cr, (struct rgb){dark.r * 0.5f, dark.g * 0.5f, dark.b * 0.5f}, 1);
        stroke_px(cr, px * (p->fade > 0 ? 1.0 : 1.7), false);
        break;
    case PEN_SOFT:
        source(cr, c, 1);
        cairo_fill_preserve(cr);
        source(cr, sketch_mix(c, dark, 0.75f), 0.8);
        stroke_px(cr, px * (p->fade > 0 ? 0.9 : 1.4), false);
        break;
    case PEN_WASH:
        source(cr, c, 0.86);
        cairo_fill(cr);
        break;
    case PEN_LINES:
        source(cr, sketch_ground(p->style, p->palette), 0.93);
        cairo_fill_preserve(cr);
        source(cr, line_colour(p, c), p->fade > 0 ? 0.75 : 1);
        stroke_px(cr, px * (p->style == STYLE_NEON ? 1.3 : 0.85), false);
        break;
    case PEN_CUT:
        source(cr, (struct rgb){0, 0, 0}, 0.28);
        stroke_px(cr, px * 2.4, true); /* the sheet's shadow on the one below */
        source(cr, c, 1);
        cairo_fill(cr);
        break;
    }
}

void sketch_stroke(struct sketch_painter *p, struct rgb natural, double width)
{
    cairo_t *cr = p->cr;
    struct rgb c = resolve(p, natural), dark = outline_colour(p->palette);
    double px = p->unit * p->line, w = width;
    double wy = 0;
    cairo_user_to_device_distance(cr, &w, &wy);
    w = fmax(hypot(w, wy), 0.6);
    bool thin = w < 2.2 * px;
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
    switch (pen_of(p->style)) {
    case PEN_OUTLINE: case PEN_BOLD: case PEN_SOFT:
        if (!thin) {
            source(cr, sketch_mix(c, dark, 0.85f), 1);
            stroke_px(cr, w + px * (pen_of(p->style) == PEN_BOLD ? 1.6 : 0.9), true);
        }
        source(cr, thin ? sketch_mix(c, dark, 0.5f) : c, 1);
        stroke_px(cr, w, false);
        break;
    case PEN_LINES:
        source(cr, line_colour(p, c), p->fade > 0 ? 0.75 : 1);
        stroke_px(cr, thin ? fmin(w, px) : w + px * 0.6, !thin);
        if (!thin) {
            source(cr, sketch_ground(p->style, p->palette), 1);
            stroke_px(cr, w - px * 1.1, false);
        }
        break;
    case PEN_CUT:
        if (!thin) {
            source(cr, (struct rgb){0, 0, 0}, 0.25);
            stroke_px(cr, w + px * 2, true);
        }
        source(cr, c, 1);
        stroke_px(cr, w, false);
        break;
    default:
        source(cr, c, pen_of(p->style) == PEN_WASH ? 0.86 : 1);
        stroke_px(cr, w, false);
    }
}

void sketch_path_ellipse(cairo_t *cr, double x, double y, double rx, double ry)
{
    cairo_save(cr);
    cairo_translate(cr, x, y);
    cairo_scale(cr, fmax(rx, 1e-3), fmax(ry, 1e-3));
    cairo_new_sub_path(cr);
    cairo_arc(cr, 0, 0, 1, 0, 2 * M_PI);
    cairo_close_path(cr);
    cairo_restore(cr);
}

void sketch_path_polygon(cairo_t *cr, const double *xy, int points)
{
    cairo_move_to(cr, xy[0], xy[1]);
    for (int i = 1; i < points; i++)
        cairo_line_to(cr, xy[2 * i], xy[2 * i + 1]);
    cairo_close_path(cr);
}

/* --- drawings ---------------------------------------------------------------------------------- */

struct point {
    double x, y;
};

static double narrow(const struct sketch_painter *p, double y) { return 1 - p->taper * (92 - y) / 92; }

static struct point at(const struct sketch_painter *p, bool mirror, double x, double y)
{
    if (mirror)
        x = 100 - x;
    return (struct point){50 + (x - 50) * narrow(p, y), y};
}

static void ellipse(const struct sketch_painter *p, bool mirror, const float *v)
{
    struct point c = at(p, mirror, v[0], v[1]);
    cairo_save(p->cr);
    cairo_translate(p->cr, c.x, c.y);
    cairo_rotate(p->cr, (mirror ? -v[4] : v[4]) * M_PI / 180);
    sketch_path_ellipse(p->cr, 0, 0, v[2] * narrow(p, v[1]), v[3]);
    cairo_restore(p->cr);
}

static void rectangle(const struct sketch_painter *p, bool mirror, const float *v)
{
    double r = fmin(v[4], fmin(v[2], v[3]) / 2), x0 = v[0], y0 = v[1], x1 = v[0] + v[2], y1 = v[1] + v[3];
    const double corner[4][4] = {{x0, y0 + r, x0 + r, y0}, {x1 - r, y0, x1, y0 + r}, {x1, y1 - r, x1 - r, y1}, {x0 + r, y1, x0, y1 - r}};
    const double control[4][2] = {{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}};
    for (int i = 0; i < 4; i++) {
        struct point a = at(p, mirror, corner[i][0], corner[i][1]), b = at(p, mirror, corner[i][2], corner[i][3]);
        struct point c = at(p, mirror, control[i][0], control[i][1]);
        if (i == 0)
            cairo_move_to(p->cr, a.x, a.y);
        else
            cairo_line_to(p->cr, a.x, a.y);
        if (r > 0) /* a quadratic corner as a cubic */
            cairo_curve_to(p->cr, a.x + (c.x - a.x) * 0.6, a.y + (c.y - a.y) * 0.6, b.x + (c.x - b.x) * 0.6,
                           b.y + (c.y - b.y) * 0.6, b.x, b.y);
    }
    cairo_close_path(p->cr);
}

static void slice(const struct sketch_painter *p, bool mirror, const float *v)
{
    struct point c = at(p, mirror, v[0], v[1]);
    double from = v[3] * M_PI / 180, to = v[4] * M_PI / 180;
    if (mirror) {
        double swap = M_PI - from;
        from = M_PI - to;
        to = swap;
    }
    cairo_arc(p->cr, c.x, c.y, v[2] * narrow(p, v[1]), from, to);
    cairo_close_path(p->cr);
}

/* Points v[0..2n) as a polygon or, if smooth, a Catmull-Rom curve. */
static void points(const struct sketch_painter *p, bool mirror, const float *v, int n, bool smooth, bool closed)
{
    struct point q[40];
    assert(n >= 1 && n <= 40);
    for (int i = 0; i < n; i++)
        q[i] = at(p, mirror, v[2 * i], v[2 * i + 1]);
    cairo_move_to(p->cr, q[0].x, q[0].y);
    for (int i = 0; i < (closed ? n : n - 1); i++) {
        struct point a = q[i], b = q[(i + 1) % n];
        if (!smooth) {
            cairo_line_to(p->cr, b.x, b.y);
            continue;
        }
        struct point before = closed ? q[(i + n - 1) % n] : q[i > 0 ? i - 1 : 0];
        struct point after = closed ? q[(i + 2) % n] : q[i + 2 < n ? i + 2 : n - 1];
        cairo_curve_to(p->cr, a.x + (b.x - before.x) / 6, a.y + (b.y - before.y) / 6, b.x - (after.x - a.x) / 6,
                       b.y - (after.y - a.y) / 6, b.x, b.y);
    }
    if (closed)
        cairo_close_path(p->cr);
}

static void shape_path(const struct sketch_painter *p, const struct sketch_shape *s, bool mirror)
{
    switch (s->op) {
    case 'e': ellipse(p, mirror, s->x); break;
    case 'r': rectangle(p, mirror, s->x); break;
    case 'a': slice(p, mirror, s->x); break;
    case 'p': points(p, mirror, s->x, s->n / 2, false, true); break;
    case 's': points(p, mirror, s->x, s->n / 2, true, true); break;
    case 'l': points(p, mirror, s->x + 1, (s->n - 1) / 2, false, false); break;
    default: points(p, mirror, s->x + 1, (s->n - 1) / 2, true, false); break;
    }
}

void sketch_paint_drawing(struct sketch_painter *p, const struct sketch_drawing *drawing)
{
    for (int i = 0; i < drawing->n; i++) {
        const struct sketch_shape *s = &drawing->shapes[i];
        struct rgb c = sketch_natural(s->colour, s->shade);
        if (p->tinted && s->own)
            c = s->shade == 0 ? p->tint
                              : sketch_mix(p->tint, s->shade < 0 ? (struct rgb){0, 0, 0} : (struct rgb){1, 1, 1}, 0.35f);
        for (int mirror = 0; mirror <= s->mirror; mirror++) {
            cairo_new_path(p->cr);
            shape_path(p, s, mirror);
            if (s->op == 'l' || s->op == 'k')
                sketch_stroke(p, c, s->x[0]);
            else
                sketch_paint(p, c);
        }
    }
}
