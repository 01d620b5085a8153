#include "pasta/io/parts.h"

#include <stdlib.h>
#include <unistd.h>

#include "pasta/base/mem.h"
#include "pasta/io/file.h"

static char *part_path(const char *dir, const char *name, int64_t part)
{
    return pasta_asprintf("%s/parts/%s-%06lld.jsonl", dir, name, (long long)part);
}

static char *joined_path(const char *dir, const char *name)
{
    return pasta_asprintf("%s/%s.jsonl", dir, name);
}

static bool is_joined(const char *dir, const char *name)
{
    char *path = joined_path(dir, name);
    bool found = pasta_file_exists(path);
    free(path);
    return found;
}

bool pasta_part_done(const char *dir, const char *name, int64_t part)
{
    char *path = part_path(dir, name, part);
    bool found = pasta_file_exists(path);
    free(path);
    return found || is_joined(dir, name);
}

pasta_status pasta_part_write(const char *dir, const char *name, int64_t part, const struct pasta_str *text, struct pasta_err *err)
{
    char *folder = pasta_asprintf("%s/parts", dir), *path = part_path(dir, name, part);
    pasta_status status = pasta_mkdirs(folder, err);
    if (status == PASTA_OK)
        status = pasta_file_write(path, text->data, text->length, err);
    free(folder);
    free(path);
    return status;
}

static pasta_status append_part(struct pasta_out *out, const char *path, struct pasta_err *err)
{
    struct pasta_str text = {0};
    pasta_status status = pasta_file_read(path, &text, err);
    if (status == PASTA_OK)
        status = pasta_out_write(out, text.data, text.length, err);
    pasta_str_release(&text);
    return status;
}

pasta_status pasta_parts_join(const char *dir, const char *name, int64_t n_parts, struct pasta_err *err)
{
    struct pasta_out out = {0};
    pasta_status status = PASTA_OK;
    char *joined = joined_path(dir, name), *folder = pasta_asprintf("%s/parts", dir);
    if (!pasta_file_exists(joined)) { /* there already: a run was killed while it removed the parts */
        status = pasta_out_open(&out, joined, err);
        for (int64_t i = 0; i < n_parts && status == PASTA_OK; i++) {
            char *path = part_path(dir, name, i);
            status = append_part(&out, path, err);
            free(path);
        }
        if (status == PASTA_OK)
            status = pasta_out_commit(&out, err);
        pasta_out_abort(&out);
    }
    for (int64_t i = 0; i < n_parts && status == PASTA_OK; i++) {
        char *path = part_path(dir, name, i);
        unlink(path); /* one that stays does no harm: the joined file counts */
        free(path);
    }
    if (status == PASTA_OK)
        rmdir(folder); /* stays while it holds another output's parts */
    free(joined);
    free(folder);
    return status;
}
