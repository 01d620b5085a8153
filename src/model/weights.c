/* weights.c: parameters to and from safetensors, single or sharded; training checkpoints. */
#include "pasta/model/weights.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/io/file.h"
#include "pasta/io/sha256.h"

/* --- dtypes and shapes --- */

static const struct { enum pasta_st_dtype st; pt_dtype pt; } dtype_pairs[] = {
    {PASTA_ST_F32, PT_F32}, {PASTA_ST_F64, PT_F64}, {PASTA_ST_F16, PT_F16}, {PASTA_ST_BF16, PT_BF16},
    {PASTA_ST_I64, PT_I64}, {PASTA_ST_I32, PT_I32}, {PASTA_ST_U8, PT_U8},   {PASTA_ST_BOOL, PT_BOOL},
};
enum { N_DTYPE_PAIRS = sizeof dtype_pairs / sizeof *dtype_pairs };

static bool dtype_from_st(enum pasta_st_dtype st, pt_dtype *out)
{
    for (int i = 0; i < N_DTYPE_PAIRS; i++)
        if (dtype_pairs[i].st == st) {
            *out = dtype_pairs[i].pt;
            return true;
        }
    return false;
}

static enum pasta_st_dtype dtype_to_st(pt_dtype dtype)
{
    for (int i = 0; i < N_DTYPE_PAIRS; i++)
        if (dtype_pairs[i].pt == dtype)
            return dtype_pairs[i].st;
    assert(!"every dtype of pt.h is in the table");
    return PASTA_ST_F32;
}

static bool is_floating(pt_dtype dtype)
{
    return dtype == PT_F32 || dtype == PT_F64 || dtype == PT_F16 || dtype == PT_BF16;
}

static bool same_shape(const struct pasta_st_tensor *t, int rank, const int64_t *shape)
{
    return t->rank == rank && (rank == 0 || memcmp(t->shape, shape, (size_t)rank * sizeof *shape) == 0);
}

struct shape_text { char text[180]; };
static struct shape_text shape_print(int rank, const int64_t *shape)
{
    struct shape_text s = {"["};
    size_t n = 1;
    for (int i = 0; i < rank; i++)
        n += (size_t)snprintf(s.text + n, sizeof s.text - n, i ? ",%" PRId64 : "%" PRId64, shape[i]);
    snprintf(s.text + n, sizeof s.text - n, "]");
    return s;
}

/* A view of the file's bytes; it lives as long as the file is open. */
static pt borrow(const struct pasta_st_tensor *t, pt_dtype dtype)
{
    return pt_borrow(t->data, dtype, t->rank, t->shape);
}

/* --- the weight files of a model folder --- */

struct pasta_weights {
    char *dir;
    struct pasta_safetensors **files;
    char **names; /* of the files, within dir */
    int n;
    size_t files_capacity, names_capacity;
    char hash[65]; /* "" until asked for */
};

void pasta_weights_close(struct pasta_weights *w)
{
    if (!w)
        return;
    for (int i = 0; i < w->n; i++) {
        pasta_safetensors_close(w->files[i]);
        free(w->names[i]);
    }
    free(w->files);
    free(w->names);
    free(w->dir);
    free(w);
}

static pasta_status open_file(struct pasta_weights *w, const char *name, struct pasta_err *err)
{
    struct pasta_safetensors *file;
    char *path = pasta_asprintf("%s/%s", w->dir, name);
    const pasta_status status = pasta_safetensors_open(path, &file, err);
    free(path);
    if (status != PASTA_OK)
        return status;
    PASTA_GROW(w->files, (size_t)w->n + 1, w->files_capacity);
    PASTA_GROW(w->names, (size_t)w->n + 1, w->names_capacity);
    w->files[w->n] = file;
    w->names[w->n++] = pasta_strdup(name);
    return PASTA_OK;
}

static struct pasta_safetensors *file_named(const struct pasta_weights *w, const char *name)
{
    for (int i = 0; i < w->n; i++)
        if (strcmp(w->names[i], name) == 0)
            return w->files[i];
    return NULL;
}

