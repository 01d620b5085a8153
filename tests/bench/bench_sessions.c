/* bench_sessions.c: see bench_sessions.h. */
#include "bench/bench_sessions.h"

#include <stdlib.h>

#include "pasta/agent/rollout.h"
#include "pasta/base/paths.h"

pasta_status bench_world_open(struct bench_world *w, int image_size, struct pasta_err *err)
{
    pasta_config_init(&w->config);
    w->config.world.image_size = image_size;
    char *path = pasta_data_path("prompts/sketch.txt");
    pasta_status status = pasta_prompts_read(path, &w->prompts, err);
    if (status == PASTA_OK)
        status = pasta_sketch_open(&w->config.world, &w->config.agent, &w->sketch, err);
    if (status == PASTA_OK)
        w->t2i = pasta_sketch_t2i(w->sketch);
    free(path);
    return status;
}

void bench_world_close(struct bench_world *w)
{
    if (w->sketch)
        pasta_sketch_close(w->sketch);
    pasta_prompts_release(&w->prompts);
    pasta_config_release(&w->config);
}

pasta_status bench_world_session(const struct bench_world *w, uint32_t index, int n_turns, struct pasta_arena *arena, struct pasta_session *out, struct pasta_err *err)
{
    struct pasta_agent_settings settings = w->config.agent;
    settings.horizon = n_turns;
    const struct pasta_rollout rollout = {.settings = &settings, .seed = 1, .generator = pasta_sketch_generator(w->sketch), .t2i = w->t2i,
                                          .policy = pasta_policy_baseline(), .rater = pasta_sketch_rater(w->sketch)};
    const struct pasta_rollout_job job = pasta_rollout_deal(1, index, 0, 40, w->prompts.items, (uint32_t)w->prompts.n);
    return pasta_rollout_session(&rollout, job.index, job.person, job.prompt, arena, out, err);
}
