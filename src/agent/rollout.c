/* rollout.c: see rollout.h. */
#include "pasta/agent/rollout.h"

#include <math.h>
#include <stdlib.h>

#include "pasta/agent/image_store.h"
#include "pasta/agent/slate.h"
#include "pasta/base/rng.h"
#include "pasta/base/threads.h"

#define SEED_BITS 53 /* JSON numbers keep integers up to here */

static const char *const source_names[] = {
    [PASTA_SOURCE_HUMAN] = "human", [PASTA_SOURCE_SKETCH] = "sketch", [PASTA_SOURCE_SIMULATED] = "simulated"};

uint64_t pasta_rollout_image_seed(uint64_t seed, uint32_t index, uint32_t turn, uint32_t slot)
{
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_IMAGE, index, turn, slot);
    return pasta_rng_u64(&rng) >> (64 - SEED_BITS);
}

const char *pasta_rollout_rater_id(struct pasta_arena *arena, enum pasta_source source, uint32_t person)
{
    return pasta_arena_printf(arena, "%s-%06u", source_names[source], person);
}

struct pasta_rollout_job pasta_rollout_deal(uint64_t seed, uint32_t index, uint32_t first_person, uint32_t people,
                                            const char *const *prompts, uint32_t n_prompts)
{
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_PROMPT, index, 0, 0);
    return (struct pasta_rollout_job){index, first_person + index % people, prompts[pasta_rng_below(&rng, n_prompts)]};
}

/* Chooses the columns of a turn: the policy's slate, from scores that may be noisy, or, with probability epsilon, a random one; then their
 * places. The recorded scores stay the policy's own. */
static int choose_slate(const struct pasta_rollout *r, const struct pasta_turn *turn, uint32_t index, uint32_t number, int *picks)
{
    const struct pasta_agent_settings *set = r->settings;
    struct pasta_rng explore = pasta_rng_at(r->seed, PASTA_RNG_SLATE, index, number, PASTA_SLATE_EXPLORE);
    struct pasta_rng order = pasta_rng_at(r->seed, PASTA_RNG_SLATE, index, number, PASTA_SLATE_ORDER);
    uint32_t places[PASTA_MAX_SLATE];
    int best[PASTA_MAX_SLATE];

    double *scores = pasta_malloc((size_t)turn->n_candidates * sizeof *scores);
    const bool at_random = pasta_rng_uniform(&explore) < set->epsilon;

    for (int i = 0; i < turn->n_candidates; i++)
        scores[i] = turn->scores[i] + (set->temperature > 0 ? set->temperature * pasta_rng_gumbel(&explore) : 0);
    const int columns = at_random ? pasta_slate_explore(turn->candidates, turn->n_candidates, (int)set->slate, &explore, best)
                                  : pasta_slate_select(turn->candidates, scores, turn->n_candidates, (int)set->slate, best);
    free(scores);
    for (int i = 0; i < columns; i++)
        places[i] = (uint32_t)i;
    pasta_rng_shuffle(&order, places, (uint32_t)columns);
    for (int i = 0; i < columns; i++)
        picks[i] = best[places[i]];
    return columns;
}

/* Where a prompt has ready images, a column shows different ones: M in a row from a random one on. */
static pasta_status seed_images(const struct pasta_rollout *r, uint32_t index, uint32_t number, int place, struct pasta_column *column,
                                struct pasta_err *err)
{
    const uint32_t slot = (uint32_t)(place * column->n_images);
    int n;

    if (!r->t2i.ready) {
        for (int m = 0; m < column->n_images; m++)
            column->images[m].seed = pasta_rollout_image_seed(r->seed, index, number, slot + (uint32_t)m);
        return PASTA_OK;
    }
    const pasta_status status = r->t2i.ready(r->t2i.ctx, column->prompt, &n, err);
    if (status != PASTA_OK)
        return status;
    if (n < column->n_images)
        return pasta_fail(err, PASTA_ERR_INPUT, "expected %d images of the prompt \"%.200s\" (agent.images), found %d", column->n_images,
                          column->prompt, n);
    const uint64_t first = pasta_rollout_image_seed(r->seed, index, number, slot) % (uint64_t)n;
    for (int m = 0; m < column->n_images; m++)
        column->images[m].seed = (first + (uint64_t)m) % (uint64_t)n;
    return PASTA_OK;
}

