#include "pasta/io/features.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "pasta/base/paths.h"
#include "pasta/base/rng.h"
#include "pasta/io/file.h"
#include "pasta/io/safetensors.h"
#include "pasta/io/sha256.h"

static const char *const schema = "pasta.feature/1";
static const char *const kind_names[2] = {"image", "text"};

/* One kind of vectors and a hash table from key to row: open addressing, at most half full. */
struct table {
    struct pasta_safetensors *file;
    const float *embeds; /* [n,dim], in the file's mapping */
    size_t n, n_slots;   /* n_slots: a power of 2 */
    const char **keys;   /* [n]; NULL until the index has named the row */
    uint32_t *slots;     /* row + 1; 0: free */
};
struct pasta_features {
    int dim;
    const char *encoder; /* in the image file's metadata */
    struct table tables[2];
    struct pasta_arena arena;
};

/* The slot that holds `key`, or the free one where it belongs. */
static size_t find_slot(const struct table *t, const char *key)
{
    size_t slot = pasta_hash64(key) & (t->n_slots - 1);
    while (t->slots[slot] && strcmp(t->keys[t->slots[slot] - 1], key) != 0)
        slot = (slot + 1) & (t->n_slots - 1);
    return slot;
}

static pasta_status open_table(struct table *t, const char *dir, const char *kind, struct pasta_arena *arena, struct pasta_err *err)
{
    char name[32];
    snprintf(name, sizeof name, "%s.safetensors", kind);
    char *path = pasta_path_join(dir, name);
    pasta_status status = pasta_safetensors_open(path, &t->file, err);
    free(path);
    const struct pasta_st_tensor *embeds;
    if (status == PASTA_OK)
        status = pasta_safetensors_want(t->file, "embeds", PASTA_ST_F32, 2, (const int64_t[]){-1, -1}, &embeds, err);
    if (status != PASTA_OK)
        return status;
    if (embeds->shape[1] < 1 || embeds->shape[1] > INT32_MAX || embeds->shape[0] >= UINT32_MAX)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: embeds: expected vectors of at least one number, found [%lld,%lld]",
                          pasta_safetensors_path(t->file), (long long)embeds->shape[0], (long long)embeds->shape[1]);
    if (!pasta_safetensors_meta(t->file, "encoder"))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: __metadata__.encoder: expected the encoder's hash, found nothing",
                          pasta_safetensors_path(t->file));
    t->embeds = embeds->data;
    t->n = (size_t)embeds->shape[0];
    for (t->n_slots = 16; t->n_slots < 2 * t->n;)
        t->n_slots *= 2;
    t->keys = pasta_arena_alloc(arena, t->n * sizeof *t->keys);
    t->slots = pasta_arena_alloc(arena, t->n_slots * sizeof *t->slots);
    return PASTA_OK;
}

/* Image and text files must be halves of one pack. */
static pasta_status check_halves(struct pasta_features *f, struct pasta_err *err)
{
    const struct pasta_safetensors *image = f->tables[0].file, *text = f->tables[1].file;
    const int64_t dim[2] = {pasta_safetensors_find(image, "embeds")->shape[1], pasta_safetensors_find(text, "embeds")->shape[1]};
    const char *encoder[2] = {pasta_safetensors_meta(image, "encoder"), pasta_safetensors_meta(text, "encoder")};
    if (strcmp(encoder[0], encoder[1]) != 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: encoder: expected \"%.64s\" as in the images' file, found \"%.64s\": features of two "
                          "encoders do not mix", pasta_safetensors_path(text), encoder[0], encoder[1]);
    if (dim[0] != dim[1])
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: embeds: expected %lld numbers a vector as in the images' file, found %lld",
                          pasta_safetensors_path(text), (long long)dim[0], (long long)dim[1]);
    f->dim = (int)dim[0];
    f->encoder = encoder[0];
    return PASTA_OK;
}

static pasta_status index_line(struct pasta_features *f, const struct pasta_str *line, const char *where, struct pasta_err *err)
{
    struct pasta_fields r = {.where = where, .arena = &f->arena, .err = err};
    cJSON *tree = pasta_fields_begin(&r, line->data, line->length, schema);
    if (!tree)
        return r.status;
    struct table *t = &f->tables[pasta_fields_name(&r, NULL, tree, "kind", kind_names, 2)];
    size_t row = (size_t)pasta_fields_int(&r, NULL, tree, "row", 0, (int64_t)t->n - 1);
    const char *key = pasta_fields_str(&r, NULL, tree, "key");
    cJSON_Delete(tree);
    if (r.status != PASTA_OK)
        return r.status;
    size_t slot = find_slot(t, key);
    if (t->keys[row])
        pasta_fields_fail(&r, NULL, "row", "expected each row once, found %zu again", row);
    else if (t->slots[slot])
        pasta_fields_fail(&r, NULL, "key", "expected each key once, found \"%.80s\" again", key);
    if (r.status == PASTA_OK) {
        t->keys[row] = key;
        t->slots[slot] = (uint32_t)row + 1;
    }
    return r.status;
}

static pasta_status read_index(struct pasta_features *f, const char *path, struct pasta_err *err)
{
    struct pasta_lines lines = {0};
    struct pasta_str where = {0};
    bool more = true;
    size_t n = 0;
    pasta_status status = pasta_lines_open(&lines, path, err);
    while (status == PASTA_OK && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more) {
        pasta_str_clear(&where);
        pasta_str_printf(&where, "%s:%lld", path, (long long)lines.number);
        status = index_line(f, &lines.line, where.data, err);
        n++;
    }
    pasta_lines_close(&lines);
    pasta_str_release(&where);
    if (status == PASTA_OK && n != f->tables[0].n + f->tables[1].n)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected a row for each of %zu vectors, found %zu", path,
                            f->tables[0].n + f->tables[1].n, n);
    return status;
}

