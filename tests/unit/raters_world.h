/* raters_world.h: raters with known habits, as sessions in memory: what each is, only the test knows. */
#ifndef TESTS_RATERS_WORLD_H
#define TESTS_RATERS_WORLD_H
#include <math.h>
#include <stdlib.h>

#include "pasta/base/rng.h"
#include "pasta/eval/rater_rules.h"

enum habit { HONEST, RANDOM, FIRST, ALTERNATING, CYCLING, LAZY, FAST, ONE_RATING, ALWAYS_BETTER, HABITS };
static const char *const habit_names[] = {"honest", "random clicks", "the first column", "two columns in turn", "all columns in turn",
                                          "lazy half-way", "honest, but fast", "one rating", "always better"};

enum { WORLD_COLUMNS = 4 };
struct world_study {
    int sessions, turns;        /* of a rater */
    int attention, repeats;     /* checks of each kind in a session */
    bool timed;
};

/* Who a person is, within the habit. */
struct world_person {
    enum habit habit;
    double lapse, bias, offset, tie, pace; /* slips; pull of the left; of ratings; of "the same"; seconds */
    int turn;                              /* turns so far */
};

static struct world_person world_meet(enum habit habit, struct pasta_rng *rng)
{
    return (struct world_person){.habit = habit, .lapse = 0.08 * pasta_rng_uniform(rng), .bias = 0.15 * pasta_rng_normal(rng),
                                 .offset = 0.7 * pasta_rng_normal(rng), .tie = 0.4 * exp(0.5 * pasta_rng_normal(rng)),
                                 .pace = 14 * exp(0.35 * pasta_rng_normal(rng))};
}

/* Which column of utilities [WORLD_COLUMNS], as shown. */
static int world_choose(const struct world_person *p, const double *utility, struct pasta_rng *rng)
{
    switch (p->habit) {
    case RANDOM: return (int)pasta_rng_below(rng, WORLD_COLUMNS);
    case FIRST: return 0;
    case ALTERNATING: return p->turn % 2;
    case CYCLING: return p->turn % WORLD_COLUMNS;
    case LAZY:
        if (p->turn >= 12)
            return 2;
        break;
    default: break;
    }
    if (pasta_rng_uniform(rng) < p->lapse)
        return (int)pasta_rng_below(rng, WORLD_COLUMNS);
    int best = 0;
    double most = -INFINITY;
    for (int l = 0; l < WORLD_COLUMNS; l++) {
        const double seen = utility[l] - p->bias * l + 0.5 * pasta_rng_gumbel(rng);
        if (seen > most) {
            most = seen;
            best = l;
        }
    }
    return best;
}

static struct pasta_column *world_slate(struct pasta_arena *arena, const char *name)
{
    struct pasta_column *columns = pasta_arena_alloc(arena, WORLD_COLUMNS * sizeof *columns);
    for (int l = 0; l < WORLD_COLUMNS; l++) {
        columns[l] = (struct pasta_column){.prompt = "a kite", .candidate = -1, .n_images = 1};
        columns[l].images = pasta_arena_alloc(arena, sizeof *columns[l].images);
        columns[l].images->id = pasta_arena_printf(arena, "%s-%d", name, l);
    }
    return columns;
}

static void world_attention(struct world_person *p, struct pasta_arena *arena, struct pasta_rng *rng, struct pasta_check *out)
{
    double utility[WORLD_COLUMNS] = {0};
    *out = (struct pasta_check){.kind = PASTA_CHECK_ATTENTION, .n_columns = WORLD_COLUMNS, .seconds = NAN};
    out->columns = world_slate(arena, "attention");
    out->expected = (int)pasta_rng_below(rng, WORLD_COLUMNS);
    utility[out->expected] = 20; /* nobody who looks can miss it */
    out->choice = world_choose(p, utility, rng);
}

/* The slate of turn number `of`, shuffled. */
static void world_repeat(struct world_person *p, const struct pasta_session *s, int of, const double *utility, struct pasta_arena *arena,
                         struct pasta_rng *rng, struct pasta_check *out)
{
    uint32_t order[WORLD_COLUMNS] = {0, 1, 2, 3};
    double shown[WORLD_COLUMNS];
    *out = (struct pasta_check){.kind = PASTA_CHECK_REPEAT, .n_columns = WORLD_COLUMNS, .expected = -1, .repeat_of = of, .seconds = NAN};
    out->columns = pasta_arena_alloc(arena, WORLD_COLUMNS * sizeof *out->columns);
    pasta_rng_shuffle(rng, order, WORLD_COLUMNS);
    for (int l = 0; l < WORLD_COLUMNS; l++) {
        out->columns[l] = s->turns[of - 1].columns[order[l]];
        shown[l] = utility[order[l]];
    }
    out->choice = world_choose(p, shown, rng);
}

