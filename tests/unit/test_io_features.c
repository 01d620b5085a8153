/* Feature packs: what is written is found again by key, and packs that do not belong together are refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/base/mem.h"
#include "pasta/io/features.h"
#include "pasta/io/file.h"
#include "pasta/io/safetensors.h"

enum { DIM = 5, IMAGES = 3000, TEXTS = 40 };
static char folder[64];
static char *ids[IMAGES], *texts[TEXTS];
static float image_embeds[IMAGES * DIM], text_embeds[TEXTS * DIM];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/pasta-features-XXXXXX");
    for (int i = 0; i < IMAGES; i++)
        ids[i] = pasta_asprintf("id%d", i * 7919);
    for (int i = 0; i < TEXTS; i++)
        texts[i] = pasta_asprintf("a \"prompt\"\nof ä %d", i);
    for (int i = 0; i < IMAGES * DIM; i++)
        image_embeds[i] = (float)i;
    for (int i = 0; i < TEXTS * DIM; i++)
        text_embeds[i] = (float)-i;
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < IMAGES; i++)
        free(ids[i]);
    for (int i = 0; i < TEXTS; i++)
        free(texts[i]);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static const char *path_of(const char *name)
{
    static char paths[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder, name);
    return paths[turn];
}

static void write_pack(const char *name, const char *encoder, size_t n_images, size_t n_texts)
{
    struct pasta_err err = {0};
    if (pasta_features_write(path_of(name), encoder, DIM, (const char *const *)ids, image_embeds, n_images, (const char *const *)texts,
                             text_embeds, n_texts, &err) != PASTA_OK)
        fail_msg("%s", err.message);
}

static void every_vector_is_found(void **state)
{
    (void)state;
    struct pasta_features *f;
    struct pasta_err err = {0};
    write_pack("pack", "clip:abc", IMAGES, TEXTS);
    if (pasta_features_open(path_of("pack"), &f, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    assert_int_equal(pasta_features_dim(f), DIM);
    assert_string_equal(pasta_features_encoder(f), "clip:abc");
    for (int i = 0; i < IMAGES; i++)
        assert_memory_equal(pasta_features_image(f, ids[i]), image_embeds + i * DIM, sizeof(float) * DIM);
    for (int i = 0; i < TEXTS; i++)
        assert_memory_equal(pasta_features_text(f, texts[i]), text_embeds + i * DIM, sizeof(float) * DIM);
    assert_null(pasta_features_image(f, "id1"));
    assert_null(pasta_features_image(f, texts[0])); /* kinds do not mix */
    assert_null(pasta_features_text(f, ids[0]));
    pasta_features_close(f);
    pasta_features_close(NULL);
}

static void empty_kinds(void **state)
{
    (void)state;
    struct pasta_features *f;
    struct pasta_err err = {0};
    write_pack("empty", "e", 0, 1);
    assert_int_equal(pasta_features_open(path_of("empty"), &f, &err), PASTA_OK);
    assert_null(pasta_features_image(f, ids[0]));
    assert_non_null(pasta_features_text(f, texts[0]));
    pasta_features_close(f);
}

static void duplicate_keys_are_not_written(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    const char *const twice[] = {"x", "y", "x"};
    assert_int_equal(pasta_features_write(path_of("twice"), "e", DIM, twice, image_embeds, 3, NULL, NULL, 0, &err), PASTA_ERR_FAILED);
    assert_non_null(strstr(err.message, "image \"x\" is given twice"));
    assert_false(pasta_file_exists(path_of("twice")));
}

static void expect_refused(const char *name, const char *message)
{
    struct pasta_features *f;
    struct pasta_err err = {0};
    assert_int_equal(pasta_features_open(path_of(name), &f, &err), PASTA_ERR_INPUT);
    if (!strstr(err.message, message))
        fail_msg("expected \"%s\", found \"%s\"", message, err.message);
}

static void move(const char *from, const char *to)
{
    assert_int_equal(rename(path_of(from), path_of(to)), 0);
}

