/* CLIP against transformers: token ids equal, pixel values equal, embeddings within a cosine distance of 1e-5; folders saved and loaded again. */
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

#include "pasta/base/json.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/io/safetensors.h"
#include "pasta/model/clip.h"

/* The folder of a fixture; skips the test when the shared fixtures are not there. */
static char *fixture(const char *name)
{
    const char *shared = getenv("PASTA_SHARED");
    char *dir = pasta_asprintf("%s/parity/%s", shared ? shared : "../shared", name);
    if (!pasta_file_exists(dir)) {
        print_message("skipped: no %s\n", dir);
        free(dir);
        skip();
    }
    return dir;
}

static struct pasta_err err;
#define MUST(call) do { err = (struct pasta_err){0}; if ((call) != PASTA_OK) fail_msg("%s", err.message); } while (0)

static struct pasta_safetensors *open_expected(const char *dir)
{
    struct pasta_safetensors *st;
    char *path = pasta_path_join(dir, "expected.safetensors");
    MUST(pasta_safetensors_open(path, &st, &err));
    free(path);
    return st;
}

static const struct pasta_st_tensor *want(struct pasta_safetensors *st, const char *name, enum pasta_st_dtype dtype, int rank)
{
    const struct pasta_st_tensor *t;
    MUST(pasta_safetensors_want(st, name, dtype, rank, (int64_t[]){-1, -1, -1, -1}, &t, &err));
    return t;
}

/* Largest cosine distance between rows of a and b [n,dim]. */
static double cosine_distance(const float *a, const float *b, int n, int dim)
{
    double worst = 0;
    for (int i = 0; i < n; i++, a += dim, b += dim) {
        double ab = 0, aa = 0, bb = 0;
        for (int j = 0; j < dim; j++) {
            ab += (double)a[j] * b[j];
            aa += (double)a[j] * a[j];
            bb += (double)b[j] * b[j];
        }
        worst = fmax(worst, 1 - ab / sqrt(aa * bb));
    }
    return worst;
}

static double largest_difference(const float *a, const float *b, int n)
{
    double worst = 0;
    for (int i = 0; i < n; i++)
        worst = fmax(worst, fabs((double)a[i] - b[i]));
    return worst;
}

struct lines { char **items; int n; };

static struct lines read_lines(const char *dir, const char *name)
{
    struct lines out = {0};
    size_t capacity = 0;
    struct pasta_lines lines = {0};
    bool more;
    char *path = pasta_path_join(dir, name);
    MUST(pasta_lines_open(&lines, path, &err));
    for (;;) {
        MUST(pasta_lines_next(&lines, &more, &err));
        if (!more)
            break;
        PASTA_GROW(out.items, (size_t)out.n + 1, capacity);
        out.items[out.n++] = pasta_strdup(lines.line.data ? lines.line.data : "");
    }
    pasta_lines_close(&lines);
    free(path);
    return out;
}

static void release_lines(struct lines *lines)
{
    for (int i = 0; i < lines->n; i++)
        free(lines->items[i]);
    free(lines->items);
}

static struct pasta_image *read_images(const char *dir, const struct lines *names)
{
    struct pasta_image *images = pasta_calloc((size_t)names->n, sizeof *images);
    for (int i = 0; i < names->n; i++) {
        char *path = pasta_asprintf("%s/images/%s", dir, names->items[i]);
        MUST(pasta_image_read(path, &images[i], &err));
        free(path);
    }
    return images;
}

static void release_images(struct pasta_image *images, int n)
{
    for (int i = 0; i < n; i++)
        pasta_image_release(&images[i]);
    free(images);
}

/* Of all values at least 99.9 % are within 1e-5, and the others within one step of 8 bits. */
static void check_pixels(const char *dir, int side, const struct pasta_image *images, int n, const float *expected)
{
    const int values = 3 * side * side;
    int other = 0;
    double worst = 0;
    struct pasta_preprocess preprocess;
    MUST(pasta_preprocess_read(dir, side, &preprocess, &err));
    float *pixels = pasta_malloc((size_t)values * sizeof *pixels);
    for (int i = 0; i < n; i++) {
        MUST(pasta_preprocess_image(&preprocess, &images[i], side, pixels, &err));
        for (int j = 0; j < values; j++) {
            const double step = 1 / (255 * preprocess.std[j / (side * side)]);
            const double difference = fabs((double)pixels[j] - expected[(size_t)i * (size_t)values + (size_t)j]);
            assert_true(difference <= step + 1e-5);
            other += difference > 1e-5;
            worst = fmax(worst, difference);
        }
    }
    print_message("%s: %d images, %d of %d values differ by more than 1e-5, at most by %.3g\n", dir, n, other, n * values, worst);
    assert_true(other * 1000.0 <= (double)n * values);
    free(pixels);
}

