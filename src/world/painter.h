/* painter.h: cairo with a pen that depends on the style, so that backgrounds and subjects are described once, in natural colours.
 *
 * The one place of the world where cairo is included. Paths are built in the caller's coordinates and painted with
 * sketch_paint (closed) or sketch_stroke (open line of a width).
 */
#ifndef PASTA_SRC_WORLD_PAINTER_H
#define PASTA_SRC_WORLD_PAINTER_H
#include <cairo.h>
#include "attributes.h"
#include "colour.h"
#include "drawings.h"

struct sketch_painter {
    cairo_t *cr;
    float unit;                  /* pixels in 1/64 of the image: line widths and textures scale with it */
    enum sketch_style style;
    enum sketch_palette palette;
    struct rgb tint;             /* replaces a subject's own colour where tinted */
    bool tinted;
    float turn;                  /* degrees of hue: what unknown words do */
    float fade;                  /* 0..1: how far colours go towards the palette's light, for what lies behind */
    float taper;                 /* 0..1: narrows drawings towards the top, as seen from below */
    float line;                  /* outline width factor */
};
/* Paints the current path and clears it. `width` in user units, as seen with the current matrix. */
void sketch_paint(struct sketch_painter *p, struct rgb natural);
void sketch_stroke(struct sketch_painter *p, struct rgb natural, double width);
/* A drawing in its 100-unit box; the current matrix maps the box to the canvas. */
void sketch_paint_drawing(struct sketch_painter *p, const struct sketch_drawing *drawing);
/* The ground colour of styles that draw bright lines on dark. */
struct rgb sketch_ground(enum sketch_style style, enum sketch_palette palette);

/* Path helpers (they add to the current path). */
void sketch_path_ellipse(cairo_t *cr, double x, double y, double rx, double ry);
void sketch_path_polygon(cairo_t *cr, const double *xy, int points);
#endif
