#include "pasta/eval/plot.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 440, HEIGHT = 270, LEFT = 50, RIGHT = 14, TOP = 12, BOTTOM = 42 }; /* user units of the SVG */

struct pasta_ticks pasta_plot_ticks(double lo, double hi, int most)
{
    if (!(hi > lo)) {
        double pad = lo == 0 ? 1 : fabs(lo) * 0.1;
        lo -= pad;
        hi += pad;
    }
    double power = pow(10, floor(log10((hi - lo) / most)));
    static const double multiples[] = {1, 2, 5, 10, 20};
    struct pasta_ticks t = {0};
    for (size_t i = 0; i < sizeof multiples / sizeof *multiples; i++) {
        t.step = multiples[i] * power;
        double low = floor(lo / t.step + 1e-9), high = ceil(hi / t.step - 1e-9);
        t.first = low * t.step;
        t.n = (int)(high - low) + 1;
        if (t.n - 1 <= most)
            break;
    }
    return t;
}

/* --- shared pieces --- */

struct scale {
    double lo, hi, from, to; /* [lo,hi] of data onto [from,to] of the picture */
};

static double place(struct scale s, double value)
{
    return s.from + (value - s.lo) / (s.hi - s.lo) * (s.to - s.from);
}

static struct scale scale_of(struct pasta_ticks t, double from, double to)
{
    return (struct scale){t.first, t.first + t.step * (t.n - 1), from, to};
}

/* A tick's text: as many digits as its step needs; thousands as "5k". */
static void put_tick(double value, double step, bool percent, struct pasta_str *out)
{
    if (percent) {
        value *= 100;
        step *= 100;
    }
    const char *unit = "";
    if (!percent && step >= 500) {
        value /= 1000;
        step /= 1000;
        unit = "k";
    }
    int digits = (int)fmax(0, ceil(-log10(step) - 1e-9));
    if (fabs(value) < step * 1e-6)
        value = 0;
    pasta_str_printf(out, "%s%.*f%s", value < 0 ? "&minus;" : "", digits > 6 ? 6 : digits, fabs(value), unit);
}

static void put_label(const char *class, double x, double y, const char *anchor, const char *text, struct pasta_str *out)
{
    pasta_str_printf(out, "<text class=%s x=\"%.1f\" y=\"%.1f\" text-anchor=%s>", class, x, y, anchor);
    pasta_html_escape(text, out);
    pasta_str_add(out, "</text>");
}

static void put_line(const char *class, double x1, double y1, double x2, double y2, struct pasta_str *out)
{
    pasta_str_printf(out, "<line class=%s x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", class, x1, y1, x2, y2);
}

/* The marker of a look, its tooltip inside (may be NULL). */
static void put_marker(int look, double x, double y, const char *tip, struct pasta_str *out)
{
    static const char *const shapes[PASTA_PLOT_LOOKS] = {
        "M-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0-7.2 0z",   /* ring */
        "M-3.8 0a3.8 3.8 0 1 0 7.6 0a3.8 3.8 0 1 0-7.6 0z",   /* disc */
        "M-3.6-3.6h7.2v7.2h-7.2z",                            /* square */
        "M0-5L5 0L0 5L-5 0z",                                 /* diamond */
        "M0-5L4.8 3.6H-4.8z",                                 /* triangle */
        "M-1.4-4.6h2.8v3.2h3.2v2.8h-3.2v3.2h-2.8v-3.2h-3.2v-2.8h3.2z", /* plus */
        "M0 5L4.8-3.6H-4.8z",                                 /* triangle, down */
        "M-3.4-3.4h6.8v6.8h-6.8z",                            /* square, hollow */
    };
    bool hollow = look == 0 || look == 7;
    pasta_str_printf(out, "<path class=\"mk l%d%s\" transform=\"translate(%.1f %.1f)\" d=\"%s\">", look, hollow ? " hollow" : "", x, y,
                     shapes[look]);
    if (tip) {
        pasta_str_add(out, "<title>");
        pasta_html_escape(tip, out);
        pasta_str_add(out, "</title>");
    }
    pasta_str_add(out, "</path>");
}

