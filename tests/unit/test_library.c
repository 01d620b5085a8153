/* Ready images and prompts: what an index may hold, which images stand for a prompt, and what a session is shown of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../src/world/library.h"
#include "pasta/agent/policy.h"
#include "pasta/agent/rollout.h"
#include "fake_world.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"

static char folder[64], *index_path;

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/pasta-test-library-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    index_path = pasta_path_join(folder, "index.jsonl");
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char *command = pasta_asprintf("rm -rf '%s'", folder);
    const int code = system(command);
    free(command);
    free(index_path);
    return code;
}

static pasta_status open_index(const char *text, struct library **out, struct pasta_err *err)
{
    struct pasta_err ignored = {0};
    assert_int_equal(pasta_file_write(index_path, text, strlen(text), &ignored), PASTA_OK);
    return library_open(index_path, out, err);
}

static struct library *opened(const char *text)
{
    struct library *library = NULL;
    struct pasta_err err = {0};
    if (open_index(text, &library, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return library;
}

/* A picture of one grey level, so that it can be told from others. */
static void put_picture(const char *name, uint8_t level)
{
    struct pasta_image image = {4, 6, pasta_malloc(4 * 6 * 3)};
    struct pasta_str png = {0};
    struct pasta_err err = {0};
    char *path = pasta_path_join(folder, name);
    memset(image.pixels, level, 4 * 6 * 3);
    assert_int_equal(pasta_png_encode(&image, NULL, 0, &png, &err), PASTA_OK);
    assert_int_equal(pasta_file_write(path, png.data, png.length, &err), PASTA_OK);
    free(path);
    pasta_str_release(&png);
    pasta_image_release(&image);
}

#define ROW(prompt, images, more) "{\"schema\":\"pasta.library/1\",\"prompt\":\"" prompt "\",\"images\":[" images "]" more "}\n"
#define OF(initial, category) ",\"initial_prompt\":\"" initial "\",\"category\":\"" category "\""

static void faults_of_an_index(void **state)
{
    (void)state;
    static const struct { const char *text, *message; } cases[] = {
        {"", "expected rows, found none"},
        {"\n{}\n", "index.jsonl:2: schema: expected a string, found nothing"},
        {"[]\n", ":1: expected an object, found an array"},
        {"{\"schema\":\"pasta.session/1\"}\n", ":1: schema: expected \"pasta.library/1\", found \"pasta.session/1\""},
        {ROW("a", "\"x.png\"", "") ROW("b", "", ""), ":2: images: expected paths, found an empty list"},
        {ROW("", "\"x.png\"", ""), ":1: prompt: expected a string, found an empty one"},
        {ROW("a", "7", ""), ":1: images: expected strings, found a number"},
        {ROW("a", "\"/etc/passwd\"", ""), "expected a path within the index's folder, found \"/etc/passwd\""},
        {ROW("a", "\"../x.png\"", ""), "expected a path within"},
        {ROW("a", "\"x/../../x.png\"", ""), "expected a path within"},
        {ROW("a", "\"x/..\"", ""), "expected a path within"},
        {ROW("a", "\"\"", ""), "expected a path within"},
        {ROW("a", "\"x.png\"", ",\"category\":\"style\""), ":1: initial_prompt: expected a string, found nothing"},
        {ROW("a", "\"x.png\"", OF("a", "colour")), ":1: category: expected rephrase, expand, style, subject or creative, found \"colour\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct library *library = NULL;
        struct pasta_err err = {0};
        assert_int_equal(open_index(cases[i].text, &library, &err), PASTA_ERR_INPUT);
        if (!strstr(err.message, cases[i].message))
            fail_msg("'%s' is not in '%s'", cases[i].message, err.message);
    }
    library_close(opened(ROW("a", "\"..x.png\",\"...\",\"x/.y.png\"", ""))); /* names with dots are names */
}

static void images_of_a_prompt(void **state)
{
    (void)state;
    struct library *library = opened(ROW("b", "\"1.png\",\"0.png\"", "") ROW("a", "\"0.png\"", "") ROW("b", "\"1.png\",\"2.png\"", "")
                                     ROW("c", "\"3.png\"", ""));
    const struct pasta_t2i t2i = library_t2i(library);
    static const uint8_t levels[] = {10, 0, 20, 10, 0}; /* 1.png, 0.png, 2.png, and from the start */
    struct pasta_err err = {0};
    int n = 0;

    put_picture("0.png", 0);
    put_picture("1.png", 10);
    put_picture("2.png", 20);
    assert_int_equal(t2i.size, 0);
    assert_int_equal(t2i.ready(t2i.ctx, "b", &n, &err), PASTA_OK);
    assert_int_equal(n, 3);
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct pasta_image image = {0};
        assert_int_equal(t2i.draw(t2i.ctx, "b", seed, &image, &err), PASTA_OK);
        assert_int_equal(image.height, 6);
        assert_int_equal(image.pixels[0], levels[seed]);
        pasta_image_release(&image);
    }
    struct pasta_image none = {0};
    assert_int_equal(t2i.draw(t2i.ctx, "d", 0, &none, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "expected images of the prompt \"d\""));
    err = (struct pasta_err){0};
    assert_int_equal(t2i.draw(t2i.ctx, "c", 0, &none, &err), PASTA_ERR_INPUT); /* its file is not there */
    library_close(library);
}

