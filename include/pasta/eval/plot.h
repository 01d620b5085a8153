/* plot.h: small plots as inline SVG for the report.
 *
 * Colours come from the page's CSS variables --c0 .. --c7, so a plot follows light and dark; each look also has its own marker and dash, so
 * a plot is readable without colour. Points carry their numbers as tooltips.
 */
#ifndef PASTA_EVAL_PLOT_H
#define PASTA_EVAL_PLOT_H
#include <stdbool.h>
#include "pasta/base/str.h"
#include "pasta/eval/table.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PASTA_PLOT_LOOKS = 8 }; /* 0 is the neutral grey */

struct pasta_plot_point {
    double x, y, lo, hi; /* NAN y: a gap; NAN lo or hi: no band here */
};
struct pasta_plot_series {
    const char *name;
    int look; /* taken modulo PASTA_PLOT_LOOKS */
    const struct pasta_plot_point *points;
    int n;
    bool plain; /* never markers: a line to compare with */
};
struct pasta_plot {
    const char *title, *x_title, *y_title;
    const struct pasta_plot_series *series;
    int n_series;
    bool whole_x;    /* x counts something (turns): a tick at each whole number, and markers */
    bool markers;    /* at the points */
    bool percent;    /* y holds shares, shown in per cent */
    double reference; /* y of a line to compare with, NAN: none */
};
/* One estimate a row, as a point with a whisker. */
struct pasta_plot_row {
    const char *name;
    int look;
    struct pasta_estimate e;
};
struct pasta_plot_rows {
    const char *title, *x_title;
    const struct pasta_plot_row *rows;
    int n_rows;
    enum pasta_format format;
    int digits;
    double reference; /* x of the line of no difference, NAN: none */
};

/* A <figure> with title, SVG and legend. Series without a finite point are left out; with none at all nothing is written. */
void pasta_plot_lines(const struct pasta_plot *plot, struct pasta_str *out);
void pasta_plot_intervals(const struct pasta_plot_rows *plot, struct pasta_str *out);

/* Round tick positions first, first + step, ... (n of them) that enclose [lo, hi] with at most `most` steps of 1, 2 or 5 times a power of
 * ten. lo == hi is widened. */
struct pasta_ticks {
    double first, step;
    int n;
};
struct pasta_ticks pasta_plot_ticks(double lo, double hi, int most);

#ifdef __cplusplus
}
#endif
#endif
