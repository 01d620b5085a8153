#include "pasta/io/manifest.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "pasta/base/config.h"
#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/base/progress.h"
#include "pasta/base/version.h"
#include "pasta/io/file.h"
#include "pasta/io/id_set.h"
#include "pasta/io/sha256.h"

struct pair {
    char *name, *value; /* value: JSON text */
};
struct pairs {
    struct pair *items;
    size_t n, capacity;
};
/* A file, or a folder as one digest. */
struct item {
    char *name, hex[65];
    int64_t bytes, files; /* files: -1 for a file */
};
struct items {
    struct item *items;
    size_t n, capacity;
};
struct pasta_manifest {
    char *program;
    struct pasta_str arguments, config; /* JSON */
    uint64_t seed;
    struct pairs libraries, counts, notes, splits;
    struct items inputs, outputs;
    char when[32];
};

/* A run begins with its process, not with its manifest, which is made when the work is done. */
static double process_started;
static time_t process_started_at;

__attribute__((constructor)) static void remember_start(void)
{
    process_started = pasta_now();
    process_started_at = time(NULL);
}

struct pasta_manifest *pasta_manifest_new(const char *program, int argc, char *const *argv, const struct pasta_config *config)
{
    struct pasta_manifest *m = pasta_calloc(1, sizeof *m);
    m->program = pasta_strdup(program);
    struct tm utc;
    strftime(m->when, sizeof m->when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&process_started_at, &utc));
    pasta_str_addc(&m->arguments, '[');
    for (int i = 0; i < argc; i++) {
        if (i)
            pasta_str_add(&m->arguments, ", ");
        pasta_json_put_str(&m->arguments, argv[i]);
    }
    pasta_str_addc(&m->arguments, ']');
    m->seed = config->seed;
    pasta_config_print(config, &m->config);
    return m;
}

/* Adds or replaces; takes `value`. */
static void pairs_set(struct pairs *p, const char *name, char *value)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->items[i].name, name) == 0) {
            free(p->items[i].value);
            p->items[i].value = value;
            return;
        }
    PASTA_GROW(p->items, p->n + 1, p->capacity);
    p->items[p->n++] = (struct pair){pasta_strdup(name), value};
}

void pasta_manifest_library(struct pasta_manifest *m, const char *name, const char *version)
{
    struct pasta_str text = {0};
    pasta_json_put_str(&text, version);
    pairs_set(&m->libraries, name, pasta_str_take(&text));
}

void pasta_manifest_count(struct pasta_manifest *m, const char *name, int64_t count)
{
    pairs_set(&m->counts, name, pasta_asprintf("%lld", (long long)count));
}

void pasta_manifest_note(struct pasta_manifest *m, const char *name, const char *json)
{
    pairs_set(&m->notes, name, pasta_strdup(json));
}

void pasta_manifest_split(struct pasta_manifest *m, const char *side, const struct pasta_id_set *ids)
{
    char hex[65];
    pasta_id_set_hash(ids, hex);
    pairs_set(&m->splits, side, pasta_asprintf("{\"ids\": %zu, \"sha256\": \"%s\"}", ids->n, hex));
}

/* --- hashing --- */

struct names {
    char **items;
    size_t n, capacity;
};

/* Gathers the files below `path` as PREFIX/NAME; hidden ones (temporary files among them) are no part of a folder. */
static pasta_status list_folder(const char *path, const char *prefix, struct names *all, struct pasta_err *err)
{
    DIR *dir = opendir(path);
    if (!dir)
        return pasta_fail_errno(err, "cannot read folder '%s'", path);
    pasta_status status = PASTA_OK;
    const struct dirent *entry;
    while (status == PASTA_OK && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        char *child = pasta_path_join(path, entry->d_name), *name = pasta_asprintf("%s/%s", prefix, entry->d_name);
        struct stat info;
        if (stat(child, &info) != 0)
            status = pasta_fail_errno(err, "cannot read '%s'", child);
        else if (S_ISDIR(info.st_mode))
            status = list_folder(child, name, all, err);
        else if (S_ISREG(info.st_mode)) {
            PASTA_GROW(all->items, all->n + 1, all->capacity);
            all->items[all->n++] = pasta_strdup(name);
        }
        free(child);
        free(name);
    }
    closedir(dir);
    return status;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Hashes the lines "HEX  ./NAME" that sha256sum prints for the sorted files of a folder. */
static pasta_status hash_folder(const char *path, struct item *item, struct pasta_err *err)
{
    struct names names = {0};
    struct pasta_str list = {0};
    pasta_str_add(&list, "");
    pasta_status status = list_folder(path, ".", &names, err);
    qsort(names.items, names.n, sizeof *names.items, compare_names);
    for (size_t i = 0; i < names.n; i++) {
        char *file = pasta_path_join(path, names.items[i] + 2), hex[65];
        struct stat info = {0};
        if (status == PASTA_OK && stat(file, &info) != 0)
            status = pasta_fail_errno(err, "cannot read '%s'", file);
        if (status == PASTA_OK && (status = pasta_sha256_file(file, hex, err)) == PASTA_OK)
            pasta_str_printf(&list, "%s  %s\n", hex, names.items[i]);
        item->bytes += info.st_size;
        free(file);
        free(names.items[i]);
    }
    item->files = (int64_t)names.n;
    pasta_sha256(list.data, list.length, item->hex);
    pasta_str_release(&list);
    free(names.items);
    return status;
}

/* Fills hash and sizes of `path` and appends the item under `name`. */
static pasta_status items_add(struct items *all, const char *path, const char *name, struct pasta_err *err)
{
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->items[i].name, name) == 0)
            return PASTA_OK;
    struct item item = {.files = -1};
    struct stat info;
    pasta_status status;
    if (stat(path, &info) != 0)
        return pasta_fail_errno(err, "cannot read '%s'", path);
    if (S_ISDIR(info.st_mode)) {
        status = hash_folder(path, &item, err);
    } else {
        item.bytes = info.st_size;
        status = pasta_sha256_file(path, item.hex, err);
    }
    if (status != PASTA_OK)
        return status;
    item.name = pasta_strdup(name);
    PASTA_GROW(all->items, all->n + 1, all->capacity);
    all->items[all->n++] = item;
    return PASTA_OK;
}