/* Opens every shard that the index names and checks that it holds what the index says. */
static pasta_status open_shards(struct pasta_weights *w, const char *path, struct pasta_err *err)
{
    cJSON *index = NULL;
    const cJSON *map, *entry;
    pasta_status status = pasta_json_read(path, &index, err);
    if (status == PASTA_OK)
        status = pasta_json_object(index, "weight_map", path, &map, err);
    if (status != PASTA_OK)
        goto out;
    cJSON_ArrayForEach(entry, map) {
        const char *shard = cJSON_IsString(entry) ? entry->valuestring : "";
        if (!*shard || strchr(shard, '/')) {
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s: weight_map: %s: expected the name of a file in this folder, found %s%s", path,
                                entry->string, *shard ? "a path: " : pasta_json_type_name(entry), shard);
            goto out;
        }
        if (!file_named(w, shard) && (status = open_file(w, shard, err)) != PASTA_OK)
            goto out;
        if (!pasta_safetensors_find(file_named(w, shard), entry->string)) {
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s: weight_map: %s: expected it in %s, found no such tensor there", path,
                                entry->string, shard);
            goto out;
        }
    }
    if (w->n == 0)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: weight_map: expected at least one tensor, found none", path);
out:
    cJSON_Delete(index);
    return status;
}

pasta_status pasta_weights_open(const char *dir, struct pasta_weights **out, struct pasta_err *err)
{
    struct pasta_weights *w = pasta_calloc(1, sizeof *w);
    w->dir = pasta_strdup(dir);
    char *single = pasta_asprintf("%s/model.safetensors", dir), *index = pasta_asprintf("%s/model.safetensors.index.json", dir);
    pasta_status status;
    if (pasta_file_exists(single))
        status = open_file(w, "model.safetensors", err);
    else if (pasta_file_exists(index))
        status = open_shards(w, index, err);
    else
        status = pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected model.safetensors or model.safetensors.index.json, found neither", dir);
    free(single);
    free(index);
    if (status == PASTA_OK)
        *out = w;
    else
        pasta_weights_close(w);
    return status;
}

static const struct pasta_st_tensor *find(const struct pasta_weights *w, const char *name)
{
    const struct pasta_st_tensor *t = NULL;
    for (int i = 0; i < w->n && !t; i++)
        t = pasta_safetensors_find(w->files[i], name);
    return t;
}

bool pasta_weights_has(const struct pasta_weights *w, const char *name)
{
    return find(w, name) != NULL;
}

pasta_status pasta_weights_load(struct pasta_weights *w, const char *name, const char *as, int rank, const int64_t *shape,
                                pt_dtype dtype, const char *device, struct pasta_params *params, struct pasta_err *err)
{
    const struct pasta_st_tensor *t = find(w, name);
    if (!t)
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': tensor '%s': expected shape %s, found no such tensor", w->dir, name,
                          shape_print(rank, shape).text);
    if (!same_shape(t, rank, shape))
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': tensor '%s': expected shape %s, found %s", w->dir, name,
                          shape_print(rank, shape).text, shape_print(t->rank, t->shape).text);
    pt_dtype stored;
    if (!dtype_from_st(t->dtype, &stored) || is_floating(stored) != is_floating(dtype))
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': tensor '%s': expected a dtype that converts to %s, found %s", w->dir, name,
                          pt_dtype_name(dtype), pasta_st_dtype_name(t->dtype));
    pt_scope_open();
    const bool recording = pt_grad_enable(false);
    pt value = pt_to_dtype(borrow(t, stored), dtype);
    if (stored == dtype)
        value = pt_clone(value); /* the file will be closed */
    value = pt_keep(pt_to_device(value, device));
    pt_grad_enable(recording);
    const pasta_status status = pt_scope_close(err);
    if (status == PASTA_OK)
        pasta_params_add(params, as, value);
    else
        pt_free(value);
    return status;
}

const char *pasta_weights_hash(struct pasta_weights *w)
{
    if (w->hash[0])
        return w->hash;
    struct pasta_str list = {0};
    char hex[65] = "";
    bool readable = true;
    for (int i = 0; i < w->n && readable; i++) {
        readable = pasta_sha256_file(pasta_safetensors_path(w->files[i]), hex, NULL) == PASTA_OK;
        pasta_str_printf(&list, "%s  %s\n", hex, w->names[i]);
    }
    if (readable && w->n > 1)
        pasta_sha256(list.data, list.length, hex);
    if (readable)
        memcpy(w->hash, hex, sizeof hex);
    pasta_str_release(&list);
    return w->hash;
}

