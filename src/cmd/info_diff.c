#include "info_diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"

struct diff { int lines; bool titled; const char *title; };

static void say(struct diff *d, const char *what, const char *a, const char *b)
{
    if (!d->titled)
        printf("%s\n", d->title);
    d->titled = true;
    d->lines++;
    printf("  %-36s %s  ->  %s\n", what, a ? a : "(nothing)", b ? b : "(nothing)");
}

static char *value_text(const cJSON *value)
{
    return value ? cJSON_PrintUnformatted(value) : NULL;
}

/* Leaves below two values that are not the same, in the order of the first, then what only the second has. */
static void compare_values(struct diff *d, const char *name, const cJSON *a, const cJSON *b)
{
    if (cJSON_IsObject(a) && cJSON_IsObject(b)) {
        const cJSON *item;
        for (int side = 0; side < 2; side++)
            cJSON_ArrayForEach(item, (side ? b : a)) {
                const cJSON *of_a = cJSON_GetObjectItemCaseSensitive(a, item->string), *of_b = cJSON_GetObjectItemCaseSensitive(b, item->string);
                char *below = pasta_asprintf("%s%s%s", name, *name ? "." : "", item->string);
                if (!side || !of_a)
                    compare_values(d, below, of_a, of_b);
                free(below);
            }
    } else if (!a || !b || !cJSON_Compare(a, b, true)) {
        char *of_a = value_text(a), *of_b = value_text(b);
        say(d, name, of_a, of_b);
        cJSON_free(of_a);
        cJSON_free(of_b);
    }
}

static const char *tail(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const char *string_of(const cJSON *object, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(value) ? value->valuestring : "";
}

/* The n-th file of that name in a list; whole: by its path, else by the last part of it, for inputs lie anywhere. */
static const cJSON *file_of(const cJSON *list, const char *path, int n, bool whole)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        const char *own = string_of(item, "path");
        if (strcmp(whole ? own : tail(own), whole ? path : tail(path)) == 0 && n-- == 0)
            return item;
    }
    return NULL;
}

static void compare_files(struct diff *d, const cJSON *a, const cJSON *b, bool whole)
{
    for (int side = 0; side < 2; side++) {
        const cJSON *from = side ? b : a, *to = side ? a : b, *item, *before;
        cJSON_ArrayForEach(item, from) {
            const char *path = string_of(item, "path");
            int n = 0;
            cJSON_ArrayForEach(before, from) {
                if (before == item)
                    break;
                const char *own = string_of(before, "path");
                n += strcmp(whole ? own : tail(own), whole ? path : tail(path)) == 0;
            }
            const cJSON *other = file_of(to, path, n, whole);
            const char *hash = string_of(item, "sha256");
            char own[16], theirs[16];
            snprintf(own, sizeof own, "%.12s", hash);
            snprintf(theirs, sizeof theirs, "%.12s", other ? string_of(other, "sha256") : "");
            if (!other)
                say(d, path, side ? NULL : own, side ? own : NULL);
            else if (!side && strcmp(hash, string_of(other, "sha256")) != 0)
                say(d, path, own, theirs);
        }
    }
}

pasta_status info_diff(const char *a, const char *b, struct pasta_err *err)
{
    static const struct { const char *title, *key; enum { VALUE, INPUTS, OUTPUTS } kind; } parts[] = {
        {"program", "program", VALUE}, {"code", "version", VALUE}, {"code", "commit", VALUE}, {"seed", "seed", VALUE}, {"configuration", "config", VALUE},
        {"libraries", "libraries", VALUE}, {"inputs (by content)", "inputs", INPUTS}, {"splits", "splits", VALUE}, {"counts", "counts", VALUE},
        {"outputs (by content)", "outputs", OUTPUTS}};
    const char *dirs[2] = {a, b};
    cJSON *manifests[2] = {NULL, NULL};
    pasta_status status = PASTA_OK;
    for (int i = 0; i < 2 && status == PASTA_OK; i++) {
        char *path = pasta_path_join(dirs[i], "manifest.json");
        status = pasta_json_read(path, &manifests[i], err);
        free(path);
    }
    int lines = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == PASTA_OK; i++) {
        struct diff d = {.title = parts[i].title};
        const cJSON *of_a = cJSON_GetObjectItemCaseSensitive(manifests[0], parts[i].key), *of_b = cJSON_GetObjectItemCaseSensitive(manifests[1], parts[i].key);
        if (parts[i].kind == VALUE && (of_a || of_b))
            compare_values(&d, cJSON_IsObject(of_a) || cJSON_IsObject(of_b) ? "" : parts[i].key, of_a, of_b);
        else if (parts[i].kind != VALUE)
            compare_files(&d, of_a, of_b, parts[i].kind == OUTPUTS);
        lines += d.lines;
    }
    if (status == PASTA_OK && lines == 0)
        puts("no difference: the same program, code, seed, configuration, libraries, inputs and outputs");
    cJSON_Delete(manifests[0]);
    cJSON_Delete(manifests[1]);
    return status;
}