static void check_images(const struct pasta_clip *clip, const char *dir, struct pasta_safetensors *expected)
{
    struct lines names = read_lines(dir, "images.txt");
    const int n = names.n, dim = pasta_clip_dim(clip);
    struct pasta_image *images = read_images(dir, &names);
    assert_int_equal(want(expected, "pixel_values", PASTA_ST_F32, 4)->shape[0], n);
    float *out = pasta_malloc((size_t)(n * dim) * sizeof *out), *one = pasta_malloc((size_t)dim * sizeof *one);
    check_pixels(dir, (int)pasta_clip_shape_of(clip)->image_size, images, n, want(expected, "pixel_values", PASTA_ST_F32, 4)->data);
    const float *embeds = want(expected, "image_embeds", PASTA_ST_F32, 2)->data;
    MUST(pasta_clip_images(clip, images, n, false, out, &err));
    assert_true(cosine_distance(out, embeds, n, dim) < 1e-5);
    assert_true(largest_difference(out, embeds, n * dim) < 1e-4);
    for (int i = 0; i < n; i++) { /* the size of the batch has no say */
        MUST(pasta_clip_images(clip, &images[i], 1, false, one, &err));
        assert_true(largest_difference(one, out + i * dim, dim) < 1e-5);
    }
    if (pasta_safetensors_find(expected, "image_features")) {
        MUST(pasta_clip_images(clip, images, n, true, out, &err));
        assert_true(largest_difference(out, want(expected, "image_features", PASTA_ST_F32, 2)->data, n * dim) < 1e-4);
    }
    free(one);
    free(out);
    release_images(images, n);
    release_lines(&names);
}

static void check_texts(const struct pasta_clip *clip, const struct lines *texts, struct pasta_safetensors *expected)
{
    int n = texts->n, dim = pasta_clip_dim(clip);
    float *out = pasta_malloc((size_t)(n * dim) * sizeof *out), *one = pasta_malloc((size_t)dim * sizeof *one);
    const struct pasta_st_tensor *embeds = want(expected, "text_embeds", PASTA_ST_F32, 2);
    assert_int_equal(embeds->shape[0], n);
    MUST(pasta_clip_texts(clip, (const char *const *)texts->items, n, false, out, &err));
    assert_true(cosine_distance(out, embeds->data, n, dim) < 1e-5);
    assert_true(largest_difference(out, embeds->data, n * dim) < 1e-4);
    for (int i = 0; i < n; i++) {
        MUST(pasta_clip_texts(clip, (const char *const *)&texts->items[i], 1, false, one, &err));
        assert_true(largest_difference(one, out + i * dim, dim) < 1e-5);
    }
    if (pasta_safetensors_find(expected, "text_features")) {
        MUST(pasta_clip_texts(clip, (const char *const *)texts->items, n, true, out, &err));
        assert_true(largest_difference(out, want(expected, "text_features", PASTA_ST_F32, 2)->data, n * dim) < 1e-4);
    }
    free(one);
    free(out);
}

static void test_openai_layout(void **state)
{
    (void)state;
    char *dir = fixture("clip-tiny");
    struct pasta_clip *clip;
    MUST(pasta_clip_load(dir, "cpu", PT_F32, &clip, &err));
    struct pasta_safetensors *expected = open_expected(dir);
    struct lines texts = read_lines(dir, "prompts.txt");
    const struct pasta_st_tensor *ids = want(expected, "input_ids", PASTA_ST_I64, 2);
    assert_int_equal(ids->shape[0], texts.n);
    for (int i = 0; i < texts.n; i++) {
        int64_t found[77] = {0}; /* the reference pads with 0 */
        int n;
        MUST(pasta_bpe_encode(pasta_clip_bpe(clip), texts.items[i], 77, found, &n, &err));
        assert_memory_equal(found, (const int64_t *)ids->data + 77 * i, sizeof found);
    }
    check_texts(clip, &texts, expected);
    check_images(clip, dir, expected);
    /* logits_per_image = scale * image_embeds text_embeds^T, which pins the scale. */
    const float *logits = want(expected, "logits_per_image", PASTA_ST_F32, 2)->data, *image = want(expected, "image_embeds", PASTA_ST_F32, 2)->data,
                *text = want(expected, "text_embeds", PASTA_ST_F32, 2)->data;
    double cosine = 0;
    for (int j = 0; j < pasta_clip_dim(clip); j++)
        cosine += (double)image[j] * text[j];
    assert_true(fabs(pasta_clip_logit_scale(clip) * cosine - logits[0]) < 1e-3);
    release_lines(&texts);
    pasta_safetensors_close(expected);
    pasta_clip_free(clip);
    free(dir);
}

