/* Properties of the sketch world as a whole: real prompts are understood, tastes differ, and knowing a rater's type pays. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../src/world/world.h"
#include "pasta/base/config.h"
#include "pasta/io/file.h"
#include "pasta/world/sketch.h"

enum { C = 25, L = 4, DRAWS = 24 };

static struct pasta_sketch *world;

static int open_world(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_config config;
    pasta_config_init(&config);
    pasta_status status = pasta_sketch_open(&config.world, &config.agent, &world, &err);
    if (status != PASTA_OK)
        print_error("%s\n", err.message);
    pasta_config_release(&config);
    return status;
}

static int close_world(void **state)
{
    (void)state;
    pasta_sketch_close(world);
    return 0;
}

static void real_prompts_are_understood(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_prompts prompts = {0};
    const char *shared = getenv("PASTA_SHARED");
    char *path = pasta_asprintf("%s/data/PartiPrompts.tsv", shared ? shared : "../shared");
    if (!pasta_file_exists(path)) {
        print_message("%s is absent\n", path);
        free(path);
        skip();
    }
    assert_int_equal(pasta_prompts_read(path, &prompts, &err), PASTA_OK);
    free(path);
    size_t known = 0;
    for (size_t i = 0; i < prompts.n; i++) {
        struct sketch_reading r;
        sketch_read(&world->lexicon, prompts.items[i], &r);
        known += r.known_subject >= 0;
    }
    assert_int_equal(prompts.n, 1632);
    assert_true(known >= 1590);
    pasta_prompts_release(&prompts);
}

/* Mean utility over DRAWS images for a taste. */
static double expected(const struct sketch_taste *taste, const struct sketch_reading *initial, const char *prompt)
{
    struct sketch_reading r;
    double sum = 0;
    int group = world->lexicon.drawings.items[initial->kind[SKETCH_SUBJECT].value[0]].group;
    sketch_read(&world->lexicon, prompt, &r);
    for (int i = 0; i < DRAWS; i++) {
        struct sketch_attributes a;
        sketch_draw(&world->lexicon, &r, world->settings.miss_rate, 1000u + (uint64_t)i, &a);
        sum += sketch_utility(&world->population, taste, initial, &a, group);
    }
    return sum / DRAWS;
}

/* Stating a type's favourite of a kind is worth more to it than stating its least liked, and no two types share all favourites. */
static void types_have_tastes_of_their_own(void **state)
{
    (void)state;
    struct sketch_reading initial;
    int favourite[SKETCH_MAX_TYPES][SKETCH_KINDS];
    sketch_read(&world->lexicon, "a dog", &initial);
    for (int t = 0; t < world->population.n; t++) {
        for (int k = SKETCH_FIRST_OPEN; k < SKETCH_KINDS; k++) {
            const struct sketch_taste *taste = &world->population.type[t];
            int best = 0, worst = 0;
            for (int v = 0; v < world->lexicon.n_values[k]; v++) {
                best = taste->value[k][v] > taste->value[k][best] ? v : best;
                worst = taste->value[k][v] < taste->value[k][worst] ? v : worst;
            }
            char *liked = pasta_asprintf("a dog, %s", world->lexicon.value[k][best].same.items[0]);
            char *hated = pasta_asprintf("a dog, %s", world->lexicon.value[k][worst].same.items[0]);
            assert_true(expected(taste, &initial, liked) > expected(taste, &initial, hated) + 0.3);
            free(liked);
            free(hated);
            favourite[t][k] = best;
        }
        for (int other = 0; other < t; other++) {
            int shared = 0;
            for (int k = SKETCH_FIRST_OPEN; k < SKETCH_KINDS; k++)
                shared += favourite[t][k] == favourite[other][k];
            assert_true(shared <= 3);
        }
    }
}

