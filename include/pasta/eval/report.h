/* report.h: one self-contained report.html.
 *
 * No network, no scripts: CSS is inline and images are PNG data URIs, so the file can be mailed and still opens in ten years. It follows
 * the reader's light or dark setting, and reads at any width: wide things (tables, image strips) scroll in their own box, never the page.
 * Everything arrives as plain data and is written in the order of the calls.
 *
 *     struct pasta_report *r = pasta_report_new("Evaluation", "PASTA on the sketch world");
 *     pasta_report_headline(r, "PASTA over baseline", "+0.41", "[0.30, 0.52] rating points", true);
 *     pasta_report_section(r, "agents", "Agents", "What was compared, and how.");
 *     pasta_report_plots_begin(r, false);
 *     pasta_plot_lines(&plot, pasta_report_body(r));
 *     pasta_report_plots_end(r);
 *     pasta_report_table(r, &table);
 *     pasta_report_finish(r, &html);      // r is empty afterwards
 *     pasta_report_free(r);
 */
#ifndef PASTA_EVAL_REPORT_H
#define PASTA_EVAL_REPORT_H
#include <stdbool.h>
#include "pasta/base/str.h"
#include "pasta/eval/plot.h"
#include "pasta/eval/table.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pasta_report;
struct pasta_report *pasta_report_new(const char *title, const char *lead);
void pasta_report_free(struct pasta_report *r); /* NULL is legal */

/* The head of the page, in the order of the calls whenever they come. `good`: marked as a result that holds. */
void pasta_report_headline(struct pasta_report *r, const char *label, const char *value, const char *detail, bool good);
void pasta_report_fact(struct pasta_report *r, const char *name, const char *value); /* what was run */
void pasta_report_listing(struct pasta_report *r, const char *summary, const char *text); /* folded, monospaced: the configuration */

/* The body. A section has an entry in the page's list of contents; its text may be NULL. */
void pasta_report_section(struct pasta_report *r, const char *id, const char *title, const char *text);
void pasta_report_subsection(struct pasta_report *r, const char *title, const char *text);
void pasta_report_text(struct pasta_report *r, const char *text);
void pasta_report_fold_begin(struct pasta_report *r, const char *summary); /* what stands between is folded away at first */
void pasta_report_fold_end(struct pasta_report *r);
void pasta_report_table(struct pasta_report *r, const struct pasta_table *table);
struct pasta_str *pasta_report_body(struct pasta_report *r); /* where plots are written; valid until free */
/* Plots between the two stand side by side where there is room: two in a row, three when small. */
void pasta_report_plots_begin(struct pasta_report *r, bool small);
void pasta_report_plots_end(struct pasta_report *r);

/* A table of counts [n_rows,n_columns], shaded by each cell's share of its row. */
struct pasta_heatmap {
    const char *title, *row_title, *column_title, *note; /* note may be NULL */
    const char *const *rows, *const *columns;
    const int64_t *counts;
    int n_rows, n_columns;
};
void pasta_report_heatmap(struct pasta_report *r, const struct pasta_heatmap *map);

/* Strips of images with a caption each, and lines of text: what a user type likes, and what not. Images are PNG files in memory. */
struct pasta_gallery_image {
    const struct pasta_str *png;
    const char *caption;
};
struct pasta_gallery_strip {
    const char *label;
    const struct pasta_gallery_image *images;
    int n_images;
    const char *const *lines; /* below the images */
    int n_lines;
};
struct pasta_gallery {
    const char *title, *detail;
    const struct pasta_gallery_strip *strips;
    int n_strips;
};
void pasta_report_galleries(struct pasta_report *r, const struct pasta_gallery *galleries, int n);

/* A session as image strips: one row of columns a turn, the chosen column marked. */
struct pasta_strip_column {
    const char *prompt, *category;
    double score;                  /* the agent's, NAN: none */
    const struct pasta_str *images; /* [n_images] PNG files */
    int n_images;
    bool chosen;
};
struct pasta_strip_turn {
    const struct pasta_strip_column *columns;
    int n_columns;
    double rating;                 /* NAN: none */
    int versus;                    /* -1 worse, 0 same, 1 better than the turn before; else not asked */
    double utility;                /* true utility of the chosen column, NAN: unknown */
};
struct pasta_strip {
    const char *title, *detail;
    const struct pasta_strip_turn *turns;
    int n_turns;
    bool open;                     /* unfolded when the page opens */
};
void pasta_report_strip(struct pasta_report *r, const struct pasta_strip *strip);

/* Appends the whole page. */
void pasta_report_finish(const struct pasta_report *r, struct pasta_str *out);

#ifdef __cplusplus
}
#endif
#endif
