/* scene.c: composition: where figures stand, how large, how many, and over which horizon. */
#include "scene.h"

#include <math.h>

#include "backgrounds.h"

enum { MAX_FIGURES = 8 };
struct figure {
    double x, base, size; /* centre, ground line and height of the box, in units of the image */
    int subject;
};
struct layout {
    double horizon, tilt;
    float taper;
    int n;
    struct figure figure[MAX_FIGURES]; /* back to front */
};

static double between(struct pasta_rng *rng, double low, double high) { return low + (high - low) * pasta_rng_uniform(rng); }

static void add(struct layout *l, double x, double base, double size, int subject)
{
    if (l->n < MAX_FIGURES)
        l->figure[l->n++] = (struct figure){x, base, size, subject};
}

/* `count` figures around x, the largest `size`. */
static void crowd(struct layout *l, enum sketch_count count, double x, double base, double size, double spread, int subject)
{
    switch (count) {
    case COUNT_TWO:
        add(l, x - 0.25 * spread, base - 0.02, size * 0.68, subject);
        add(l, x + 0.25 * spread, base + 0.02, size * 0.68, subject);
        break;
    case COUNT_THREE:
        add(l, x, base - 0.16 * spread, size * 0.52, subject);
        add(l, x - 0.28 * spread, base + 0.01, size * 0.54, subject);
        add(l, x + 0.28 * spread, base + 0.01, size * 0.54, subject);
        break;
    case COUNT_MANY:
        for (int i = 0; i < 3; i++)
            add(l, x + (i - 1) * 0.32 * spread, base - 0.24 * spread, size * 0.40, subject);
        for (int i = 0; i < 2; i++)
            add(l, x + (i - 0.5) * 0.36 * spread, base + 0.02, size * 0.44, subject);
        break;
    default:
        add(l, x, base, size, subject);
    }
}

static struct layout lay_out(const struct sketch_attributes *a, struct pasta_rng *rng)
{
    struct layout l = {.horizon = 0.62};
    int subject = a->value[SKETCH_SUBJECT], second = a->value[SKETCH_SECOND];
    enum sketch_count count = (enum sketch_count)a->value[SKETCH_COUNT];
    double x = 0.5 + between(rng, -0.03, 0.03), base = 0.90, size = 0.76, spread = 1, grow = between(rng, 0.94, 1.06);
    bool right = pasta_rng_below(rng, 2);
    switch ((enum sketch_composition)a->value[SKETCH_COMPOSITION]) {
    case COMPOSITION_CLOSEUP: l.horizon = 0.80; base = 1.22; size = 1.42; break;
    case COMPOSITION_WIDE: l.horizon = 0.66; base = 0.84; size = 0.36; spread = 0.52; x = between(rng, 0.42, 0.58); break;
    case COMPOSITION_LOWANGLE: l.horizon = 0.93; base = 1.06; size = 1.16; l.taper = 0.64f; break;
    case COMPOSITION_OFFSET: l.horizon = 0.60; base = 0.93; size = 0.60; spread = 0.7; x = right ? 0.73 : 0.27; break;
    case COMPOSITION_FRAMED: base = 0.83; size = 0.62; spread = 0.78; break;
    case COMPOSITION_TILTED: l.tilt = (right ? 1 : -1) * between(rng, 0.26, 0.36); base = 0.86; size = 0.72; break;
    case COMPOSITION_GRID: base = 0.93; size = 0.84; break;
    default: break;
    }
    size *= grow;
    if (second != SKETCH_NO_SECOND) {
        double side = x > 0.6 ? -1 : x < 0.4 ? 1 : right ? 1 : -1;
        add(&l, x + side * 0.27 * fmax(size, 0.5), base - 0.01, size * 0.58, second);
        if (fabs(x - 0.5) < 0.1)
            x -= side * 0.15 * size;
        size *= 0.84;
    }
    crowd(&l, count, x, base, size, spread, subject);
    return l;
}

static void frame(struct sketch_painter *p)
{
    static const char *const wood[2] = {"brown", "yellow"};
    for (int i = 0; i < 2; i++) {
        double outer = i == 0 ? -0.05 : 0.075, inner = i == 0 ? 0.085 : 0.115;
        cairo_set_fill_rule(p->cr, CAIRO_FILL_RULE_EVEN_ODD);
        cairo_rectangle(p->cr, outer, outer, 1 - 2 * outer, 1 - 2 * outer);
        cairo_rectangle(p->cr, inner, inner, 1 - 2 * inner, 1 - 2 * inner);
        sketch_paint(p, sketch_natural(sketch_natural_find(wood[i]), 0));
        cairo_set_fill_rule(p->cr, CAIRO_FILL_RULE_WINDING);
    }
    for (int i = 0; i < 4; i++) {
        sketch_path_ellipse(p->cr, i % 2 ? 0.93 : 0.07, i / 2 ? 0.93 : 0.07, 0.035, 0.035);
        sketch_paint(p, sketch_natural(sketch_natural_find("red"), 0));
    }
}

