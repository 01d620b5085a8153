/* world.h: the opened sketch world. */
#ifndef PASTA_SRC_WORLD_WORLD_H
#define PASTA_SRC_WORLD_WORLD_H
#include "canvas.h"
#include "lexicon.h"
#include "pasta/world/sketch.h"
#include "population.h"

struct pasta_sketch {
    struct sketch_lexicon lexicon;
    struct sketch_population population;
    struct sketch_noise noise;
    struct pasta_world_settings settings; /* its strings are the caller's and are not used after opening */
    int max_words;
};
#endif