/* The best candidate of each category by `taste`, then the best L of those: their mean utility for `own`. */
static double slate_value(const struct pasta_candidate *c, const struct sketch_taste *taste, const struct sketch_taste *own,
                          const struct sketch_reading *initial)
{
    double best[PASTA_CATEGORIES], value[PASTA_CATEGORIES], sum = 0, worst = INFINITY;
    for (int g = 0; g < PASTA_CATEGORIES; g++)
        best[g] = -INFINITY;
    for (int i = 0; i < C; i++) {
        double score = taste == NULL ? -i : expected(taste, initial, c[i].prompt);
        if (score > best[c[i].category]) {
            best[c[i].category] = score;
            value[c[i].category] = expected(own, initial, c[i].prompt);
        }
    }
    int out = 0;
    for (int g = 0; g < PASTA_CATEGORIES; g++)
        if (best[g] < worst) {
            worst = best[g];
            out = g;
        }
    for (int g = 0; g < PASTA_CATEGORIES; g++)
        sum += g == out ? 0 : value[g];
    return sum / L;
}

/* One turn: slates chosen for the type, for the population's mean taste, and in the generator's order. */
static void knowing_the_type_pays(void **state)
{
    (void)state;
    static const char *const prompts[] = {"a dog", "a castle", "a bowl of soup", "a robot", "a lake", "a rose", "peace", "an old car"};
    const struct sketch_population *p = &world->population;
    struct pasta_generator generator = pasta_sketch_generator(world);
    struct sketch_taste mean = {0};
    double by_type = 0, by_mean = 0, by_order = 0;
    int n = 0;
    for (int t = 0; t < p->n; t++) {
        for (int g = 0; g < GROUPS; g++)
            mean.group[g] += p->prior[t] * p->type[t].group[g];
        for (int k = 0; k < SKETCH_KINDS; k++)
            for (int v = 0; v < SKETCH_TASTE_VALUES; v++)
                mean.value[k][v] += p->prior[t] * p->type[t].value[k][v];
    }
    for (int t = 0; t < p->n; t++)
        for (uint32_t i = 0; i < 8; i++, n++) {
            struct pasta_err err = {0};
            struct pasta_arena arena = {0};
            struct pasta_candidate c[C];
            struct sketch_reading initial;
            struct pasta_session session = {.session_id = "s", .initial_prompt = prompts[i]};
            assert_int_equal(generator.candidates(generator.ctx, &session, 1, i, C, &arena, c, &err), PASTA_OK);
            sketch_read(&world->lexicon, prompts[i], &initial);
            by_type += slate_value(c, &p->type[t], &p->type[t], &initial);
            by_mean += slate_value(c, &mean, &p->type[t], &initial);
            by_order += slate_value(c, NULL, &p->type[t], &initial);
            pasta_arena_release(&arena);
        }
    print_message("mean utility of a slate in turn 1: by type %.3f, by population mean %.3f, generator's order %.3f (n = %d)\n",
                  by_type / n, by_mean / n, by_order / n, n);
    assert_true(by_type / n > by_mean / n + 0.2);
    assert_true(by_type / n > by_order / n + 0.3);
}

/* The oracle's score is the mean over image seeds of what single images are worth. */
static void expected_utility_is_a_mean(void **state)
{
    (void)state;
    for (uint32_t person = 0; person < 5; person++) {
        double sum = 0, square = 0;
        int n = 400;
        for (int i = 0; i < n; i++) {
            double u = pasta_sketch_utility(world, 1, person, "a boat", "a boat, oil painting, golden hour light", 90000u + (uint64_t)i);
            sum += u;
            square += u * u;
        }
        double mean = sum / n, sd = sqrt(square / n - mean * mean);
        double score = pasta_sketch_expected_utility(world, 1, person, "a boat", "a boat, oil painting, golden hour light");
        assert_true(fabs(score - mean) < 4.5 * sd * sqrt(1.0 / n + 1.0 / 64));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_prompts_are_understood),
        cmocka_unit_test(types_have_tastes_of_their_own),
        cmocka_unit_test(knowing_the_type_pays),
        cmocka_unit_test(expected_utility_is_a_mean),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
