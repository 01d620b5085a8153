/* dims.h: the legend of dimension letters used in shapes, `[B,K,D]`, throughout the project.
 *
 *   B batch          H turns of a session (horizon)     L columns of a slate
 *   C candidates     M images of a column               K user types
 *   D features       T tokens                           N, n items of a list
 */
#ifndef PASTA_BASE_DIMS_H
#define PASTA_BASE_DIMS_H
enum {
    PASTA_CATEGORIES = 5, /* candidate categories: rephrase, expand, style, subject, creative */
    PASTA_MAX_SLATE = 16, /* upper bounds of the data contract */
    PASTA_MAX_HORIZON = 64,
};
#endif