static void begin(struct sketch_painter *p, cairo_surface_t *surface, int size, const struct layout *l)
{
    p->cr = cairo_create(surface);
    if (size < 160)
        cairo_set_antialias(p->cr, CAIRO_ANTIALIAS_FAST);
    cairo_set_tolerance(p->cr, 0.25);
    cairo_set_line_join(p->cr, CAIRO_LINE_JOIN_ROUND);
    cairo_scale(p->cr, size, size);
    if (l->tilt != 0) {
        cairo_translate(p->cr, 0.5, 0.5);
        cairo_rotate(p->cr, l->tilt);
        cairo_scale(p->cr, 1.22, 1.22);
        cairo_translate(p->cr, -0.5, -0.5);
    }
}

static void figures(struct sketch_painter *p, const struct sketch_drawings *drawings, const struct sketch_attributes *a,
                    const struct layout *l, struct pasta_rng *rng)
{
    double bend = a->accent == 0 ? 0 : ((double)(a->accent >> 40 & 255) / 255 - 0.5) * 0.16;
    for (int i = 0; i < l->n; i++) {
        const struct figure *f = &l->figure[i];
        double flip = pasta_rng_below(rng, 2) ? -1 : 1, turn = between(rng, -0.05, 0.05), scale = f->size / 92;
        p->taper = l->taper;
        p->tinted = f->subject == a->value[SKETCH_SUBJECT] && a->value[SKETCH_COLOUR] != COLOUR_NATURAL;
        if (p->tinted)
            p->tint = sketch_stated_colour((enum sketch_colour)a->value[SKETCH_COLOUR]);
        cairo_save(p->cr);
        cairo_translate(p->cr, f->x, f->base);
        cairo_rotate(p->cr, turn);
        cairo_scale(p->cr, flip * scale * (1 + bend) * (l->taper > 0 ? 1.22 : 1), scale * (1 - bend));
        cairo_translate(p->cr, -50, -92);
        sketch_paint_drawing(p, &drawings->items[f->subject]);
        cairo_restore(p->cr);
    }
    p->tinted = false;
    p->taper = 0;
}

pasta_status sketch_scene(const struct sketch_drawings *drawings, const struct sketch_attributes *a, int size,
                          struct pasta_rng *rng, cairo_surface_t **back, cairo_surface_t **front, struct pasta_err *err)
{
    struct layout l = lay_out(a, rng);
    bool grid = a->value[SKETCH_COMPOSITION] == COMPOSITION_GRID;
    struct sketch_painter p = {.unit = (float)size / 64,
                               .style = (enum sketch_style)a->value[SKETCH_STYLE],
                               .palette = (enum sketch_palette)a->value[SKETCH_PALETTE],
                               .line = grid ? 1.7f : 1,
                               .turn = a->accent == 0 ? 0 : ((float)(a->accent & 255) / 255 - 0.5f) * 24};
    bool night = a->value[SKETCH_LIGHTING] == LIGHT_MOONLIGHT || a->value[SKETCH_LIGHTING] == LIGHT_SPOTLIGHT;
    cairo_surface_t *b = cairo_image_surface_create(CAIRO_FORMAT_RGB24, size, size);
    cairo_surface_t *f = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, size, size);

    begin(&p, b, size, &l);
    p.fade = 0.28f;
    sketch_paint_background(&p, (enum sketch_background)a->value[SKETCH_BACKGROUND], (float)l.horizon, night, rng);
    cairo_destroy(p.cr);

    begin(&p, f, size, &l);
    p.fade = 0;
    figures(&p, drawings, a, &l, rng);
    sketch_paint_mood(&p, (enum sketch_mood)a->value[SKETCH_MOOD], rng);
    if (a->value[SKETCH_COMPOSITION] == COMPOSITION_FRAMED)
        frame(&p);
    cairo_status_t bad = cairo_status(p.cr);
    cairo_destroy(p.cr);
    cairo_surface_flush(b);
    cairo_surface_flush(f);
    if (bad == CAIRO_STATUS_SUCCESS)
        bad = cairo_surface_status(b);
    if (bad == CAIRO_STATUS_SUCCESS)
        bad = cairo_surface_status(f);
    if (bad != CAIRO_STATUS_SUCCESS) {
        cairo_surface_destroy(b);
        cairo_surface_destroy(f);
        return pasta_fail(err, PASTA_ERR_FAILED, "cairo cannot draw %d x %d pixels: %s", size, size, cairo_status_to_string(bad));
    }
    *back = b;
    *front = f;
    return PASTA_OK;
}