static void open_figure(const char *title, int height, struct pasta_str *out)
{
    pasta_str_add(out, "<figure class=plot><figcaption>");
    pasta_html_escape(title, out);
    pasta_str_printf(out, "</figcaption><svg viewBox=\"0 0 %d %d\" role=img aria-label=\"", WIDTH, height);
    pasta_html_escape(title, out);
    pasta_str_add(out, "\">\n");
}

/* --- lines with bands --- */

static bool has_point(const struct pasta_plot_series *s)
{
    for (int i = 0; i < s->n; i++)
        if (isfinite(s->points[i].y))
            return true;
    return false;
}

static void stretch(double value, double *lo, double *hi)
{
    if (!isfinite(value))
        return;
    *lo = fmin(*lo, value);
    *hi = fmax(*hi, value);
}

/* Bands are what an axis must hold; false when there is nothing to draw. */
static bool ranges(const struct pasta_plot *plot, double x[2], double y[2])
{
    x[0] = y[0] = INFINITY;
    x[1] = y[1] = -INFINITY;
    for (int s = 0; s < plot->n_series; s++)
        for (int i = 0; i < plot->series[s].n; i++) {
            struct pasta_plot_point p = plot->series[s].points[i];
            if (!isfinite(p.y))
                continue;
            stretch(p.x, &x[0], &x[1]);
            stretch(p.y, &y[0], &y[1]);
            stretch(p.lo, &y[0], &y[1]);
            stretch(p.hi, &y[0], &y[1]);
        }
    stretch(plot->reference, &y[0], &y[1]);
    return x[0] <= x[1];
}

