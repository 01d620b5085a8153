/* clip_pairs.h: the pairs that pasta-train-clip learns from and is tested on, addressed by an index. Safe from several threads. */
#ifndef PASTA_CMD_CLIP_PAIRS_H
#define PASTA_CMD_CLIP_PAIRS_H
#include "pasta/world/sketch.h"

struct clip_pairs {
    struct pasta_sketch *sketch;
    struct pasta_t2i t2i;
    uint64_t seed;
    int64_t total;   /* pairs to train on: how far training has come decides how varied they are */
};

enum { CLIP_HELD_OUT = 6000 }; /* pairs for the evaluation */
/* Index of the first held-out pair: training stays below it. */
#define CLIP_HELD_OUT_FIRST ((int64_t)1 << 31)

uint64_t clip_pair_seed(const struct clip_pairs *w, int64_t index); /* the image's */
/* The caption of a pair and its image. */
pasta_status clip_pair_draw(const struct clip_pairs *w, int64_t index, struct pasta_str *caption, struct pasta_image *image, struct pasta_err *err) PASTA_MUST_CHECK;
/* A pair to train on; ctx is a struct clip_pairs. Training begins with easy pictures, of a subject alone in the middle, and widens to all that captions
 * say: where composition moves and scales a subject at once, a small tower learns styles and never what is in a picture. Half of the captions of
 * varied pictures are shortened (the picture is drawn from the whole): else style and background tell the images of a batch apart; and
 * prompts are often short. */
pasta_status clip_pair_train(void *ctx, int64_t index, struct pasta_str *caption, struct pasta_image *image, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