/* --- files of parameters, and checkpoints: both are a set of named tensors in one file --- */

struct item { char *name; pt tensor; };
struct items { struct item *list; int n; size_t capacity; };

static void items_add(struct items *items, char *owned_name, pt tensor)
{
    PASTA_GROW(items->list, (size_t)items->n + 1, items->capacity);
    items->list[items->n++] = (struct item){owned_name, tensor};
}

static void items_add_params(struct items *items, const char *prefix, const struct pasta_params *params)
{
    for (int i = 0; i < params->n; i++) {
        const char *name = params->items[i].name;
        items_add(items, *prefix ? pasta_asprintf("%s/%s", prefix, name) : pasta_strdup(name), params->items[i].tensor);
    }
}

static void items_release(struct items *items)
{
    for (int i = 0; i < items->n; i++)
        free(items->list[i].name);
    free(items->list);
}

/* Floating-point tensors are written as *dtype, or as they are when it is NULL. */
static pasta_status items_write(const struct items *items, const char *path, const pt_dtype *dtype,
                                const char *const (*meta)[2], int n_meta, struct pasta_err *err)
{
    struct pasta_st_tensor *out = pasta_calloc((size_t)items->n, sizeof *out);
    pt_scope_open();
    for (int i = 0; i < items->n; i++) {
        pt t = pt_detach(items->list[i].tensor);
        if (dtype && is_floating(pt_dtype_of(t)))
            t = pt_to_dtype(t, *dtype);
        t = pt_contiguous(pt_to_device(t, "cpu"));
        out[i] = (struct pasta_st_tensor){.name = items->list[i].name, .dtype = dtype_to_st(pt_dtype_of(t)), .rank = pt_rank(t)};
        for (int d = 0; d < out[i].rank; d++)
            out[i].shape[d] = pt_size(t, d);
        out[i].data = pt_data(t);
        out[i].bytes = (size_t)(pt_numel(t) * pt_dtype_size(pt_dtype_of(t)));
    }
    pasta_status status = PASTA_OK;
    if (!pt_failed())
        status = pasta_safetensors_write(path, out, items->n, meta, n_meta, err);
    const pasta_status tensors = pt_scope_close(err);
    free(out);
    return tensors != PASTA_OK ? tensors : status;
}

/* Checks one item against the file. */
static pasta_status item_check(const struct item *item, const struct pasta_safetensors *file, struct pasta_err *err)
{
    int64_t shape[PASTA_ST_MAX_RANK];
    const int rank = pt_rank(item->tensor);
    assert(rank <= PASTA_ST_MAX_RANK);
    for (int d = 0; d < rank; d++)
        shape[d] = pt_size(item->tensor, d);
    const pt_dtype want = pt_dtype_of(item->tensor);
    const char *path = pasta_safetensors_path(file);
    const struct pasta_st_tensor *t = pasta_safetensors_find(file, item->name);
    if (!t)
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': tensor '%s': expected shape %s, found no such tensor", path, item->name,
                          shape_print(rank, shape).text);
    if (!same_shape(t, rank, shape))
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': tensor '%s': expected shape %s, found %s", path, item->name,
                          shape_print(rank, shape).text, shape_print(t->rank, t->shape).text);
    pt_dtype stored;
    if (!dtype_from_st(t->dtype, &stored) || stored != want)
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': tensor '%s': expected %s, found %s", path, item->name, pt_dtype_name(want),
                          pasta_st_dtype_name(t->dtype));
    return PASTA_OK;
}