static void put_axes(const struct pasta_plot *plot, struct scale x, struct scale y, struct pasta_ticks x_ticks, struct pasta_ticks y_ticks,
                     struct pasta_str *out)
{
    for (int i = 0; i < y_ticks.n; i++) {
        double value = y_ticks.first + i * y_ticks.step, at = place(y, value);
        put_line("grid", LEFT, at, WIDTH - RIGHT, at, out);
        pasta_str_printf(out, "<text class=tick x=\"%d\" y=\"%.1f\" text-anchor=end>", LEFT - 7, at + 4);
        put_tick(value, y_ticks.step, plot->percent, out);
        pasta_str_add(out, "</text>");
    }
    for (int i = 0; i < x_ticks.n; i++) {
        double value = x_ticks.first + i * x_ticks.step, at = place(x, value);
        if (at < LEFT - 0.1 || at > WIDTH - RIGHT + 0.1)
            continue;
        put_line("notch", at, HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 4, out);
        pasta_str_printf(out, "<text class=tick x=\"%.1f\" y=\"%d\" text-anchor=middle>", at, HEIGHT - BOTTOM + 18);
        put_tick(value, x_ticks.step, false, out);
        pasta_str_add(out, "</text>");
    }
    put_line("axis", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, out);
    if (isfinite(plot->reference))
        put_line("ref", LEFT, place(y, plot->reference), WIDTH - RIGHT, place(y, plot->reference), out);
    put_label("name", (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 6, "middle", plot->x_title, out);
    pasta_str_printf(out, "<text class=name transform=\"translate(12 %.1f) rotate(-90)\" text-anchor=middle>",
                     (TOP + HEIGHT - BOTTOM) / 2.0);
    pasta_html_escape(plot->y_title, out);
    pasta_str_add(out, "</text>\n");
}

static bool in_band(struct pasta_plot_point p)
{
    return isfinite(p.y) && isfinite(p.lo) && isfinite(p.hi);
}

static void put_band(const struct pasta_plot_series *s, int look, struct scale x, struct scale y, struct pasta_str *out)
{
    for (int start = 0; start < s->n;) {
        int end = start;
        while (end < s->n && in_band(s->points[end]))
            end++;
        if (end - start > 1) {
            pasta_str_printf(out, "<path class=\"band l%d\" d=\"", look);
            for (int i = start; i < end; i++)
                pasta_str_printf(out, "%c%.1f %.1f", i == start ? 'M' : 'L', place(x, s->points[i].x), place(y, s->points[i].hi));
            for (int i = end - 1; i >= start; i--)
                pasta_str_printf(out, "L%.1f %.1f", place(x, s->points[i].x), place(y, s->points[i].lo));
            pasta_str_add(out, "z\"/>\n");
        }
        start = end + 1;
    }
}

static void put_curve(const struct pasta_plot_series *s, int look, struct scale x, struct scale y, struct pasta_str *out)
{
    pasta_str_printf(out, "<path class=\"curve l%d\" d=\"", look);
    bool pen = false;
    for (int i = 0; i < s->n; i++) {
        if (!isfinite(s->points[i].y)) {
            pen = false;
            continue;
        }
        pasta_str_printf(out, "%c%.1f %.1f", pen ? 'L' : 'M', place(x, s->points[i].x), place(y, s->points[i].y));
        pen = true;
    }
    pasta_str_add(out, "\"/>\n");
}

static bool has_markers(const struct pasta_plot *plot, const struct pasta_plot_series *s)
{
    return (plot->whole_x || plot->markers) && !s->plain;
}

static void put_markers(const struct pasta_plot *plot, const struct pasta_plot_series *s, int look, struct scale x, struct scale y,
                        struct pasta_str *out)
{
    struct pasta_str tip = {0};
    for (int i = 0; i < s->n; i++) {
        struct pasta_plot_point p = s->points[i];
        if (!isfinite(p.y))
            continue;
        pasta_str_clear(&tip);
        pasta_str_printf(&tip, "%s, %s %.3g: ", s->name, plot->x_title, p.x);
        struct pasta_estimate e = {p.y, p.lo, p.hi, 0, 0};
        pasta_estimate_print(e, plot->percent ? PASTA_FORMAT_PERCENT : PASTA_FORMAT_NUMBER, plot->percent ? 1 : 2, &tip);
        put_marker(look, place(x, p.x), place(y, p.y), tip.data, out);
    }
    pasta_str_add(out, "\n");
    pasta_str_release(&tip);
}

static void put_legend(const struct pasta_plot *plot, struct pasta_str *out)
{
    pasta_str_add(out, "<ul class=legend>");
    for (int s = 0; s < plot->n_series; s++) {
        if (!has_point(&plot->series[s]))
            continue;
        int look = plot->series[s].look % PASTA_PLOT_LOOKS;
        pasta_str_printf(out, "<li><svg viewBox=\"0 0 28 12\" aria-hidden=true><path class=\"curve l%d\" d=\"M1 6H27\"/>", look);
        if (has_markers(plot, &plot->series[s]))
            put_marker(look, 14, 6, NULL, out);
        pasta_str_add(out, "</svg>");
        pasta_html_escape(plot->series[s].name, out);
        pasta_str_add(out, "</li>");
    }
    pasta_str_add(out, "</ul>");
}

void pasta_plot_lines(const struct pasta_plot *plot, struct pasta_str *out)
{
    double xr[2], yr[2];
    if (!ranges(plot, xr, yr))
        return;
    struct pasta_ticks y_ticks = pasta_plot_ticks(yr[0], yr[1], 8), x_ticks = pasta_plot_ticks(xr[0], xr[1], 6);
    struct scale y = scale_of(y_ticks, HEIGHT - BOTTOM, TOP), x = {xr[0], xr[1], LEFT, WIDTH - RIGHT};
    if (plot->whole_x) { /* half a step of air on both sides */
        int step = 1 + (int)((xr[1] - xr[0]) / 12);
        x_ticks = (struct pasta_ticks){xr[0], step, (int)((xr[1] - xr[0]) / step) + 1};
        x.lo -= 0.3;
        x.hi += 0.3;
    } else if (!(xr[1] > xr[0])) {
        x = scale_of(x_ticks, LEFT, WIDTH - RIGHT);
    }
    open_figure(plot->title, HEIGHT, out);
    put_axes(plot, x, y, x_ticks, y_ticks, out);
    for (int s = 0; s < plot->n_series; s++)
        put_band(&plot->series[s], plot->series[s].look % PASTA_PLOT_LOOKS, x, y, out);
    for (int s = 0; s < plot->n_series; s++)
        put_curve(&plot->series[s], plot->series[s].look % PASTA_PLOT_LOOKS, x, y, out);
    for (int s = 0; s < plot->n_series; s++)
        if (has_markers(plot, &plot->series[s]))
            put_markers(plot, &plot->series[s], plot->series[s].look % PASTA_PLOT_LOOKS, x, y, out);
    pasta_str_add(out, "</svg>");
    put_legend(plot, out);
    pasta_str_add(out, "</figure>\n");
}

/* --- one estimate a row --- */

void pasta_plot_intervals(const struct pasta_plot_rows *plot, struct pasta_str *out)
{
    enum { ROW = 30, VALUES = 142, LONGEST_NAME = 22, NAME_UNIT = 7 }; /* a letter of a name is about NAME_UNIT wide */
    size_t longest = 0;
    for (int i = 0; i < plot->n_rows; i++)
        longest = strlen(plot->rows[i].name) > longest ? strlen(plot->rows[i].name) : longest;
    int names = NAME_UNIT * (int)(longest > LONGEST_NAME ? LONGEST_NAME : longest) + 12;
    double lo = INFINITY, hi = -INFINITY;
    for (int i = 0; i < plot->n_rows; i++) {
        stretch(plot->rows[i].e.value, &lo, &hi);
        stretch(plot->rows[i].e.lo, &lo, &hi);
        stretch(plot->rows[i].e.hi, &lo, &hi);
    }
    if (!(lo <= hi))
        return;
    stretch(plot->reference, &lo, &hi);
    struct pasta_ticks ticks = pasta_plot_ticks(lo, hi, 4);
    int bottom = TOP + plot->n_rows * ROW, height = bottom + BOTTOM;
    struct scale x = scale_of(ticks, names + 8, WIDTH - VALUES - 8);
    bool percent = plot->format == PASTA_FORMAT_PERCENT || plot->format == PASTA_FORMAT_CHANGE_PERCENT;

    open_figure(plot->title, height, out);
    for (int i = 0; i < ticks.n; i++) {
        double value = ticks.first + i * ticks.step, at = place(x, value);
        put_line("grid", at, TOP, at, bottom, out);
        pasta_str_printf(out, "<text class=tick x=\"%.1f\" y=\"%d\" text-anchor=middle>", at, bottom + 16);
        put_tick(value, ticks.step, percent, out);
        pasta_str_add(out, "</text>");
    }
    if (isfinite(plot->reference))
        put_line("ref", place(x, plot->reference), TOP, place(x, plot->reference), bottom, out);
    put_label("name", (x.from + x.to) / 2, height - 6, "middle", plot->x_title, out);
    struct pasta_str text = {0};
    for (int i = 0; i < plot->n_rows; i++) {
        const struct pasta_plot_row *row = &plot->rows[i];
        double y = TOP + (i + 0.5) * ROW;
        int look = row->look % PASTA_PLOT_LOOKS;
        pasta_str_clear(&text);
        /* Cut with an ellipsis. */
        pasta_str_printf(&text, strlen(row->name) > LONGEST_NAME ? "%.*s\xe2\x80\xa6" : "%.*s", LONGEST_NAME, row->name);
        put_label("row", names, y + 4, "end", text.data, out);
        if (!isfinite(row->e.value))
            continue;
        if (isfinite(row->e.lo) && isfinite(row->e.hi))
            pasta_str_printf(out, "<path class=\"whisker l%d\" d=\"M%.1f %.1fH%.1f\"/>", look, place(x, row->e.lo), y, place(x, row->e.hi));
        pasta_str_clear(&text);
        pasta_estimate_print(row->e, plot->format, plot->digits, &text);
        put_marker(look, place(x, row->e.value), y, text.data, out);
        pasta_str_printf(out, "<text class=val x=\"%d\" y=\"%.1f\">", WIDTH - VALUES, y + 4);
        pasta_html_number(text.data, out);
        pasta_str_add(out, "</text>\n");
    }
    pasta_str_release(&text);
    pasta_str_add(out, "</svg></figure>\n");
}
