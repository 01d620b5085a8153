/* weight_files.c: the weight files of a model folder: which there are, that they fit each other, and what is where in them. */
#include "weight_files.h"
#include <stdlib.h>
#include <string.h>
#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/io/sha256.h"
#include "pasta/model/weights.h"

#define INDEX "model.safetensors.index.json"
static const char *const lists[] = {"model.safetensors", INDEX, "open_clip_model.safetensors"}; /* the last: OpenCLIP's name */

struct pasta_weights {
    char *dir;
    char *list; /* path of the index, or of the one file */
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
    free(w->list);
    free(w->dir);
    free(w);
}

static pasta_status open_file(struct pasta_weights *w, const char *name, struct pasta_err *err)
{
    struct pasta_safetensors *file;
    char *path = pasta_path_join(w->dir, name);
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

/* Every tensor of the shards must be in the index: else one might be in two shards, and which of them is meant? All that the index names
 * is there, so there is one that it does not name where there are more. */
static pasta_status check_count(const struct pasta_weights *w, const cJSON *map, struct pasta_err *err)
{
    int64_t count = 0;
    for (int i = 0; i < w->n; i++)
        count += pasta_safetensors_count(w->files[i]);
    if (count == cJSON_GetArraySize(map))
        return PASTA_OK;
    for (int i = 0; i < w->n; i++)
        for (int j = 0; j < pasta_safetensors_count(w->files[i]); j++) {
            const char *name = pasta_safetensors_at(w->files[i], j)->name;
            const char *shard = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(map, name));
            if (!shard || strcmp(shard, w->names[i]) != 0)
                return pasta_fail(err, PASTA_ERR_INPUT, "%s: tensor '%s': expected %s to name this file for it, found %s",
                                  pasta_safetensors_path(w->files[i]), name, INDEX, shard ? shard : "nothing");
        }
    return PASTA_OK;
}

/* Opens every shard that the index names and checks that it holds what the index says. */
static pasta_status open_shards(struct pasta_weights *w, struct pasta_err *err)
{
    cJSON *index = NULL;
    const cJSON *map, *entry;
    pasta_status status = pasta_json_read(w->list, &index, err);
    if (status == PASTA_OK)
        status = pasta_json_object(index, "weight_map", w->list, &map, err);
    if (status != PASTA_OK)
        goto out;
    cJSON_ArrayForEach(entry, map) {
        const char *shard = cJSON_IsString(entry) ? entry->valuestring : "";
        if (!*shard || strchr(shard, '/')) {
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s: weight_map: %s: expected the name of a file in this folder, found %s%s", w->list,
                                entry->string, *shard ? "a path: " : pasta_json_type_name(entry), shard);
            goto out;
        }
        if (!file_named(w, shard) && (status = open_file(w, shard, err)) != PASTA_OK)
            goto out;
        if (!pasta_safetensors_find(file_named(w, shard), entry->string)) {
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s: weight_map: %s: expected it in %s, found no such tensor there", w->list,
                                entry->string, shard);
            goto out;
        }
    }
    status = w->n ? check_count(w, map, err)
                  : pasta_fail(err, PASTA_ERR_INPUT, "%s: weight_map: expected at least one tensor, found none", w->list);
out:
    cJSON_Delete(index);
    return status;
}

/* Which of them a folder has; NULL: none. */
static const char *list_of(const char *dir)
{
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char *path = pasta_path_join(dir, lists[i]);
        const bool there = pasta_file_exists(path);
        free(path);
        if (there)
            return lists[i];
    }
    return NULL;
}

bool pasta_weights_exist(const char *dir)
{
    return list_of(dir) != NULL;
}

pasta_status pasta_weights_open(const char *dir, struct pasta_weights **out, struct pasta_err *err)
{
    const char *list = list_of(dir);
    if (!list)
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected model.safetensors or model.safetensors.index.json, found neither "
                                                "(scripts/convert-checkpoint makes it of a .bin or .pt)", dir);
    struct pasta_weights *w = pasta_calloc(1, sizeof *w);
    w->dir = pasta_strdup(dir);
    w->list = pasta_path_join(dir, list);
    const pasta_status status = strcmp(list, INDEX) == 0 ? open_shards(w, err) : open_file(w, list, err);
    if (status == PASTA_OK)
        *out = w;
    else
        pasta_weights_close(w);
    return status;
}

int pasta_weights_files(const struct pasta_weights *w)
{
    return w->n;
}

const struct pasta_safetensors *pasta_weights_file(const struct pasta_weights *w, int i)
{
    return w->files[i];
}

const struct pasta_st_tensor *weight_files_find(const struct pasta_weights *w, const char *name, struct pasta_safetensors **file)
{
    const struct pasta_st_tensor *t = NULL;
    for (int i = 0; i < w->n && !t; i++)
        if ((t = pasta_safetensors_find(w->files[i], name)))
            *file = w->files[i];
    return t;
}

const char *weight_files_where(const struct pasta_weights *w, const struct pasta_safetensors *file)
{
    return file ? pasta_safetensors_path(file) : w->list;
}

bool pasta_weights_has(const struct pasta_weights *w, const char *name)
{
    struct pasta_safetensors *file;
    return weight_files_find(w, name, &file) != NULL;
}

pasta_status pasta_weights_expect(const struct pasta_weights *w, bool (*known)(const void *ctx, const char *name), const void *ctx,
                                  struct pasta_err *err)
{
    for (int i = 0; i < w->n; i++)
        for (int j = 0; j < pasta_safetensors_count(w->files[i]); j++) {
            const char *name = pasta_safetensors_at(w->files[i], j)->name;
            if (!known(ctx, name))
                return pasta_fail(err, PASTA_ERR_INPUT,
                                  "'%s': tensor '%s': expected none of this name by config.json (fewer layers there?)",
                                  pasta_safetensors_path(w->files[i]), name);
        }
    return PASTA_OK;
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
