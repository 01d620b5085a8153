/* Sketch raters: choices, ratings, comparisons, and who they are. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../src/world/world.h"
#include "pasta/base/config.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/world/sketch.h"

enum { L = 4, M = 4 };

static struct pasta_sketch *open_with(const char *const (*settings)[2], int n)
{
    struct pasta_err err = {0};
    struct pasta_config config;
    struct pasta_sketch *s = NULL;
    pasta_config_init(&config);
    for (int i = 0; i < n; i++)
        if (pasta_config_set(&config, settings[i][0], settings[i][1], &err) != PASTA_OK)
            fail_msg("%s", err.message);
    if (pasta_sketch_open(&config.world, &config.agent, &s, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    pasta_config_release(&config);
    return s;
}

/* A session of one slate: `prompt` with four styles. */
struct slate {
    struct pasta_image_ref images[2][L][M];
    struct pasta_column columns[2][L];
    struct pasta_turn turns[2];
    struct pasta_session session;
};
static const char *const columns[L] = {"a dog, oil painting", "a dog, glowing neon sign", "a dog, flat vector art", "a dog, pixel art"};

static void make_slate(struct slate *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    for (int t = 0; t < 2; t++) {
        for (int l = 0; l < L; l++) {
            for (int m = 0; m < M; m++)
                s->images[t][l][m].seed = seed * 1000 + (uint64_t)(t * 100 + l * 10 + m);
            s->columns[t][l] = (struct pasta_column){.prompt = columns[l], .n_images = M, .images = s->images[t][l]};
        }
        s->turns[t] = (struct pasta_turn){.n_columns = L, .columns = s->columns[t], .choice = -1};
    }
    s->session = (struct pasta_session){.session_id = "s", .initial_prompt = "a dog", .n_turns = 1, .turns = s->turns};
}