static pasta_status fill_column(const struct pasta_rollout *r, uint32_t index, uint32_t number, int place, struct pasta_arena *arena,
                                struct pasta_column *column, struct pasta_err *err)
{
    const pasta_status status = seed_images(r, index, number, place, column, err);
    for (int m = 0; m < column->n_images && status == PASTA_OK; m++) {
        char id[65];
        pasta_image_id(&r->t2i, column->prompt, column->images[m].seed, id);
        column->images[m].id = pasta_arena_strdup(arena, id);
    }
    return status;
}

struct drawing { /* the images of a slate, M a column */
    const struct pasta_rollout *rollout;
    const struct pasta_turn *turn;
};

static pasta_status save_one(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    const struct drawing *d = ctx;
    const int64_t each = d->rollout->settings->images;
    const struct pasta_column *column = &d->turn->columns[item / each];
    const struct pasta_image_ref *image = &column->images[item % each];
    (void)worker;
    return pasta_image_save(&d->rollout->t2i, column->prompt, image->seed, image->id, d->rollout->image_root, err);
}

static pasta_status save_images(const struct pasta_rollout *r, const struct pasta_turn *turn, struct pasta_err *err)
{
    struct drawing d = {r, turn};
    pasta_status status = PASTA_OK;
    const int64_t n = turn->n_columns * r->settings->images;

    if (r->at_once > 1)
        return pasta_parallel_for(n, r->at_once, save_one, &d, err);
    for (int64_t i = 0; i < n && status == PASTA_OK; i++)
        status = save_one(&d, i, 0, err);
    return status;
}

static pasta_status check_answer(const struct pasta_turn *turn, const struct pasta_answer *answer, struct pasta_err *err)
{
    if (answer->choice < -1 || answer->choice >= turn->n_columns)
        return pasta_fail(err, PASTA_ERR_FAILED, "rater: expected a choice in -1..%d, found %d", turn->n_columns - 1, answer->choice);
    if (!isnan(answer->rating) && !(answer->rating >= 1 && answer->rating <= 10))
        return pasta_fail(err, PASTA_ERR_FAILED, "rater: expected a rating in 1..10, found %g", answer->rating);
    return PASTA_OK;
}

pasta_status pasta_rollout_slate(const struct pasta_rollout *r, const struct pasta_session *s, uint32_t index, uint32_t person,
                                 struct pasta_arena *arena, struct pasta_turn *out, struct pasta_err *err)
{
    const struct pasta_agent_settings *set = r->settings;
    const uint32_t number = (uint32_t)s->n_turns + 1;
    const int n = (int)set->candidates;
    struct pasta_turn turn = {
        .n_candidates = n,
        .candidates = pasta_arena_alloc(arena, (size_t)n * sizeof *turn.candidates),
        .scores = pasta_arena_alloc(arena, (size_t)n * sizeof *turn.scores),
        .choice = -1, .rating = NAN, .seconds = NAN,
    };
    int picks[PASTA_MAX_SLATE];
    pasta_status status;

    if ((status = r->generator.candidates(r->generator.ctx, s, r->seed, index, n, arena, turn.candidates, err)) != PASTA_OK ||
        (status = r->policy.score(r->policy.ctx, s, person, r->seed, index, turn.candidates, n, turn.scores, err)) != PASTA_OK)
        return status;
    turn.n_columns = choose_slate(r, &turn, index, number, picks);
    turn.columns = pasta_arena_alloc(arena, (size_t)turn.n_columns * sizeof *turn.columns);
    for (int l = 0; l < turn.n_columns; l++) {
        struct pasta_column *column = &turn.columns[l];
        column->candidate = picks[l];
        column->prompt = turn.candidates[picks[l]].prompt;
        column->category = turn.candidates[picks[l]].category;
        column->n_images = (int)set->images;
        column->images = pasta_arena_alloc(arena, (size_t)set->images * sizeof *column->images);
        if ((status = fill_column(r, index, number, l, arena, column, err)) != PASTA_OK)
            return status;
    }
    if (r->image_root && (status = save_images(r, &turn, err)) != PASTA_OK)
        return status;
    *out = turn;
    return PASTA_OK;
}

