/* bench_sessions.h: the sketch world and sessions played in it, as material for measurements. */
#ifndef PASTA_TESTS_BENCH_SESSIONS_H
#define PASTA_TESTS_BENCH_SESSIONS_H
#include "pasta/base/config.h"
#include "pasta/io/record.h"
#include "pasta/world/sketch.h"

struct bench_world {
    struct pasta_config config; /* the defaults */
    struct pasta_sketch *sketch;
    struct pasta_t2i t2i;
    struct pasta_prompts prompts;
};
pasta_status bench_world_open(struct bench_world *w, int image_size, struct pasta_err *err) PASTA_MUST_CHECK;
void bench_world_close(struct bench_world *w); /* legal on a zeroed struct and after an error */
/* Session `index` of n_turns turns, the baseline's slates and a sketch rater's answers. */
pasta_status bench_world_session(const struct bench_world *w, uint32_t index, int n_turns, struct pasta_arena *arena, struct pasta_session *out, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
