/* backgrounds.h: what lies behind the subject. */
#ifndef PASTA_SRC_WORLD_BACKGROUNDS_H
#define PASTA_SRC_WORLD_BACKGROUNDS_H
#include "painter.h"
#include "pasta/base/rng.h"

/* Paints the whole unit square (the current matrix maps it to the canvas). `horizon` 0..1 from the top; `night` darkens skies. */
void sketch_paint_background(struct sketch_painter *p, enum sketch_background background, float horizon, bool night,
                             struct pasta_rng *rng);
/* Small things of a mood, in front of everything: rain, confetti, hearts ... */
void sketch_paint_mood(struct sketch_painter *p, enum sketch_mood mood, struct pasta_rng *rng);
#endif