/* Overwrites the values of items from a file with exactly the same names, dtypes and shapes; nothing is changed unless everything fits. */
static pasta_status items_read(const struct items *items, const struct pasta_safetensors *file, struct pasta_err *err)
{
    for (int i = 0; i < items->n; i++) {
        const pasta_status status = item_check(&items->list[i], file, err);
        if (status != PASTA_OK)
            return status;
    }
    if (pasta_safetensors_count(file) != items->n)
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected %d tensors, found %d: was it made with other settings?",
                          pasta_safetensors_path(file), items->n, pasta_safetensors_count(file));
    pt_scope_open();
    for (int i = 0; i < items->n; i++) {
        const struct pasta_st_tensor *t = pasta_safetensors_find(file, items->list[i].name);
        pt_dtype stored;
        if (dtype_from_st(t->dtype, &stored))
            pt_set(items->list[i].tensor, borrow(t, stored));
    }
    return pt_scope_close(err);
}

pasta_status pasta_params_save(const struct pasta_params *params, const char *path, pt_dtype dtype, struct pasta_err *err)
{
    struct items items = {0};
    items_add_params(&items, "", params);
    const pasta_status status = items_write(&items, path, &dtype, NULL, 0, err);
    items_release(&items);
    return status;
}

static struct items checkpoint_items(const struct pasta_checkpoint_list *lists, int n_lists, struct pasta_optim *const *optims,
                                     int n_optims)
{
    struct items items = {0};
    for (int i = 0; i < n_lists; i++)
        items_add_params(&items, lists[i].prefix, lists[i].params);
    for (int i = 0; i < n_optims; i++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "optim%d", i);
        items_add_params(&items, prefix, pasta_optim_state(optims[i]));
    }
    return items;
}

pasta_status pasta_checkpoint_save(const char *path, int64_t step, const struct pasta_checkpoint_list *lists, int n_lists,
                                   struct pasta_optim *const *optims, int n_optims, struct pasta_err *err)
{
    struct items items = checkpoint_items(lists, n_lists, optims, n_optims);
    struct pasta_arena arena = {0};
    const char *(*meta)[2] = pasta_arena_alloc(&arena, (size_t)(n_optims + 1) * sizeof *meta);
    meta[0][0] = "step";
    meta[0][1] = pasta_arena_printf(&arena, "%" PRId64, step);
    for (int i = 0; i < n_optims; i++) {
        meta[i + 1][0] = pasta_arena_printf(&arena, "optim%d.steps", i);
        meta[i + 1][1] = pasta_arena_printf(&arena, "%" PRId64, pasta_optim_steps(optims[i]));
    }
    const pasta_status status = items_write(&items, path, NULL, (const char *const(*)[2])meta, n_optims + 1, err);
    pasta_arena_release(&arena);
    items_release(&items);
    return status;
}

static pasta_status read_counter(const struct pasta_safetensors *file, const char *key, int64_t *out, struct pasta_err *err)
{
    const char *text = pasta_safetensors_meta(file, key);
    char *end = NULL;
    errno = 0;
    const long long value = text ? strtoll(text, &end, 10) : -1;
    if (!text || end == text || *end || errno || value < 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': metadata '%s': expected a number of steps, found '%s'", pasta_safetensors_path(file),
                          key, text ? text : "nothing");
    *out = value;
    return PASTA_OK;
}

pasta_status pasta_checkpoint_restore(const char *path, int64_t *step, const struct pasta_checkpoint_list *lists, int n_lists,
                                      struct pasta_optim *const *optims, int n_optims, struct pasta_err *err)
{
    struct pasta_safetensors *file;
    pasta_status status = pasta_safetensors_open(path, &file, err);
    if (status != PASTA_OK)
        return status;
    struct items items = checkpoint_items(lists, n_lists, optims, n_optims);
    int64_t *steps = pasta_calloc((size_t)n_optims + 1, sizeof *steps); /* the run's, then each optimiser's */
    status = read_counter(file, "step", &steps[0], err);
    for (int i = 0; i < n_optims && status == PASTA_OK; i++) {
        char key[40];
        snprintf(key, sizeof key, "optim%d.steps", i);
        status = read_counter(file, key, &steps[i + 1], err);
    }
    if (status == PASTA_OK)
        status = items_read(&items, file, err);
    if (status == PASTA_OK) {
        *step = steps[0];
        for (int i = 0; i < n_optims; i++)
            pasta_optim_steps_set(optims[i], steps[i + 1]);
    }
    free(steps);
    items_release(&items);
    pasta_safetensors_close(file);
    return status;
}
