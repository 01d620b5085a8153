#include "steps.h"

#include <math.h>

#include "pasta/base/rng.h"

/* The columns of a turn in an order of the stream's. */
static struct pasta_column *in_other_order(const struct pasta_turn *turn, struct pasta_rng *rng, struct pasta_arena *arena)
{
    struct pasta_column *columns = pasta_arena_alloc(arena, (size_t)turn->n_columns * sizeof *columns);
    uint32_t order[PASTA_MAX_SLATE];
    for (uint32_t i = 0; i < (uint32_t)turn->n_columns; i++)
        order[i] = i;
    pasta_rng_shuffle(rng, order, (uint32_t)turn->n_columns);
    for (int i = 0; i < turn->n_columns; i++)
        columns[i] = turn->columns[order[i]];
    return columns;
}

static bool attention_after(const struct pasta_study_design *design, const struct pasta_session *s, uint32_t index, int turn,
                            struct pasta_arena *arena, struct pasta_check *out)
{
    const struct pasta_turn *seen = &s->turns[turn - 1];
    struct pasta_rng rng = pasta_rng_at(design->seed, PASTA_RNG_STUDY, index, (uint32_t)turn, STUDY_SLOT_ATTENTION);
    if (pasta_rng_uniform(&rng) >= design->attention_rate)
        return false;
    *out = (struct pasta_check){.after_turn = turn, .kind = PASTA_CHECK_ATTENTION, .n_columns = seen->n_columns, .choice = -1,
                                .seconds = NAN};
    out->expected = (int)pasta_rng_below(&rng, (uint32_t)seen->n_columns);
    if (arena)
        out->columns = in_other_order(seen, &rng, arena);
    for (int l = 0; l < seen->n_columns && arena; l++)
        out->columns[l].candidate = -1; /* a check has no candidates to count in */
    return true;
}

/* Of an earlier turn than the one just seen, and one in which something was chosen: there is nothing to agree with else. */
static bool repeat_after(const struct pasta_study_design *design, const struct pasta_session *s, uint32_t index, int turn,
                         struct pasta_arena *arena, struct pasta_check *out)
{
    struct pasta_rng rng = pasta_rng_at(design->seed, PASTA_RNG_STUDY, index, (uint32_t)turn, STUDY_SLOT_REPEAT);
    if (turn < 2 || pasta_rng_uniform(&rng) >= design->repeat_rate)
        return false;
    const int of = 1 + (int)pasta_rng_below(&rng, (uint32_t)turn - 1);
    const struct pasta_turn *seen = &s->turns[of - 1];
    if (seen->choice < 0)
        return false;
    *out = (struct pasta_check){.after_turn = turn, .kind = PASTA_CHECK_REPEAT, .n_columns = seen->n_columns, .expected = -1,
                                .repeat_of = of, .choice = -1, .seconds = NAN};
    if (arena)
        out->columns = in_other_order(seen, &rng, arena);
    return true;
}

enum step_kind step_next(const struct pasta_study_design *design, const struct pasta_session *s, uint32_t index, struct pasta_arena *arena,
                         struct pasta_check *check)
{
    int answered = 0;
    for (int i = 0; i < s->n_checks; i++)
        answered += s->checks[i].after_turn == s->n_turns;
    if (s->n_turns > 0 && attention_after(design, s, index, s->n_turns, arena, check) && answered-- == 0)
        return STEP_CHECK;
    if (s->n_turns > 0 && repeat_after(design, s, index, s->n_turns, arena, check) && answered-- == 0)
        return STEP_CHECK;
    return s->n_turns < design->horizon ? STEP_TURN : STEP_END;
}

int step_number(const struct pasta_session *s)
{
    return s->n_turns + s->n_checks + 1;
}

void step_find(const struct pasta_session *s, int number, const struct pasta_turn **turn, const struct pasta_check **check)
{
    int step = 0, c = 0;
    *turn = NULL;
    *check = NULL;
    for (int t = 0; t <= s->n_turns; t++) {
        if (t > 0 && ++step == number)
            *turn = &s->turns[t - 1];
        for (; c < s->n_checks && s->checks[c].after_turn == t; c++)
            if (++step == number)
                *check = &s->checks[c];
    }
}
