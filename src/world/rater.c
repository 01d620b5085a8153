/* rater.c: people of hidden types who look at slates, choose, rate and compare. */
#include <math.h>
#include <string.h>

#include "pasta/base/rng.h"
#include "world.h"

enum { EXPECTED_DRAWS = 64 };
static const double rating_middle = 5, rating_slope = 1.5; /* a utility of 0 rates 5; 1 more adds 1.5 points */

/* Who a person is; a pure function of (seed, person). */
struct person {
    int type;
    struct sketch_taste taste;
    double offset, slope; /* own use of the rating scale */
    double tie;           /* differences of utility below this are "the same" */
};

static int type_of(const struct pasta_sketch *s, uint64_t seed, uint32_t person)
{
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_RATER, person, 0, 0);
    return pasta_rng_categorical(&rng, s->population.prior, s->population.n);
}

static void meet_person(const struct pasta_sketch *s, uint64_t seed, uint32_t person, struct person *out)
{
    out->type = type_of(s, seed, person);
    out->taste = s->population.type[out->type];
    struct pasta_rng own = pasta_rng_at(seed, PASTA_RNG_RATER, person, 1, 0);
    double spread = s->settings.personal_deviation;
    for (int g = 0; g < GROUPS; g++)
        out->taste.group[g] += spread * pasta_rng_normal(&own);
    for (int k = SKETCH_FIRST_OPEN; k < SKETCH_KINDS; k++)
        for (int v = 0; v < s->lexicon.n_values[k]; v++)
            out->taste.value[k][v] += spread * pasta_rng_normal(&own);
    struct pasta_rng habits = pasta_rng_at(seed, PASTA_RNG_RATER, person, 2, 0);
    out->offset = 0.5 * pasta_rng_normal(&habits);
    out->slope = rating_slope * exp(0.2 * pasta_rng_normal(&habits));
    out->tie = 0.15 * exp(0.4 * pasta_rng_normal(&habits));
}

static int group_of(const struct pasta_sketch *s, const struct sketch_reading *reading)
{
    return s->lexicon.drawings.items[reading->kind[SKETCH_SUBJECT].value[0]].group;
}

static double look(const struct pasta_sketch *s, const struct person *p, const struct sketch_reading *initial,
                   const struct sketch_reading *prompt, uint64_t image_seed)
{
    struct sketch_attributes drawn;
    sketch_draw(&s->lexicon, prompt, s->settings.miss_rate, image_seed, &drawn);
    return sketch_utility(&s->population, &p->taste, initial, &drawn, group_of(s, initial));
}

static double column_utility(const struct pasta_sketch *s, const struct person *p, const struct sketch_reading *initial,
                             const struct pasta_column *column)
{
    struct sketch_reading prompt;
    double sum = 0;
    sketch_read(&s->lexicon, column->prompt, &prompt);
    for (int m = 0; m < column->n_images; m++)
        sum += look(s, p, initial, &prompt, column->images[m].seed);
    return column->n_images == 0 ? 0 : sum / column->n_images;
}

static double rate(const struct pasta_sketch *s, const struct person *p, double utility, struct pasta_rng *rng)
{
    double r = rating_middle + p->offset + p->slope * utility + s->settings.rating_noise * pasta_rng_normal(rng);
    return fmin(10, fmax(1, round(r)));
}

