#include "trained_on.h"

#include <stdlib.h>

#include "pasta/base/json.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"

/* Adds the text under `key` of every row, of those that are not held out. */
static pasta_status read_ids(const char *path, const char *key, struct pasta_id_set *out, struct pasta_err *err)
{
    struct pasta_lines lines = {0};
    pasta_status status = pasta_lines_open(&lines, path, err);
    bool more = true;
    while (status == PASTA_OK && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more) {
        char *where = pasta_asprintf("%s:%lld", path, (long long)lines.number);
        cJSON *row = NULL;
        const char *id;
        bool held_out = false;
        status = pasta_json_parse(lines.line.data, lines.line.length, where, &row, err);
        if (status == PASTA_OK && pasta_json_has(row, "held_out"))
            status = pasta_json_bool(row, "held_out", where, &held_out, err);
        if (status == PASTA_OK && (status = pasta_json_str(row, key, where, &id, err)) == PASTA_OK && !held_out)
            pasta_id_set_add(out, id);
        cJSON_Delete(row);
        free(where);
    }
    pasta_lines_close(&lines);
    pasta_id_set_sort(out);
    return status;
}

pasta_status trained_on_read(const char *dir, struct pasta_id_set *people, struct pasta_id_set *prompts, bool *known, struct pasta_err *err)
{
    char *people_path = pasta_path_join(dir, TRAINED_PEOPLE), *prompts_path = pasta_path_join(dir, TRAINED_PROMPTS);
    pasta_status status = PASTA_OK;
    *known = pasta_file_exists(people_path) && pasta_file_exists(prompts_path);
    if (*known)
        status = read_ids(people_path, "user_id", people, err);
    if (*known && status == PASTA_OK)
        status = read_ids(prompts_path, "prompt", prompts, err);
    free(people_path);
    free(prompts_path);
    return status;
}