static void candidates_not_yet_shown_come_first(void **state)
{
    (void)state;
#define FOX(prompt, category) ROW(prompt, "\"0.png\"", OF("fox", category))
    struct library *library = opened(FOX("s1", "style") FOX("r1", "rephrase") FOX("s2", "style") FOX("e1", "expand") FOX("c1", "creative")
                                     FOX("j1", "subject") FOX("s1", "style") FOX("s3", "style") ROW("owl", "\"0.png\"", OF("owl", "style"))
                                     ROW("other", "\"0.png\"", ""));
    const struct pasta_generator g = library_generator(library);
    static struct pasta_column shown = {.prompt = "s1"};
    struct pasta_turn turn = {.n_columns = 1, .columns = &shown};
    struct pasta_session session = {.initial_prompt = "fox"};
    struct pasta_candidate out[10];
    struct pasta_arena arena = {0};
    struct pasta_err err = {0};
    static const char *const first[] = {"s1", "r1", "e1", "c1", "j1"}, *const second[] = {"s2", "r1", "e1", "c1", "j1"};

    assert_int_equal(g.candidates(g.ctx, &session, 1, 1, 5, &arena, out, &err), PASTA_OK);
    for (int i = 0; i < 5; i++)
        assert_string_equal(out[i].prompt, first[i]);
    session.turns = &turn;
    session.n_turns = 1;
    assert_int_equal(g.candidates(g.ctx, &session, 1, 1, 5, &arena, out, &err), PASTA_OK);
    for (int i = 0; i < 5; i++)
        assert_string_equal(out[i].prompt, second[i]);
    assert_int_equal(g.candidates(g.ctx, &session, 1, 1, 10, &arena, out, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "expected 2 prompts of category \"rephrase\" for the initial prompt \"fox\" "
                                        "(agent.candidates / 5), found 1"));
    pasta_arena_release(&arena);
    library_close(library);
}

/* A column shows different ready images, each by its own number; fewer than M are refused. */
static void columns_show_different_images(void **state)
{
    (void)state;
#define THREE(prompt, category) ROW(prompt, "\"0.png\",\"1.png\",\"2.png\"", OF("fox", category))
    struct library *library = opened(THREE("s", "style") THREE("r", "rephrase") THREE("e", "expand") THREE("c", "creative")
                                     THREE("j", "subject"));
    struct pasta_agent_settings settings = {.horizon = 1, .slate = 4, .images = 3, .candidates = 5};
    struct pasta_rollout rollout = {.settings = &settings, .generator = library_generator(library), .t2i = library_t2i(library),
                                    .policy = pasta_policy_baseline(), .rater = fake_rater(), .seed = 3};
    bool other_start = false;
    struct pasta_err err = {0};

    for (uint32_t index = 0; index < 8; index++) {
        struct pasta_arena arena = {0};
        struct pasta_session session;
        assert_int_equal(pasta_rollout_session(&rollout, index, 0, "fox", &arena, &session, &err), PASTA_OK);
        for (int l = 0; l < 4; l++) {
            const struct pasta_image_ref *images = session.turns[0].columns[l].images;
            assert_int_equal(images[0].seed + images[1].seed + images[2].seed, 3);
            assert_int_equal(images[1].seed, (images[0].seed + 1) % 3);
            other_start = other_start || images[0].seed != 0;
        }
        pasta_arena_release(&arena);
    }
    assert_true(other_start);
    settings.images = 4;
    struct pasta_arena arena = {0};
    struct pasta_session session;
    assert_int_equal(pasta_rollout_session(&rollout, 0, 0, "fox", &arena, &session, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "expected 4 images of the prompt \""));
    pasta_arena_release(&arena);
    library_close(library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_of_an_index),
        cmocka_unit_test(images_of_a_prompt),
        cmocka_unit_test(candidates_not_yet_shown_come_first),
        cmocka_unit_test(columns_show_different_images),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