static void halves_of_two_packs(void **state)
{
    (void)state;
    write_pack("p", "one", 4, 4);
    write_pack("q", "two", 4, 4);
    move("q/text.safetensors", "p/text.safetensors");
    expect_refused("p", "features of two encoders do not mix");
    write_pack("p", "one", 4, 4);
    write_pack("q", "one", 5, 4);
    move("q/image.safetensors", "p/image.safetensors"); /* a rewrite that was killed after its first file */
    expect_refused("p", "make the features again");
    expect_refused("q", "No such file");
    write_pack("q", "one", 5, 4);
    unlink(path_of("q/index.jsonl"));
    expect_refused("q", "No such file");
}

/* A pack made elsewhere: no hash of the index, so the index itself is what is checked. */
static void broken_indices(void **state)
{
    (void)state;
#define ROW(kind, row, key) "{\"schema\":\"pasta.feature/1\",\"kind\":\"" kind "\",\"row\":" row ",\"key\":\"" key "\"}\n"
    static const char *const cases[][2] = {
        {ROW("image", "0", "a") ROW("image", "1", "b"), "expected a row for each of 3 vectors, found 2"},
        {ROW("image", "0", "a") ROW("image", "0", "b"), "index.jsonl:2: row: expected each row once"},
        {ROW("image", "0", "a") ROW("image", "1", "a"), "index.jsonl:2: key: expected each key once"},
        {ROW("image", "2", "a"), "index.jsonl:1: row: expected a whole number from 0 to 1, found 2"},
        {ROW("sound", "0", "a"), "index.jsonl:1: kind: expected \"image\" or \"text\""},
        {"\n", "index.jsonl:1: "},
        {ROW("text", "0", "a") ROW("image", "1", "a") ROW("image", "0", "b"), NULL}, /* any order; a key may be of both kinds */
    };
    const char *const meta[][2] = {{"encoder", "e"}};
    struct pasta_st_tensor tensor = {.name = "embeds", .dtype = PASTA_ST_F32, .rank = 2, .shape = {2, DIM}, .data = image_embeds,
                                     .bytes = 2 * DIM * sizeof(float)};
    struct pasta_err err = {0};
    assert_int_equal(pasta_mkdirs(path_of("x"), &err), PASTA_OK);
    assert_int_equal(pasta_safetensors_write(path_of("x/image.safetensors"), &tensor, 1, meta, 1, &err), PASTA_OK);
    tensor.shape[0] = 1;
    tensor.bytes = DIM * sizeof(float);
    assert_int_equal(pasta_safetensors_write(path_of("x/text.safetensors"), &tensor, 1, meta, 1, &err), PASTA_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(pasta_file_write(path_of("x/index.jsonl"), cases[i][0], strlen(cases[i][0]), &err), PASTA_OK);
        if (cases[i][1]) {
            expect_refused("x", cases[i][1]);
            continue;
        }
        struct pasta_features *f;
        assert_int_equal(pasta_features_open(path_of("x"), &f, &err), PASTA_OK);
        assert_memory_equal(pasta_features_image(f, "a"), image_embeds + DIM, sizeof(float) * DIM);
        pasta_features_close(f);
    }
    tensor.shape[1] = 1;
    tensor.bytes = sizeof(float);
    assert_int_equal(pasta_safetensors_write(path_of("x/text.safetensors"), &tensor, 1, meta, 1, &err), PASTA_OK);
    expect_refused("x", "embeds: expected 5 numbers a vector as in the images' file, found 1");
    assert_int_equal(pasta_safetensors_write(path_of("x/text.safetensors"), &tensor, 1, NULL, 0, &err), PASTA_OK);
    expect_refused("x", "expected the encoder's hash, found nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_is_found),
        cmocka_unit_test(empty_kinds),
        cmocka_unit_test(duplicate_keys_are_not_written),
        cmocka_unit_test(halves_of_two_packs),
        cmocka_unit_test(broken_indices),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