/* Plays the next turn of `s`, which holds the complete turns before it; s->n_turns counts it when it is whole. */
static pasta_status play_turn(const struct pasta_rollout *r, struct pasta_session *s, uint32_t index, uint32_t person,
                              struct pasta_arena *arena, double *utility, struct pasta_err *err)
{
    struct pasta_turn *turn = &s->turns[s->n_turns];
    struct pasta_answer answer = {.choice = -1, .rating = NAN, .utility = NAN};
    pasta_status status = pasta_rollout_slate(r, s, index, person, arena, turn, err);

    if (status != PASTA_OK)
        return status;
    s->n_turns++;
    if ((status = r->rater.answer(r->rater.ctx, s, person, r->seed, index, &answer, err)) != PASTA_OK ||
        (status = check_answer(turn, &answer, err)) != PASTA_OK)
        return status;
    turn->choice = answer.choice;
    turn->rating = answer.rating;
    turn->versus = answer.versus;
    *utility = answer.utility;
    return PASTA_OK;
}

pasta_status pasta_rollout_check(const struct pasta_rollout *r, struct pasta_err *err)
{
    if (r->seed >> SEED_BITS)
        return pasta_fail(err, PASTA_ERR_USAGE, "seed: expected a number below 2^53, which session files can keep, found %llu",
                          (unsigned long long)r->seed);
    if (r->settings->candidates % PASTA_CATEGORIES)
        return pasta_fail(err, PASTA_ERR_USAGE, "agent.candidates: expected a multiple of the %d categories, found %lld", PASTA_CATEGORIES,
                          (long long)r->settings->candidates);
    return PASTA_OK;
}

struct pasta_session pasta_rollout_begin(const struct pasta_rollout *r, uint32_t index, uint32_t person, const char *prompt,
                                         struct pasta_arena *arena)
{
    struct pasta_session s = {
        .session_id = pasta_arena_printf(arena, "%s-%s-%llu-%06u", source_names[r->rater.source], r->policy.name,
                                         (unsigned long long)r->seed, index),
        .rater_id = pasta_rollout_rater_id(arena, r->rater.source, person),
        .agent = pasta_arena_strdup(arena, r->policy.name),
        .initial_prompt = pasta_arena_strdup(arena, prompt),
        .source = r->rater.source,
        .seed = r->seed,
        .user_type = -1,
        .exploration = {true, r->policy.at_random ? 1 : r->settings->epsilon, r->policy.at_random ? 0 : r->settings->temperature},
        .turns = pasta_arena_alloc(arena, (size_t)r->settings->horizon * sizeof *s.turns),
    };
    if (r->generator.template_hash) {
        s.generator = pasta_arena_strdup(arena, r->generator.name);
        s.template_hash = pasta_arena_strdup(arena, r->generator.template_hash);
    }
    return s;
}

pasta_status pasta_rollout_session(const struct pasta_rollout *r, uint32_t index, uint32_t person, const char *prompt,
                                   struct pasta_arena *arena, struct pasta_session *out, struct pasta_err *err)
{
    const int horizon = (int)r->settings->horizon;
    double *utility = pasta_arena_alloc(arena, (size_t)horizon * sizeof *utility);
    struct pasta_session s = pasta_rollout_begin(r, index, person, prompt, arena);
    bool known = false;

    const pasta_status sound = pasta_rollout_check(r, err);
    if (sound != PASTA_OK)
        return sound;
    for (int t = 0; t < horizon; t++) {
        const pasta_status status = play_turn(r, &s, index, person, arena, &utility[t], err);
        if (status != PASTA_OK) {
            pasta_err_prefix(err, "session %s, turn %d", s.session_id, t + 1);
            return status;
        }
        known = known || !isnan(utility[t]);
    }
    s.turn_utility = known ? utility : NULL;
    *out = s;
    return PASTA_OK;
}
