/* The candidate generator: categories, distinctness, length, and what is kept. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../src/world/world.h"
#include "../src/world/writer.h"
#include "pasta/base/config.h"
#include "pasta/world/sketch.h"

static struct pasta_config config;
static struct pasta_sketch *world;

static int open_world(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    pasta_config_init(&config);
    if (pasta_sketch_open(&config.world, &config.agent, &world, &err) != PASTA_OK) {
        print_error("%s\n", err.message);
        return 1;
    }
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    pasta_sketch_close(world);
    pasta_config_release(&config);
    return 0;
}

/* Plays `turns` turns, always choosing candidate `pick(turn)`, and writes the next turn's candidates into out[n]. */
struct play {
    struct pasta_arena arena;
    struct pasta_turn turns[8];
    struct pasta_session session;
};
static void start(struct play *p, const char *prompt)
{
    memset(p, 0, sizeof *p);
    p->session = (struct pasta_session){.session_id = "s", .initial_prompt = prompt, .turns = p->turns};
}
static void write_turn(struct play *p, uint64_t seed, uint32_t index, int n, struct pasta_candidate *out)
{
    struct pasta_err err = {0};
    struct pasta_generator g = pasta_sketch_generator(world);
    if (g.candidates(g.ctx, &p->session, seed, index, n, &p->arena, out, &err) != PASTA_OK)
        fail_msg("%s", err.message);
}
static void choose(struct play *p, const char *prompt)
{
    struct pasta_turn *t = &p->turns[p->session.n_turns++];
    t->n_columns = 1;
    t->columns = pasta_arena_alloc(&p->arena, sizeof *t->columns);
    t->columns[0] = (struct pasta_column){.prompt = prompt};
    t->choice = 0;
}

static const char *const prompts[] = {
    "a corgi", "An owl in the forest.", "three violins lying on the floor", "happiness", "frobnicated quuxes", "", "!!!", "42",
    "a watercolor painting of a castle, at night", "two dogs, a cat, and a bird", "Incomprehensibilities",
    "Three-quarters front view of a blue 1977 Porsche 911 coming around a curve in a mountain road and looking over a green valley on a "
    "cloudy day, with a long list of other things that nobody could ever draw in one picture, such as the sound of rain, the smell of "
    "coffee, and the feeling that one has forgotten something important, again and again, until the very end of a very long prompt"};
enum { PROMPTS = sizeof prompts / sizeof *prompts };

static void candidates_are_well_formed(void **state)
{
    (void)state;
    for (int i = 0; i < PROMPTS; i++) {
        struct play p;
        start(&p, prompts[i]);
        for (int turn = 0; turn < 5; turn++) {
            struct pasta_candidate c[25];
            int groups[PASTA_CATEGORIES] = {0};
            write_turn(&p, 1, (uint32_t)i, 25, c);
            for (int a = 0; a < 25; a++) {
                assert_true(sketch_count_words(c[a].prompt) <= config.agent.max_words);
                assert_int_equal(c[a].category, c[a / 5 * 5].category); /* adjacent */
                groups[c[a].category]++;
                for (int b = 0; b < a; b++)
                    if (strcmp(c[a].prompt, c[b].prompt) == 0)
                        fail_msg("\"%s\" twice in turn %d", c[a].prompt, turn + 1);
            }
            for (int g = 0; g < PASTA_CATEGORIES; g++)
                assert_int_equal(groups[g], 5);
            choose(&p, c[(7 * turn + 3) % 25].prompt);
        }
        pasta_arena_release(&p.arena);
    }
}

static void same_address_same_words(void **state)
{
    (void)state;
    struct play p;
    struct pasta_candidate a[25], b[25], c[25];
    int differ = 0;
    start(&p, "a lighthouse");
    write_turn(&p, 1, 4, 25, a);
    write_turn(&p, 1, 4, 25, b);
    write_turn(&p, 1, 5, 25, c);
    for (int i = 0; i < 25; i++) {
        assert_string_equal(a[i].prompt, b[i].prompt);
        assert_int_equal(a[i].category, b[i].category);
        differ += strcmp(a[i].prompt, c[i].prompt) != 0;
    }
    assert_true(differ > 10);
    pasta_arena_release(&p.arena);
}

