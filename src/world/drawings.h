/* drawings.h: the subjects' drawings, read from data/sketch/drawings.txt (format: that file's head). */
#ifndef PASTA_SRC_WORLD_DRAWINGS_H
#define PASTA_SRC_WORLD_DRAWINGS_H
#include <stdint.h>
#include "attributes.h"
#include "pasta/base/err.h"
#include "pasta/base/mem.h"

struct sketch_shape {
    char op;           /* e ellipse, r rectangle, a slice, p polygon, s smooth closed, l line, k smooth line */
    uint8_t mirror;    /* 1: drawn mirrored about x = 50 */
    uint8_t own;       /* 1: the subject's own colour, which a stated colour replaces */
    int8_t shade;
    int16_t colour;    /* natural colour */
    int16_t n;         /* numbers */
    const float *x;    /* [n] as in the file, defaults filled in */
};
struct sketch_drawing {
    const char *name;
    int group; /* enum sketch_group */
    int n;
    const struct sketch_shape *shapes;
};
struct sketch_drawings {
    struct pasta_arena arena;
    int n;
    struct sketch_drawing items[SKETCH_MAX_SUBJECTS];
};
/* Errors: PASTA_ERR_INPUT `FILE:LINE: ...`. */
pasta_status sketch_drawings_read(const char *path, struct sketch_drawings *out, struct pasta_err *err) PASTA_MUST_CHECK;
void sketch_drawings_release(struct sketch_drawings *d);
int sketch_drawings_find(const struct sketch_drawings *d, const char *name); /* -1: none */
#endif
