/* test_openclip.c: the embedded encoder, rewritten by hand into the layout of OpenCLIP, gives the same embeddings bit for bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/io/safetensors.h"
#include "pasta/model/clip.h"

static char root[64];
static char *sketch;

static void must(pasta_status status, const struct pasta_err *err)
{
    if (status != PASTA_OK)
        fail_msg("%s", err->message);
}

/* --- the checkpoint --- */

struct writer {
    struct pasta_safetensors *from;
    struct pasta_st_tensor tensors[200];
    int n;
    struct pasta_arena arena;
};

static const struct pasta_st_tensor *find(const struct writer *w, const char *name)
{
    const struct pasta_st_tensor *t = pasta_safetensors_find(w->from, name);
    if (!t)
        fail_msg("no tensor '%s'", name);
    return t;
}

static void put(struct writer *w, const char *name, const struct pasta_st_tensor *t)
{
    w->tensors[w->n] = *t;
    w->tensors[w->n++].name = pasta_arena_strdup(&w->arena, name);
}

static void copy(struct writer *w, const char *to, const char *from)
{
    put(w, to, find(w, from));
}

static void copy_pair(struct writer *w, const char *to, const char *from)
{
    for (int bias = 0; bias < 2; bias++)
        copy(w, pasta_arena_printf(&w->arena, "%s.%s", to, bias ? "bias" : "weight"),
             pasta_arena_printf(&w->arena, "%s.%s", from, bias ? "bias" : "weight"));
}

static void transpose(struct writer *w, const char *to, const char *from)
{
    struct pasta_st_tensor t = *find(w, from);
    const int64_t rows = t.shape[0], columns = t.shape[1];
    const uint16_t *in = t.data;
    uint16_t *out = pasta_arena_alloc(&w->arena, t.bytes);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            out[j * rows + i] = in[i * columns + j];
    t.shape[0] = columns;
    t.shape[1] = rows;
    t.data = out;
    put(w, to, &t);
}

/* q, k and v below each other. */
static void join(struct writer *w, const char *to, const char *layer, const char *what)
{
    static const char *const names[] = {"q", "k", "v"};
    struct pasta_st_tensor t = {0};
    char *bytes = NULL;
    for (int i = 0; i < 3; i++) {
        const struct pasta_st_tensor *part = find(w, pasta_arena_printf(&w->arena, "%s.self_attn.%s_proj.%s", layer, names[i], what));
        if (i == 0) {
            t = *part;
            bytes = pasta_arena_alloc(&w->arena, 3 * part->bytes);
        }
        memcpy(bytes + (size_t)i * part->bytes, part->data, part->bytes);
    }
    t.shape[0] *= 3;
    t.bytes *= 3;
    t.data = bytes;
    put(w, to, &t);
}

static void layers(struct writer *w, const char *to, const char *from, int n)
{
    static const char *const names[][2] = {{"ln_1", "layer_norm1"}, {"ln_2", "layer_norm2"}, {"attn.out_proj", "self_attn.out_proj"},
                                           {"mlp.c_fc", "mlp.fc1"}, {"mlp.c_proj", "mlp.fc2"}};
    for (int i = 0; i < n; i++) {
        const char *layer = pasta_arena_printf(&w->arena, "%s.encoder.layers.%d", from, i);
        const char *block = pasta_arena_printf(&w->arena, "%stransformer.resblocks.%d", to, i);
        join(w, pasta_arena_printf(&w->arena, "%s.attn.in_proj_weight", block), layer, "weight");
        join(w, pasta_arena_printf(&w->arena, "%s.attn.in_proj_bias", block), layer, "bias");
        for (size_t j = 0; j < sizeof names / sizeof *names; j++)
            copy_pair(w, pasta_arena_printf(&w->arena, "%s.%s", block, names[j][0]),
                      pasta_arena_printf(&w->arena, "%s.%s", layer, names[j][1]));
    }
}