pasta_status pasta_manifest_input(struct pasta_manifest *m, const char *path, struct pasta_err *err)
{
    char *inner = pasta_path_join(path, "manifest.json");
    const char *what = pasta_file_exists(inner) ? inner : path;
    pasta_status status = items_add(&m->inputs, what, what, err);
    free(inner);
    return status;
}

pasta_status pasta_manifest_output(struct pasta_manifest *m, const char *dir, const char *name, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, name);
    pasta_status status = items_add(&m->outputs, path, name, err);
    free(path);
    return status;
}

/* --- writing --- */

static void put_pairs(struct pasta_str *out, const char *key, const struct pairs *p)
{
    pasta_str_printf(out, "  \"%s\": {", key);
    for (size_t i = 0; i < p->n; i++) {
        pasta_str_add(out, i ? ", " : "");
        pasta_json_put_str(out, p->items[i].name);
        pasta_str_printf(out, ": %s", p->items[i].value);
    }
    pasta_str_add(out, "},\n");
}

static void put_items(struct pasta_str *out, const char *key, const struct items *all)
{
    pasta_str_printf(out, "  \"%s\": [", key);
    for (size_t i = 0; i < all->n; i++) {
        const struct item *item = &all->items[i];
        pasta_str_add(out, i ? ",\n    {\"path\": " : "\n    {\"path\": ");
        pasta_json_put_str(out, item->name);
        pasta_str_printf(out, ", \"sha256\": \"%s\", \"bytes\": %lld", item->hex, (long long)item->bytes);
        if (item->files >= 0)
            pasta_str_printf(out, ", \"files\": %lld", (long long)item->files);
        pasta_str_addc(out, '}');
    }
    pasta_str_add(out, all->n ? "\n  ],\n" : "],\n");
}

/* The configuration is indented JSON already: set it one level deeper. */
static void put_config(struct pasta_str *out, const struct pasta_str *config)
{
    size_t length = config->length;
    while (length && config->data[length - 1] == '\n')
        length--;
    pasta_str_add(out, "  \"config\": ");
    for (size_t i = 0; i < length; i++) {
        pasta_str_addc(out, config->data[i]);
        if (config->data[i] == '\n')
            pasta_str_add(out, "  ");
    }
    pasta_str_add(out, ",\n");
}

pasta_status pasta_manifest_write(struct pasta_manifest *m, const char *dir, struct pasta_err *err)
{
    struct pasta_str out = {0};
    pasta_str_add(&out, "{\n  \"schema\": \"pasta.manifest/1\",\n  \"program\": ");
    pasta_json_put_str(&out, m->program);
    pasta_str_add(&out, ",\n  \"version\": ");
    pasta_json_put_str(&out, pasta_version());
    pasta_str_add(&out, ",\n  \"commit\": ");
    pasta_json_put_str(&out, pasta_commit());
    pasta_str_printf(&out, ",\n  \"arguments\": %s,\n  \"seed\": %llu,\n", m->arguments.data, (unsigned long long)m->seed);
    put_pairs(&out, "libraries", &m->libraries);
    put_items(&out, "inputs", &m->inputs);
    put_items(&out, "outputs", &m->outputs);
    put_pairs(&out, "counts", &m->counts);
    if (m->notes.n)
        put_pairs(&out, "notes", &m->notes);
    if (m->splits.n)
        put_pairs(&out, "splits", &m->splits);
    put_config(&out, &m->config);
    pasta_str_printf(&out, "  \"started\": \"%s\",\n  \"wall_seconds\": %.3f\n}\n", m->when, pasta_now() - process_started);
    char *path = pasta_path_join(dir, "manifest.json");
    pasta_status status = pasta_file_write(path, out.data, out.length, err);
    free(path);
    pasta_str_release(&out);
    return status;
}

static void pairs_release(struct pairs *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->items[i].name);
        free(p->items[i].value);
    }
    free(p->items);
}

static void items_release(struct items *all)
{
    for (size_t i = 0; i < all->n; i++)
        free(all->items[i].name);
    free(all->items);
}

void pasta_manifest_free(struct pasta_manifest *m)
{
    if (!m)
        return;
    pairs_release(&m->libraries);
    pairs_release(&m->counts);
    pairs_release(&m->notes);
    pairs_release(&m->splits);
    items_release(&m->inputs);
    items_release(&m->outputs);
    pasta_str_release(&m->arguments);
    pasta_str_release(&m->config);
    free(m->program);
    free(m);
}