static void world_turn(struct world_person *p, const struct world_study *study, const double *utility, double before, int t,
                       struct pasta_rng *rng, struct pasta_turn *turn)
{
    turn->choice = world_choose(p, utility, rng);
    const double got = utility[turn->choice], change = got - before + 0.5 * pasta_rng_normal(rng);
    const double rating = fmin(10, fmax(1, round(6 + p->offset + 1.2 * got + 0.7 * pasta_rng_normal(rng))));
    turn->rating = p->habit == RANDOM ? 1 + pasta_rng_below(rng, 10) : p->habit == ONE_RATING ? 7 : rating;
    turn->versus = t == 0                         ? PASTA_VERSUS_NONE
                   : p->habit == ALWAYS_BETTER    ? PASTA_BETTER
                   : p->habit == RANDOM           ? (enum pasta_versus)(1 + pasta_rng_below(rng, 3))
                   : fabs(change) < p->tie        ? PASTA_SAME
                   : change > 0                   ? PASTA_BETTER
                                                  : PASTA_WORSE;
    const double pace = p->habit == FAST ? 0.15 * p->pace : p->pace;
    turn->seconds = study->timed ? pace * exp(0.5 * pasta_rng_normal(rng)) : NAN;
    p->turn++;
}

static void world_session(struct world_person *p, const struct world_study *study, const char *rater, int number, struct pasta_arena *arena,
                          struct pasta_rng *rng, struct pasta_session *s)
{
    double utility[64][WORLD_COLUMNS], before = 0;
    *s = (struct pasta_session){.rater_id = rater, .agent = number % 2 ? "B" : "A", .initial_prompt = "a kite", .n_turns = study->turns,
                                .user_type = -1, .n_checks = study->attention + study->repeats};
    s->session_id = pasta_arena_printf(arena, "%s-%d", rater, number);
    s->turns = pasta_arena_alloc(arena, (size_t)s->n_turns * sizeof *s->turns);
    s->checks = pasta_arena_alloc(arena, (size_t)s->n_checks * sizeof *s->checks);
    for (int t = 0; t < s->n_turns; t++) {
        struct pasta_turn *turn = &s->turns[t];
        *turn = (struct pasta_turn){.n_columns = WORLD_COLUMNS};
        turn->columns = world_slate(arena, pasta_arena_printf(arena, "%s-%d", s->session_id, t));
        for (int l = 0; l < WORLD_COLUMNS; l++)
            utility[t][l] = pasta_rng_normal(rng);
        world_turn(p, study, utility[t], before, t, rng, turn);
        before = utility[t][turn->choice];
    }
    for (int c = 0; c < s->n_checks; c++) {
        const int of = 1 + (int)pasta_rng_below(rng, (uint32_t)s->n_turns);
        if (c < study->attention)
            world_attention(p, arena, rng, &s->checks[c]);
        else
            world_repeat(p, s, of, utility[of - 1], arena, rng, &s->checks[c]);
        s->checks[c].after_turn = s->n_turns;
    }
}

/* Rater r has habits[r] and is called rNNN; sessions [raters * study->sessions], in `arena`. */
static struct pasta_session *world_make(uint32_t seed, const enum habit *habits, int raters, const struct world_study *study,
                                        struct pasta_arena *arena)
{
    struct pasta_session *sessions = pasta_arena_alloc(arena, (size_t)(raters * study->sessions) * sizeof *sessions);
    for (int r = 0; r < raters; r++) {
        struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_TEST, (uint32_t)r, 0, 0);
        struct world_person person = world_meet(habits[r], &rng);
        const char *id = pasta_arena_printf(arena, "r%03d", r);
        for (int i = 0; i < study->sessions; i++)
            world_session(&person, study, id, i, arena, &rng, &sessions[r * study->sessions + i]);
    }
    return sessions;
}
#endif
