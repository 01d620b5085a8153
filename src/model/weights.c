/* weights.c: the weights of a model folder, single or sharded; parameters as one safetensors file. */
#include "pasta/model/weights.h"
#include <stdlib.h>
#include <string.h>
#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/io/file.h"
#include "pasta/io/sha256.h"
#include "tensor_file.h"

enum { SLICE = 1 << 22 }; /* bytes converted at a time */

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

static const struct pasta_st_tensor *find(const struct pasta_weights *w, const char *name, struct pasta_safetensors **file)
{
    const struct pasta_st_tensor *t = NULL;
    for (int i = 0; i < w->n && !t; i++)
        if ((t = pasta_safetensors_find(w->files[i], name)) && file)
            *file = w->files[i];
    return t;
}

bool pasta_weights_has(const struct pasta_weights *w, const char *name)
{
    return find(w, name, NULL) != NULL;
}

static void release_file(void *file)
{
    pasta_safetensors_close(file);
}

/* In another dtype or on another device, a slice at a time, so that no more than a slice is in memory twice. */
static pt converted(const struct pasta_safetensors *file, const struct pasta_st_tensor *t, pt_dtype stored, pt_dtype dtype, const char *device)
{
    pt from = tensor_file_borrow(t, stored);
    if (t->rank == 0 || t->bytes == 0)
        return pt_to_device(pt_to_dtype(from, dtype), device);
    pt whole = pt_to_device(pt_zeros(dtype, t->rank, t->shape), device);
    const int64_t row = (int64_t)t->bytes / t->shape[0], slice = row < SLICE ? SLICE / row : 1;
    for (int64_t i = 0; i < t->shape[0] && !pt_failed(); i += slice) {
        const int64_t n = t->shape[0] - i < slice ? t->shape[0] - i : slice;
        pt_set(pt_narrow(whole, 0, i, n), pt_narrow(from, 0, i, n));
        pasta_safetensors_forget(file, (const char *)t->data + i * row, (size_t)(n * row));
    }
    return whole;
}

pasta_status pasta_weights_load(struct pasta_weights *w, const char *name, const char *as, int rank, const int64_t *shape,
                                pt_dtype dtype, const char *device, struct pasta_params *params, struct pasta_err *err)
{
    struct pasta_safetensors *file = NULL;
    const struct pasta_st_tensor *t = find(w, name, &file);
    pasta_status status = tensor_file_check(w->dir, name, t, rank, shape, err);
    if (status != PASTA_OK)
        return status;
    pt_dtype stored;
    if (!tensor_file_dtype(t->dtype, &stored) || tensor_file_floating(stored) != tensor_file_floating(dtype))
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': tensor '%s': expected a dtype that converts to %s, found %s", w->dir, name,
                          pt_dtype_name(dtype), pasta_st_dtype_name(t->dtype));
    pt_scope_open();
    const bool recording = pt_grad_enable(false), in_place = stored == dtype && strcmp(device, "cpu") == 0;
    pt value = pt_keep(in_place ? pt_borrow_held(t->data, stored, rank, shape, release_file, pasta_safetensors_hold(file))
                                : converted(file, t, stored, dtype, device));
    pt_grad_enable(recording);
    status = pt_scope_close(err);
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

pasta_status pasta_params_save(const struct pasta_params *params, const char *path, pt_dtype dtype, struct pasta_err *err)
{
    struct tensor_list list = {0};
    tensor_list_add(&list, "", params);
    const pasta_status status = tensor_list_write(&list, path, &dtype, NULL, 0, err);
    tensor_list_release(&list);
    return status;
}