/* bfloat16 keeps 8 bits; the reference computed in float32. The scale of the scores must not suffer. */
static void test_bfloat16(void **state)
{
    (void)state;
    static const char *const folders[] = {"clip-tiny", "clip-gelu"};
    for (int f = 0; f < 2; f++) {
        char *dir = fixture(folders[f]);
        struct pasta_clip *clip, *wide;
        MUST(pasta_clip_load(dir, "cpu", PT_BF16, &clip, &err));
        MUST(pasta_clip_load(dir, "cpu", PT_F32, &wide, &err));
        assert_true(pasta_clip_logit_scale(clip) == pasta_clip_logit_scale(wide));
        struct pasta_safetensors *expected = open_expected(dir);
        struct lines names = read_lines(dir, "images.txt");
        struct pasta_image *images = read_images(dir, &names);
        const int dim = pasta_clip_dim(clip);
        const char *texts[] = {"a photo of a cat", "two\nlines"};
        float *out = pasta_malloc((size_t)(names.n * dim) * sizeof *out), *both = pasta_malloc((size_t)(4 * dim) * sizeof *both);
        MUST(pasta_clip_images(clip, images, names.n, false, out, &err));
        const double image = cosine_distance(out, want(expected, "image_embeds", PASTA_ST_F32, 2)->data, names.n, dim);
        MUST(pasta_clip_texts(clip, texts, 2, false, both, &err));
        MUST(pasta_clip_texts(wide, texts, 2, false, both + 2 * dim, &err));
        const double text = cosine_distance(both, both + 2 * dim, 2, dim);
        print_message("%s in bf16: cosine distance %.1e of images, %.1e of texts\n", folders[f], image, text);
        assert_true(image < 1e-3 && text < 1e-3);
        free(both);
        free(out);
        release_images(images, names.n);
        release_lines(&names);
        pasta_safetensors_close(expected);
        pasta_clip_free(wide);
        pasta_clip_free(clip);
        free(dir);
    }
}

static void test_newer_layout(void **state)
{
    (void)state;
    char *dir = fixture("clip-gelu"), *path = pasta_path_join(dir, "tokens.json");
    struct pasta_clip *clip;
    MUST(pasta_clip_load(dir, "cpu", PT_F32, &clip, &err));
    assert_int_equal(pasta_clip_shape_of(clip)->end, 49407); /* config.json says 2 */
    struct pasta_safetensors *expected = open_expected(dir);
    struct pasta_str json = {0};
    cJSON *tokens;
    MUST(pasta_file_read(path, &json, &err));
    MUST(pasta_json_parse(json.data, json.length, path, &tokens, &err));
    struct lines texts = {pasta_calloc((size_t)cJSON_GetArraySize(tokens), sizeof(char *)), 0};
    const cJSON *row, *id;
    cJSON_ArrayForEach(row, tokens)
    {
        int64_t found[77];
        int n, i = 0;
        const cJSON *ids = cJSON_GetObjectItem(row, "ids");
        const char *text = cJSON_GetObjectItem(row, "text")->valuestring;
        MUST(pasta_bpe_encode(pasta_clip_bpe(clip), text, 77, found, &n, &err));
        assert_int_equal(n, cJSON_GetArraySize(ids));
        cJSON_ArrayForEach(id, ids)
            assert_int_equal(found[i++], id->valueint);
        texts.items[texts.n++] = pasta_strdup(text);
    }
    check_texts(clip, &texts, expected);
    check_images(clip, dir, expected);
    cJSON_Delete(tokens);
    pasta_str_release(&json);
    release_lines(&texts);
    pasta_safetensors_close(expected);
    pasta_clip_free(clip);
    free(path);
    free(dir);
}

