#include "simulate_replay.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/agent/rollout.h"
#include "record_files.h"

struct replay {
    struct pasta_sessions sessions;
    struct pasta_features *features;
};

static pasta_status check_session(const struct replay *r, const struct pasta_session *s, struct pasta_err *err)
{
    if (!pasta_features_text(r->features, s->initial_prompt))
        return pasta_fail(err, PASTA_ERR_INPUT, "session %s: initial_prompt: expected a prompt of the feature pack, found '%.200s'",
                          s->session_id, s->initial_prompt);
    for (int t = 0; t < s->n_turns; t++)
        for (int l = 0; l < s->turns[t].n_columns; l++)
            for (int i = 0; i < s->turns[t].columns[l].n_images; i++)
                if (!pasta_features_image(r->features, s->turns[t].columns[l].images[i].id))
                    return pasta_fail(err, PASTA_ERR_INPUT, "session %s: turn %d: expected an image of the feature pack, found '%s'",
                                      s->session_id, t + 1, s->turns[t].columns[l].images[i].id);
    return PASTA_OK;
}

pasta_status replay_open(const char *sessions, const char *features, struct replay **out, struct pasta_err *err)
{
    struct replay *r = pasta_calloc(1, sizeof *r);
    pasta_status status = pasta_features_open(features, &r->features, err);
    if (status == PASTA_OK)
        status = records_sessions(sessions, &r->sessions, err);
    for (size_t i = 0; i < r->sessions.n && status == PASTA_OK; i++)
        status = check_session(r, &r->sessions.items[i], err);
    if (status != PASTA_OK) {
        replay_close(r);
        return status;
    }
    *out = r;
    return PASTA_OK;
}

void replay_close(struct replay *r)
{
    if (!r)
        return;
    pasta_sessions_release(&r->sessions);
    pasta_features_close(r->features);
    free(r);
}

size_t replay_sessions(const struct replay *r)
{
    return r->sessions.n;
}

const struct pasta_features *replay_features(const struct replay *r)
{
    return r->features;
}

/* --- what the users see; all of it is in the pack, as replay_open has seen --- */

static pasta_status find_images(void *ctx, const char *const *prompts, const struct pasta_image_ref *images, int n, float *out,
                                struct pasta_err *err)
{
    const struct replay *r = ctx;
    const size_t dim = (size_t)pasta_features_dim(r->features);
    (void)prompts, (void)err;
    for (int i = 0; i < n; i++)
        memcpy(out + (size_t)i * dim, pasta_features_image(r->features, images[i].id), dim * sizeof *out);
    return PASTA_OK;
}

static pasta_status find_texts(void *ctx, const char *const *texts, int n, float *out, struct pasta_err *err)
{
    const struct replay *r = ctx;
    const size_t dim = (size_t)pasta_features_dim(r->features);
    (void)err;
    for (int i = 0; i < n; i++)
        memcpy(out + (size_t)i * dim, pasta_features_text(r->features, texts[i]), dim * sizeof *out);
    return PASTA_OK;
}

struct pasta_user_embedder replay_embedder(struct replay *r)
{
    return (struct pasta_user_embedder){r, find_images, find_texts};
}

pasta_status replay_session(const struct replay *r, struct pasta_rater rater, uint64_t seed, uint32_t index, struct pasta_arena *arena,
                            struct pasta_session *out, struct pasta_err *err)
{
    const struct pasta_session *recorded = &r->sessions.items[index % r->sessions.n];
    struct pasta_session s = *recorded;
    s.session_id = pasta_arena_printf(arena, "simulated-replay-%llu-%06u", (unsigned long long)seed, index);
    s.rater_id = pasta_rollout_rater_id(arena, rater.source, index);
    s.source = rater.source;
    s.seed = seed;
    s.turn_utility = NULL;
    s.n_checks = 0; /* the person's, who is not replayed */
    s.turns = pasta_arena_alloc(arena, (size_t)s.n_turns * sizeof *s.turns);
    for (int t = 0; t < recorded->n_turns; t++) {
        struct pasta_answer answer;
        s.turns[t] = recorded->turns[t];
        s.turns[t].critique = NULL;
        s.turns[t].seconds = NAN;
        s.n_turns = t + 1;
        const pasta_status status = rater.answer(rater.ctx, &s, index, seed, index, &answer, err);
        if (status != PASTA_OK)
            return status;
        s.turns[t].choice = answer.choice;
        s.turns[t].rating = answer.rating;
        s.turns[t].versus = answer.versus;
    }
    *out = s;
    return PASTA_OK;
}
