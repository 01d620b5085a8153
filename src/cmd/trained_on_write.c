#include <stdlib.h>

#include "pasta/base/json.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/user/em.h"
#include "trained_on.h"

static void put_people(const struct pasta_user_data *data, struct pasta_manifest *manifest)
{
    static const char *const sides[] = {"people_trained_on", "people_held_out"};
    int64_t users = pasta_user_data_counts(data).users;
    for (int held_out = 0; held_out < 2; held_out++) {
        struct pasta_id_set people = {0};
        for (int64_t u = 0; u < users; u++) {
            const char *id = pasta_user_data_user(data, (int)u);
            if (id && pasta_user_data_held_out(data, (int)u) == held_out)
                pasta_id_set_add(&people, id);
        }
        pasta_id_set_sort(&people);
        pasta_manifest_split(manifest, sides[held_out], &people);
        pasta_id_set_release(&people);
    }
}

pasta_status trained_on_write(const char *dir, const struct pasta_user_data *data, struct pasta_manifest *manifest, struct pasta_err *err)
{
    struct pasta_id_set prompts = {0};
    struct pasta_str text = {0};
    put_people(data, manifest);
    pasta_user_data_trained_prompts(data, &prompts);
    pasta_id_set_sort(&prompts);
    pasta_manifest_split(manifest, "prompts_trained_on", &prompts);
    pasta_str_add(&text, "");
    for (size_t i = 0; i < prompts.n; i++) {
        pasta_str_add(&text, "{\"schema\":\"pasta.trained_prompt/1\",\"prompt\":");
        pasta_json_put_str(&text, prompts.items[i]);
        pasta_str_add(&text, "}\n");
    }
    char *path = pasta_path_join(dir, TRAINED_PROMPTS);
    pasta_status status = pasta_file_write(path, text.data, text.length, err);
    if (status == PASTA_OK)
        status = pasta_manifest_output(manifest, dir, TRAINED_PROMPTS, err);
    free(path);
    pasta_str_release(&text);
    pasta_id_set_release(&prompts);
    return status;
}