static const char *const saved_names[] = {"config.json", "model.safetensors", "preprocessor_config.json", "vocab.json", "merges.txt", "tokenizer_config.json",
                                          "special_tokens_map.json"};

/* A saved folder encodes as the network it was saved from, and is saved with the same bytes again. */
static void test_saved_folder(void **state)
{
    (void)state;
    static const char *const texts[] = {"a fox in the snow", "", "Two caf\xc3\xa9s!"};
    char template[] = "/tmp/pasta-clip-XXXXXX", *dir = fixture("clip-gelu");
    assert_non_null(mkdtemp(template));
    struct pasta_clip *clip, *again;
    MUST(pasta_clip_load(dir, "cpu", PT_F32, &clip, &err));
    MUST(pasta_clip_save(clip, template, PT_F32, &err));
    MUST(pasta_clip_load(template, "cpu", PT_F32, &again, &err));
    float a[3 * 64], b[3 * 64];
    assert_true(pasta_clip_dim(clip) <= 64 && pasta_clip_dim(again) == pasta_clip_dim(clip));
    MUST(pasta_clip_texts(clip, texts, 3, true, a, &err));
    MUST(pasta_clip_texts(again, texts, 3, true, b, &err));
    assert_memory_equal(a, b, 3 * (size_t)pasta_clip_dim(clip) * sizeof *a);
    assert_string_not_equal(pasta_clip_hash(clip), pasta_clip_hash(again)); /* other files, another identity */
    for (size_t i = 0; i < sizeof saved_names / sizeof *saved_names; i++) {
        char *path = pasta_path_join(template, saved_names[i]);
        assert_int_equal(unlink(path), 0);
        free(path);
    }
    assert_int_equal(rmdir(template), 0);
    pasta_clip_free(clip);
    pasta_clip_free(again);
    free(dir);
}

static void test_refused_configurations(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[]", "config.json: expected an object"},
        {"{\"model_type\": \"gemma\"}", "config.json: model_type: expected 'clip', found 'gemma'"},
        {"{\"model_type\": \"clip\"}", "config.json: text_config"},
        {"{\"model_type\": \"clip\", \"text_config\": {\"hidden_act\": \"relu\"}, \"vision_config\": {}}", "text_config: hidden_act: expected quick_gelu or gelu, found 'relu'"},
        {"{\"model_type\": \"clip\", \"text_config\": {\"hidden_size\": 10}, \"vision_config\": {}}", "text tower: expected a width that the heads divide, found width 10 and 8 heads"},
        {"{\"model_type\": \"clip\", \"text_config\": {\"num_hidden_layers\": 0}, \"vision_config\": {}}", "text_config: num_hidden_layers"},
        {"{\"model_type\": \"clip\", \"text_config\": {\"vocab_size\": 9, \"eos_token_id\": 9}, \"vision_config\": {}}", "eos_token_id: expected an id below vocab_size 9, found 9"},
        {"{\"model_type\": \"clip\", \"text_config\": {}, \"vision_config\": {\"num_channels\": 1}}", "vision_config: num_channels: expected 3, found 1"},
        {"{\"model_type\": \"clip\", \"text_config\": {}, \"vision_config\": {\"image_size\": 16}}", "patch size: expected at most the image size 16, found 32"},
        {"{\"model_type\": \"clip\", \"text_config\": {}, \"vision_config\": {}}", "preprocessor_config.json"}, /* good so far: the next file is missing */
    };
    char template[] = "/tmp/pasta-clip-XXXXXX";
    assert_non_null(mkdtemp(template));
    char *path = pasta_path_join(template, "config.json");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_clip *clip = NULL;
        MUST(pasta_file_write(path, cases[i][0], strlen(cases[i][0]), &err));
        assert_int_equal(pasta_clip_load(template, "cpu", PT_F32, &clip, &err), PASTA_ERR_INPUT);
        assert_null(clip);
        if (!strstr(err.message, cases[i][1]))
            fail_msg("'%s' is not in '%s'", cases[i][1], err.message);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(template), 0);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openai_layout),
        cmocka_unit_test(test_newer_layout),
        cmocka_unit_test(test_bfloat16),
        cmocka_unit_test(test_saved_folder),
        cmocka_unit_test(test_refused_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
