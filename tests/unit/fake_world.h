/* fake_world.h: a generator, a t2i and a rater of a few lines each, for tests of sessions: every answer is a function of the arguments. */
#ifndef FAKE_WORLD_H
#define FAKE_WORLD_H
#include <math.h>
#include <string.h>

#include "pasta/base/rng.h"
#include "pasta/world/backend.h"

/* Candidate i of a category is "PROMPT CATEGORY i of turn T after CHOICE". */
static inline pasta_status fake_candidates(void *ctx, const struct pasta_session *session, uint64_t seed, uint32_t index, int n,
                                           struct pasta_arena *arena, struct pasta_candidate *out, struct pasta_err *err)
{
    (void)ctx, (void)seed, (void)index, (void)err;
    const int each = n / PASTA_CATEGORIES;
    const int last = session->n_turns ? session->turns[session->n_turns - 1].choice : -1;
    for (int i = 0; i < n; i++) {
        out[i].category = (enum pasta_category)(i / each);
        out[i].prompt = pasta_arena_printf(arena, "%s %s %d of turn %d after %d", session->initial_prompt,
                                           pasta_category_names[out[i].category], i % each, session->n_turns + 1, last);
    }
    return PASTA_OK;
}

static inline pasta_status fake_draw(void *ctx, const char *prompt, uint64_t seed, struct pasta_image *out, struct pasta_err *err)
{
    (void)err;
    if (ctx)
        ++*(int *)ctx; /* counts drawings; single-threaded tests only */
    struct pasta_rng rng = pasta_rng_at(seed ^ pasta_hash64(prompt), PASTA_RNG_DRAW, 0, 0, 0);
    *out = (struct pasta_image){.width = 8, .height = 8, .pixels = pasta_malloc(8 * 8 * 3)};
    for (int i = 0; i < 8 * 8 * 3; i++)
        out->pixels[i] = (uint8_t)pasta_rng_u32(&rng);
    return PASTA_OK;
}

/* Likes long prompts of its own person number; the utility is known. */
static inline pasta_status fake_answer(void *ctx, const struct pasta_session *session, uint32_t person, uint64_t seed, uint32_t index,
                                       struct pasta_answer *out, struct pasta_err *err)
{
    (void)ctx, (void)err;
    const struct pasta_turn *turn = &session->turns[session->n_turns - 1];
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_CHOICE, index, (uint32_t)session->n_turns, 0);
    double best = -INFINITY;
    for (int l = 0; l < turn->n_columns; l++) {
        const double u = (double)(pasta_hash64(turn->columns[l].prompt) % (97 + person)) + pasta_rng_uniform(&rng);
        if (u > best) {
            best = u;
            out->choice = l;
        }
    }
    out->utility = best;
    out->rating = 1 + fmod(best, 9);
    out->versus = session->n_turns == 1 ? PASTA_VERSUS_NONE : PASTA_SAME;
    return PASTA_OK;
}

static inline struct pasta_generator fake_generator(void) { return (struct pasta_generator){.name = "fake", .candidates = fake_candidates}; }
static inline struct pasta_t2i fake_t2i(int *drawn) { return (struct pasta_t2i){.ctx = drawn, .name = "fake/1", .size = 8, .draw = fake_draw}; }
static inline struct pasta_rater fake_rater(void) { return (struct pasta_rater){NULL, PASTA_SOURCE_SKETCH, fake_answer}; }
#endif
