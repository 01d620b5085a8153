#include "run_stamp.h"

#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/paths.h"
#include "pasta/base/version.h"
#include "pasta/io/file.h"
#include "pasta/io/sha256.h"

static pasta_status describe(const struct pasta_context *context, const struct pasta_stamp_input *inputs, int n_inputs,
                             struct pasta_str *out, struct pasta_err *err)
{
    struct pasta_config config = context->config, defaults; /* a view: the strings stay the context's */
    pasta_config_init(&defaults);
    config.threads = 0;
    config.study.preparers = config.study.connections = 0; /* how a study is served, not what it is */
    config.study.requests_per_minute = 0;
    config.study.public_url = "";
    config.http = defaults.http;
    config.generator.url = config.t2i.url = "";

    pasta_str_printf(out, "{\n\"program\": \"%s\",\n\"version\": \"%s\",\n", context->command->name, pasta_version());
    for (int i = 0; i < n_inputs; i++) {
        char hex[65];
        const bool known = pasta_starts_with(inputs[i].path, PASTA_STAMP_HASH);
        if (!*inputs[i].path)
            continue;
        const pasta_status status = known ? PASTA_OK : pasta_sha256_file(inputs[i].path, hex, err);
        if (status != PASTA_OK) {
            pasta_config_release(&defaults);
            return status;
        }
        pasta_json_put_str(out, inputs[i].name);
        pasta_str_printf(out, ": \"%s\",\n", known ? inputs[i].path + strlen(PASTA_STAMP_HASH) : hex);
    }
    pasta_str_add(out, "\"config\": ");
    pasta_config_print(&config, out);
    pasta_str_add(out, "}\n");
    pasta_config_release(&defaults);
    return PASTA_OK;
}

static void next_line(const char **text, const char **line, int *length)
{
    *line = *text + strspn(*text, " ");
    *length = (int)strcspn(*line, "\n");
    *text = *line + *length + ((*line)[*length] == '\n');
    *length -= *length > 0 && (*line)[*length - 1] == ',';
}

static pasta_status compare(const char *path, const char *before, const char *now, struct pasta_err *err)
{
    while (*before || *now) {
        const char *a, *b;
        int a_length, b_length;
        next_line(&before, &a, &a_length);
        next_line(&now, &b, &b_length);
        if (a_length != b_length || memcmp(a, b, (size_t)a_length) != 0)
            return pasta_fail(err, PASTA_ERR_USAGE, "'%s': expected the settings that this run was started with, %.*s, found %.*s; "
                              "resume with those, or take another folder", path, a_length, a, b_length, b);
    }
    return PASTA_OK;
}

pasta_status pasta_run_stamp(const struct pasta_context *context, const struct pasta_stamp_input *inputs, int n_inputs,
                             struct pasta_err *err)
{
    char *path = pasta_path_join(context->out, "settings.json");
    struct pasta_str now = {0}, before = {0};

    pasta_status status = describe(context, inputs, n_inputs, &now, err);
    if (status == PASTA_OK && !pasta_file_exists(path))
        status = pasta_file_write(path, now.data, now.length, err);
    else if (status == PASTA_OK && (status = pasta_file_read(path, &before, err)) == PASTA_OK)
        status = compare(path, before.data, now.data, err);
    pasta_str_release(&now);
    pasta_str_release(&before);
    free(path);
    return status;
}

pasta_status pasta_stamp_manifest(const struct pasta_stamp_input *inputs, int n_inputs, struct pasta_manifest *manifest, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    for (int i = 0; i < n_inputs && status == PASTA_OK; i++)
        if (*inputs[i].path && !pasta_starts_with(inputs[i].path, PASTA_STAMP_HASH))
            status = pasta_manifest_input(manifest, inputs[i].path, err);
    return status;
}