/* The three files carry one hash, so that a rewrite that was killed half-way is noticed. Packs made elsewhere need not have it. */
static pasta_status check_index_hash(const struct pasta_features *f, const char *path, struct pasta_err *err)
{
    char hex[65] = "";
    for (int i = 0; i < 2; i++) {
        const char *wanted = pasta_safetensors_meta(f->tables[i].file, "index_sha256");
        if (!wanted)
            continue;
        pasta_status status = hex[0] ? PASTA_OK : pasta_sha256_file(path, hex, err);
        if (status != PASTA_OK)
            return status;
        if (strcmp(wanted, hex) != 0)
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: belongs to other vectors than %s: make the features again", path,
                              pasta_safetensors_path(f->tables[i].file));
    }
    return PASTA_OK;
}

pasta_status pasta_features_open(const char *dir, struct pasta_features **out, struct pasta_err *err)
{
    struct pasta_features *f = pasta_calloc(1, sizeof *f);
    char *index = pasta_path_join(dir, "index.jsonl");
    pasta_status status = PASTA_OK;
    for (int i = 0; i < 2 && status == PASTA_OK; i++)
        status = open_table(&f->tables[i], dir, kind_names[i], &f->arena, err);
    if (status == PASTA_OK)
        status = check_halves(f, err);
    if (status == PASTA_OK)
        status = check_index_hash(f, index, err);
    if (status == PASTA_OK)
        status = read_index(f, index, err);
    free(index);
    if (status != PASTA_OK) {
        pasta_features_close(f);
        return status;
    }
    *out = f;
    return PASTA_OK;
}

void pasta_features_close(struct pasta_features *f)
{
    if (!f)
        return;
    for (int i = 0; i < 2; i++)
        pasta_safetensors_close(f->tables[i].file);
    pasta_arena_release(&f->arena);
    free(f);
}

int pasta_features_dim(const struct pasta_features *f)
{
    return f->dim;
}

const char *pasta_features_encoder(const struct pasta_features *f)
{
    return f->encoder;
}

static const float *look_up(const struct pasta_features *f, int kind, const char *key)
{
    const struct table *t = &f->tables[kind];
    uint32_t row = t->slots[find_slot(t, key)];
    return row ? t->embeds + (size_t)(row - 1) * (size_t)f->dim : NULL;
}

const float *pasta_features_image(const struct pasta_features *f, const char *id)
{
    return look_up(f, 0, id);
}

const float *pasta_features_text(const struct pasta_features *f, const char *prompt)
{
    return look_up(f, 1, prompt);
}

/* --- writing --- */

static void put_rows(struct pasta_str *index, int kind, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        pasta_str_printf(index, "{\"schema\":\"%s\",\"kind\":\"%s\",\"row\":%zu,\"key\":", schema, kind_names[kind], i);
        pasta_json_put_str(index, keys[i]);
        pasta_str_add(index, "}\n");
    }
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A pack with a key twice could not be opened again. */
static pasta_status check_keys(const char *dir, int kind, const char *const *keys, size_t n, struct pasta_err *err)
{
    const char **sorted = pasta_calloc(n, sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = keys[i];
    qsort(sorted, n, sizeof *sorted, compare_keys);
    pasta_status status = PASTA_OK;
    for (size_t i = 1; i < n && status == PASTA_OK; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            status = pasta_fail(err, PASTA_ERR_FAILED, "cannot write features '%s': %s \"%.80s\" is given twice", dir, kind_names[kind],
                                sorted[i]);
    free(sorted);
    return status;
}

static pasta_status write_table(const char *dir, int kind, const char *encoder, const char *hash, int dim, const float *embeds, size_t n,
                                struct pasta_err *err)
{
    const struct pasta_st_tensor tensor = {.name = "embeds", .dtype = PASTA_ST_F32, .rank = 2, .shape = {(int64_t)n, dim},
                                           .data = embeds, .bytes = n * (size_t)dim * sizeof *embeds};
    const char *const meta[][2] = {{"encoder", encoder}, {"index_sha256", hash}};
    char name[32];
    snprintf(name, sizeof name, "%s.safetensors", kind_names[kind]);
    char *path = pasta_path_join(dir, name);
    pasta_status status = pasta_safetensors_write(path, &tensor, 1, meta, 2, err);
    free(path);
    return status;
}

pasta_status pasta_features_write(const char *dir, const char *encoder, int dim, const char *const *image_ids, const float *image_embeds,
                                  size_t n_images, const char *const *texts, const float *text_embeds, size_t n_texts,
                                  struct pasta_err *err)
{
    struct pasta_str index = {0};
    char hash[65];
    pasta_str_add(&index, "");
    put_rows(&index, 0, image_ids, n_images);
    put_rows(&index, 1, texts, n_texts);
    pasta_sha256(index.data, index.length, hash);
    char *path = pasta_path_join(dir, "index.jsonl");
    pasta_status status = check_keys(dir, 0, image_ids, n_images, err);
    if (status == PASTA_OK)
        status = check_keys(dir, 1, texts, n_texts, err);
    if (status == PASTA_OK)
        status = pasta_mkdirs(dir, err);
    if (status == PASTA_OK)
        status = write_table(dir, 0, encoder, hash, dim, image_embeds, n_images, err);
    if (status == PASTA_OK)
        status = write_table(dir, 1, encoder, hash, dim, text_embeds, n_texts, err);
    if (status == PASTA_OK)
        status = pasta_file_write(path, index.data, index.length, err);
    free(path);
    pasta_str_release(&index);
    return status;
}