static struct pasta_answer ask(struct pasta_sketch *world, struct slate *s, uint32_t person, uint32_t index)
{
    struct pasta_err err = {0};
    struct pasta_answer a;
    struct pasta_rater rater = pasta_sketch_rater(world);
    if (rater.answer(rater.ctx, &s->session, person, 1, index, &a, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return a;
}

static double column_mean(struct pasta_sketch *world, const struct slate *s, uint32_t person, int l)
{
    double sum = 0;
    for (int m = 0; m < M; m++)
        sum += pasta_sketch_utility(world, 1, person, "a dog", columns[l], s->images[0][l][m].seed);
    return sum / M;
}

static void without_noise_the_best_is_chosen(void **state)
{
    (void)state;
    static const char *const still[][2] = {{"world.choice_noise", "0"}, {"world.lapse_rate", "0"}, {"world.position_bias", "0"}, {"world.rating_noise", "0"}};
    struct pasta_sketch *world = open_with(still, 4);
    for (uint32_t person = 0; person < 60; person++) {
        struct slate s;
        make_slate(&s, person);
        struct pasta_answer a = ask(world, &s, person, person);
        for (int l = 0; l < L; l++)
            assert_true(column_mean(world, &s, person, l) <= a.utility + 1e-12);
        assert_true(fabs(column_mean(world, &s, person, a.choice) - a.utility) < 1e-12);
        assert_int_equal(a.versus, PASTA_VERSUS_NONE);
        assert_true(a.rating >= 1 && a.rating <= 10 && a.rating == round(a.rating));
        s.turns[0].choice = a.choice; /* a second turn: the same columns again, other images */
        s.session.n_turns = 2;
        a = ask(world, &s, person, person);
        assert_true(a.versus == PASTA_WORSE || a.versus == PASTA_SAME || a.versus == PASTA_BETTER);
        for (int l = 0; l < L; l++)
            for (int m = 0; m < M; m++)
                s.images[1][l][m] = s.images[0][l][m];
        a = ask(world, &s, person, person);
        assert_int_equal(a.versus, PASTA_SAME); /* the very same images */
    }
    pasta_sketch_close(world);
}

static void lapses_and_places_show(void **state)
{
    (void)state;
    static const char *const careless[][2] = {{"world.lapse_rate", "1"}}, *const biased[][2] = {{"world.position_bias", "10"}, {"world.lapse_rate", "0"}};
    struct pasta_sketch *lapsing = open_with(careless, 1), *leftist = open_with(biased, 2);
    int chosen[L] = {0};
    for (uint32_t i = 0; i < 2000; i++) {
        struct slate s;
        make_slate(&s, 3);
        chosen[ask(lapsing, &s, 5, i).choice]++;
        assert_int_equal(ask(leftist, &s, 5, i).choice, 0);
    }
    for (int l = 0; l < L; l++)
        assert_true(chosen[l] > 420 && chosen[l] < 580); /* 500 +- 4 s.e. */
    pasta_sketch_close(lapsing);
    pasta_sketch_close(leftist);
}

static void people_have_types_by_the_prior(void **state)
{
    (void)state;
    struct pasta_sketch *world = open_with(NULL, 0);
    int n = 8000, seen[SKETCH_MAX_TYPES] = {0};
    assert_int_equal(pasta_sketch_types(world), 8);
    for (int i = 0; i < n; i++)
        seen[pasta_sketch_type_of(world, 1, (uint32_t)i)]++;
    for (int k = 0; k < 8; k++) {
        double p = world->population.prior[k], se = sqrt(p * (1 - p) / n);
        assert_true(fabs((double)seen[k] / n - p) < 4 * se);
    }
    assert_true(world->population.prior[0] > 2 * world->population.prior[7]); /* not uniform */
    pasta_sketch_close(world);
}

static void deviation_makes_people(void **state)
{
    (void)state;
    static const char *const alike[][2] = {{"world.personal_deviation", "0"}};
    struct pasta_sketch *same = open_with(alike, 1), *own = open_with(NULL, 0);
    uint32_t a = 0, b = 1;
    while (pasta_sketch_type_of(same, 1, b) != pasta_sketch_type_of(same, 1, a))
        b++;
    assert_true(pasta_sketch_utility(same, 1, a, "a dog", columns[0], 9) == pasta_sketch_utility(same, 1, b, "a dog", columns[0], 9));
    assert_true(pasta_sketch_utility(own, 1, a, "a dog", columns[0], 9) != pasta_sketch_utility(own, 1, b, "a dog", columns[0], 9));
    pasta_sketch_close(same);
    pasta_sketch_close(own);
}

static void any_number_of_types(void **state)
{
    (void)state;
    static const char *const sizes[] = {"1", "5", "9", "64"};
    for (int i = 0; i < 4; i++) {
        const char *const setting[][2] = {{"world.rater_types", sizes[i]}};
        struct pasta_sketch *world = open_with(setting, 1);
        double sum = 0;
        assert_int_equal(pasta_sketch_types(world), atoi(sizes[i]));
        for (int k = 0; k < pasta_sketch_types(world); k++) {
            sum += world->population.prior[k];
            for (int other = 0; other < k; other++)
                assert_memory_not_equal(&world->population.type[k], &world->population.type[other], sizeof world->population.type[k]);
        }
        assert_true(fabs(sum - 1) < 1e-12);
        pasta_sketch_close(world);
    }
}

static void fidelity_counts(void **state)
{
    (void)state;
    struct pasta_sketch *world = open_with(NULL, 0);
    double kept = 0, other = 0, recoloured = 0;
    for (uint32_t person = 0; person < 40; person++) {
        kept += pasta_sketch_expected_utility(world, 1, person, "a red dog", "a red dog");
        recoloured += pasta_sketch_expected_utility(world, 1, person, "a red dog", "a blue dog");
        other += pasta_sketch_expected_utility(world, 1, person, "a red dog", "a red teapot");
    }
    assert_true(kept > recoloured && recoloured > other + 20); /* 40 people, half a point each */
    pasta_sketch_close(world);
}

static void single_turn_answers(void **state)
{
    (void)state;
    struct pasta_sketch *world = open_with(NULL, 0);
    const uint64_t seeds[2] = {11, 12};
    int agree = 0, decided = 0, ties = 0;
    for (uint32_t item = 0; item < 600; item++) {
        uint32_t person = item % 50;
        const char *const two[2] = {columns[item % L], columns[(item / L + item + 1) % L]};
        double label = pasta_sketch_prefer(world, 1, person, item, "a dog", two, seeds);
        double d = pasta_sketch_utility(world, 1, person, "a dog", two[0], seeds[0]) - pasta_sketch_utility(world, 1, person, "a dog", two[1], seeds[1]);
        assert_true(label == 0 || label == 0.5 || label == 1);
        assert_true(label == pasta_sketch_prefer(world, 1, person, item, "a dog", two, seeds));
        ties += label == 0.5;
        if (label != 0.5 && fabs(d) > 0.6) {
            decided++;
            agree += (label == 1) == (d > 0);
        }
        double rating = pasta_sketch_rate(world, 1, person, item, "a dog", seeds[0]);
        assert_true(rating >= 1 && rating <= 10);
    }
    assert_true(ties > 5 && ties < 200);
    assert_true(decided > 100 && agree > 0.85 * decided);
    pasta_sketch_close(world);
}

static void refuses_broken_raters(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"schema\": \"pasta.sketch-raters/1\", \"population_seed\": 1, \"importance\": {\"mode\": 1}, \"types\": []}", "importance"},
        {"{\"schema\": \"pasta.sketch-raters/1\", \"population_seed\": 1, \"importance\": {}, \"types\": [{\"name\": \"n\", \"about\": \"a\", \"weight\": 0, \"taste\": {}}]}", "weight"},
        {"{\"schema\": \"pasta.sketch-raters/1\", \"population_seed\": 1, \"importance\": {}, \"types\": [{\"name\": \"n\", \"about\": \"a\", \"weight\": 1, \"taste\": {\"style\": {\"oily\": 1}}}]}", "\"oily\" is no attribute value"},
        {"{\"schema\": \"pasta.sketch-raters/1\", \"population_seed\": 1, \"importance\": {}, \"types\": [{\"name\": \"n\", \"about\": \"a\", \"weight\": 1, \"taste\": {\"style\": {\"oil\": 3}}}]}", "from -1 to 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_err err = {0};
        struct sketch_population p;
        char path[] = "/tmp/pasta-test-XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(pasta_file_write(path, cases[i][0], strlen(cases[i][0]), &err), PASTA_OK);
        assert_int_equal(sketch_population_read(path, 8, &p, &err), PASTA_ERR_INPUT);
        unlink(path);
        if (strstr(err.message, cases[i][1]) == NULL)
            fail_msg("expected \"%s\" in \"%s\"", cases[i][1], err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_noise_the_best_is_chosen),
        cmocka_unit_test(lapses_and_places_show),
        cmocka_unit_test(people_have_types_by_the_prior),
        cmocka_unit_test(deviation_makes_people),
        cmocka_unit_test(any_number_of_types),
        cmocka_unit_test(fidelity_counts),
        cmocka_unit_test(single_turn_answers),
        cmocka_unit_test(refuses_broken_raters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