static void write_checkpoint(const char *path, const char *left_out)
{
    struct writer w = {0};
    struct pasta_err err = {0};
    char *weights = pasta_path_join(sketch, "model.safetensors");
    must(pasta_safetensors_open(weights, &w.from, &err), &err);
    copy(&w, "logit_scale", "logit_scale");
    copy(&w, "token_embedding.weight", "text_model.embeddings.token_embedding.weight");
    copy(&w, "positional_embedding", "text_model.embeddings.position_embedding.weight");
    copy_pair(&w, "ln_final", "text_model.final_layer_norm");
    copy(&w, "visual.class_embedding", "vision_model.embeddings.class_embedding");
    copy(&w, "visual.positional_embedding", "vision_model.embeddings.position_embedding.weight");
    copy(&w, "visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight");
    copy_pair(&w, "visual.ln_pre", "vision_model.pre_layrnorm");
    copy_pair(&w, "visual.ln_post", "vision_model.post_layernorm");
    transpose(&w, "text_projection", "text_projection.weight");
    transpose(&w, "visual.proj", "visual_projection.weight");
    layers(&w, "", "text_model", 2);
    layers(&w, "visual.", "vision_model", 3);
    for (int i = 0; i < w.n; i++)
        if (left_out && strcmp(w.tensors[i].name, left_out) == 0)
            w.tensors[i].name = "another.name";
    must(pasta_safetensors_write(path, w.tensors, w.n, NULL, 0, &err), &err);
    pasta_safetensors_close(w.from);
    pasta_arena_release(&w.arena);
    free(weights);
}

/* --- tests --- */

static int folder_make(void **state)
{
    static const char *const names[] = {"config.json", "preprocessor_config.json", "vocab.json", "merges.txt"};
    (void)state;
    strcpy(root, "/tmp/pasta-test-openclip-XXXXXX");
    sketch = pasta_data_path("models/clip-sketch");
    if (!mkdtemp(root))
        return -1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct pasta_err err = {0};
        struct pasta_str text = {0};
        char *from = pasta_path_join(sketch, names[i]), *to = pasta_path_join(root, names[i]);
        must(pasta_file_read(from, &text, &err), &err);
        must(pasta_file_write(to, text.data, text.length, &err), &err);
        pasta_str_release(&text);
        free(from);
        free(to);
    }
    return 0;
}

static int folder_remove(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", root);
    free(sketch);
    return system(command);
}

enum { SIDE = 64, D = 64 };

static void embed(const char *dir, pt_dtype dtype, float out[2 * D])
{
    static uint8_t pixels[3 * SIDE * SIDE];
    static const char *const texts[] = {"a red fox, watercolour"};
    for (int i = 0; i < 3 * SIDE * SIDE; i++)
        pixels[i] = (uint8_t)(i * 31 + i / 50);
    struct pasta_clip *clip;
    struct pasta_err err = {0};
    const struct pasta_image image = {SIDE, SIDE, pixels};
    must(pasta_clip_load(dir, "cpu", dtype, &clip, &err), &err);
    must(pasta_clip_texts(clip, texts, 1, true, out, &err), &err);
    must(pasta_clip_images(clip, &image, 1, true, out + D, &err), &err);
    pasta_clip_free(clip);
}

static void test_same_embeddings(void **state)
{
    (void)state;
    static const struct { const char *file; pt_dtype dtype; } cases[] = {
        {"model.safetensors", PT_F32}, {"open_clip_model.safetensors", PT_F32}, {"model.safetensors", PT_BF16}};
    float expected[2 * D], found[2 * D];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = pasta_path_join(root, cases[i].file);
        write_checkpoint(path, NULL);
        memset(found, 0, sizeof found);
        embed(sketch, cases[i].dtype, expected);
        embed(root, cases[i].dtype, found);
        assert_memory_equal(found, expected, sizeof expected);
        unlink(path);
        free(path);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"visual.proj", "transformer.resblocks.1.attn.in_proj_bias", "visual.transformer.resblocks.2.ln_2.weight"};
    char *path = pasta_path_join(root, "model.safetensors");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct pasta_clip *clip;
        struct pasta_err err = {0};
        write_checkpoint(path, names[i]);
        assert_int_equal(pasta_clip_load(root, "cpu", PT_F32, &clip, &err), PASTA_ERR_INPUT);
        if (!strstr(err.message, names[i]) || !strstr(err.message, "no such tensor"))
            fail_msg("expected '%s' in: %s", names[i], err.message);
    }
    unlink(path);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_embeddings), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