static pasta_status answer(void *ctx, const struct pasta_session *session, uint32_t who, uint64_t seed, uint32_t index,
                           struct pasta_answer *out, struct pasta_err *err)
{
    const struct pasta_sketch *s = ctx;
    if (session->n_turns < 1 || session->turns[session->n_turns - 1].n_columns < 1)
        return pasta_fail(err, PASTA_ERR_FAILED, "session \"%s\" has no slate to answer", session->session_id ? session->session_id : "");
    uint32_t turn_number = (uint32_t)session->n_turns;
    const struct pasta_turn *turn = &session->turns[turn_number - 1];
    struct person p;
    struct sketch_reading initial;
    meet_person(s, seed, who, &p);
    sketch_read(&s->lexicon, session->initial_prompt, &initial);

    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_CHOICE, index, turn_number, 0);
    double best = -INFINITY, chosen = 0, steps = turn->n_columns > 1 ? turn->n_columns - 1 : 1;
    bool lapse = pasta_rng_uniform(&rng) < s->settings.lapse_rate;
    int blind = (int)pasta_rng_below(&rng, (uint32_t)turn->n_columns), choice = 0;
    for (int l = 0; l < turn->n_columns; l++) {
        double u = column_utility(s, &p, &initial, &turn->columns[l]);
        double felt = u + s->settings.position_bias * (1 - l / steps) + s->settings.choice_noise * pasta_rng_gumbel(&rng);
        if (lapse ? l == blind : felt > best) {
            best = felt;
            chosen = u;
            choice = l;
        }
    }

    struct pasta_rng report = pasta_rng_at(seed, PASTA_RNG_RATING, index, turn_number, 0);
    double rating = rate(s, &p, chosen, &report);
    enum pasta_versus versus = PASTA_VERSUS_NONE;
    if (turn_number > 1 && turn[-1].choice >= 0 && turn[-1].choice < turn[-1].n_columns) {
        double before = column_utility(s, &p, &initial, &turn[-1].columns[turn[-1].choice]);
        double felt = chosen - before + s->settings.choice_noise * pasta_rng_normal(&report);
        versus = felt > p.tie ? PASTA_BETTER : felt < -p.tie ? PASTA_WORSE : PASTA_SAME;
    }
    *out = (struct pasta_answer){choice, rating, versus, chosen};
    return PASTA_OK;
}

struct pasta_rater pasta_sketch_rater(struct pasta_sketch *s)
{
    return (struct pasta_rater){.ctx = s, .source = PASTA_SOURCE_SKETCH, .answer = answer};
}

/* --- the truth ------------------------------------------------------------------------------------ */

int pasta_sketch_types(const struct pasta_sketch *s) { return s->population.n; }

int pasta_sketch_type_of(const struct pasta_sketch *s, uint64_t seed, uint32_t person) { return type_of(s, seed, person); }

double pasta_sketch_utility(const struct pasta_sketch *s, uint64_t seed, uint32_t person, const char *initial_prompt,
                            const char *prompt, uint64_t image_seed)
{
    struct person p;
    struct sketch_reading initial, reading;
    meet_person(s, seed, person, &p);
    sketch_read(&s->lexicon, initial_prompt, &initial);
    sketch_read(&s->lexicon, prompt, &reading);
    return look(s, &p, &initial, &reading, image_seed);
}

double pasta_sketch_expected_utility(const struct pasta_sketch *s, uint64_t seed, uint32_t person, const char *initial_prompt, const char *prompt)
{
    struct person p;
    struct sketch_reading initial, reading;
    double sum = 0;
    meet_person(s, seed, person, &p);
    sketch_read(&s->lexicon, initial_prompt, &initial);
    sketch_read(&s->lexicon, prompt, &reading);
    for (int i = 0; i < EXPECTED_DRAWS; i++) /* the same draws for every prompt: comparisons are fair */
        sum += look(s, &p, &initial, &reading, 0x5eed00000000u + (uint64_t)i);
    return sum / EXPECTED_DRAWS;
}

double pasta_sketch_prefer(const struct pasta_sketch *s, uint64_t seed, uint32_t person, uint32_t item, const char *prompt,
                           const char *const prompts[2], const uint64_t image_seeds[2])
{
    struct person p;
    struct sketch_reading initial, reading;
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_PAIR, item, person, 0);
    double felt[2];
    meet_person(s, seed, person, &p);
    sketch_read(&s->lexicon, prompt, &initial);
    if (pasta_rng_uniform(&rng) < s->settings.lapse_rate)
        return pasta_rng_below(&rng, 2);
    for (int i = 0; i < 2; i++) {
        sketch_read(&s->lexicon, prompts[i], &reading);
        felt[i] = look(s, &p, &initial, &reading, image_seeds[i]) + s->settings.choice_noise * pasta_rng_gumbel(&rng);
    }
    felt[0] += s->settings.position_bias;
    if (fabs(felt[0] - felt[1]) < 0.5 * p.tie)
        return 0.5;
    return felt[0] > felt[1] ? 1 : 0;
}

double pasta_sketch_rate(const struct pasta_sketch *s, uint64_t seed, uint32_t person, uint32_t item, const char *prompt, uint64_t image_seed)
{
    struct person p;
    struct sketch_reading reading;
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_PAIR, item, person, 1);
    meet_person(s, seed, person, &p);
    sketch_read(&s->lexicon, prompt, &reading);
    return rate(s, &p, look(s, &p, &reading, &reading, image_seed), &rng);
}