/* Rephrasing says the same; expanding keeps what was said; a subject stays unless "creative" wanders. */
static void meaning_is_kept(void **state)
{
    (void)state;
    static const char *const starts[] = {"a dog", "an old castle, pen and ink drawing", "three bears in the snow", "a red car at night"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        for (uint32_t index = 0; index < 40; index++) {
            struct play p;
            struct pasta_candidate c[25];
            struct sketch_reading initial, r;
            start(&p, starts[i]);
            sketch_read(&world->lexicon, starts[i], &initial);
            write_turn(&p, 2, index, 25, c);
            for (int k = 0; k < 25; k++) {
                sketch_read(&world->lexicon, c[k].prompt, &r);
                assert_true(r.accent == initial.accent); /* every added word is known */
                if (c[k].category != PASTA_CREATIVE && r.kind[SKETCH_SUBJECT].value[0] != initial.kind[SKETCH_SUBJECT].value[0])
                    fail_msg("\"%s\" became \"%s\"", starts[i], c[k].prompt);
                if (c[k].category == PASTA_REPHRASE && memcmp(r.kind, initial.kind, sizeof r.kind) != 0)
                    fail_msg("\"%s\" was rephrased as \"%s\"", starts[i], c[k].prompt);
                if (c[k].category == PASTA_STYLE) /* says something about style or palette, and about nothing else new */
                    for (int kind = SKETCH_LIGHTING; kind < SKETCH_KINDS; kind++)
                        assert_int_equal(r.kind[kind].n, initial.kind[kind].n);
            }
            pasta_arena_release(&p.arena);
        }
}

static int count(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}

static void a_new_style_replaces_the_old(void **state)
{
    (void)state;
    int replaced = 0;
    for (uint32_t index = 0; index < 30; index++) {
        struct play p;
        struct pasta_candidate c[25];
        start(&p, "a dog");
        choose(&p, "a dog, thick oil paint, moonlit night");
        write_turn(&p, 3, index, 25, c);
        for (int i = 0; i < 25; i++) {
            struct sketch_text text;
            int styles = 0;
            sketch_text_split(c[i].prompt, &text);
            for (int w = 0; w < text.n;) {
                const struct sketch_meaning *m;
                bool plural;
                int n = sketch_match(&world->lexicon, &text, w, &m, &plural);
                styles += n > 0 && m->kind == SKETCH_STYLE;
                w += n > 0 ? n : 1;
            }
            sketch_text_release(&text);
            if (styles != 1)
                fail_msg("%d styles in \"%s\"", styles, c[i].prompt);
            replaced += c[i].category == PASTA_STYLE && count(c[i].prompt, "oil") == 0;
        }
        pasta_arena_release(&p.arena);
    }
    assert_true(replaced > 30);
}

static void asks_for_too_much_are_refused(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct play p;
    struct pasta_candidate c[25];
    struct pasta_generator g = pasta_sketch_generator(world);
    start(&p, "a dog");
    assert_int_equal(g.candidates(g.ctx, &p.session, 1, 0, 7, &p.arena, c, &err), PASTA_ERR_USAGE);
    assert_non_null(strstr(err.message, "multiple of 5"));
    pasta_arena_release(&p.arena);
}

static void captions_fit(void **state)
{
    (void)state;
    int named = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        struct pasta_str a = {0}, b = {0};
        struct sketch_reading r;
        pasta_sketch_caption(world, 1, i, &a);
        pasta_sketch_caption(world, 1, i, &b);
        assert_string_equal(a.data, b.data);
        int words = sketch_count_words(a.data);
        if (words < 4 || words > 14)
            fail_msg("%d words: \"%s\"", words, a.data);
        sketch_read(&world->lexicon, a.data, &r);
        named += r.known_subject > 0;
        pasta_str_release(&a);
        pasta_str_release(&b);
    }
    assert_true(named > 2970); /* the rest are words such as "pixar" beside odd nouns */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_are_well_formed),
        cmocka_unit_test(same_address_same_words),
        cmocka_unit_test(meaning_is_kept),
        cmocka_unit_test(a_new_style_replaces_the_old),
        cmocka_unit_test(asks_for_too_much_are_refused),
        cmocka_unit_test(captions_fit),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
