#include "services.h"

#include <stdlib.h>
#include <string.h>

#include "pasta/base/paths.h"
#include "pasta/io/file.h"

struct services services;

static bool asks(const char *kind)
{
    return strcmp(kind, "sketch") != 0 && strcmp(kind, "library") != 0;
}

bool services_chat(const struct pasta_config *config)
{
    return asks(config->generator.kind);
}

bool services_images(const struct pasta_config *config)
{
    return asks(config->t2i.kind);
}

bool services_used(const struct pasta_config *config)
{
    return services_chat(config) || services_images(config);
}

pasta_status services_open(const struct pasta_context *context, struct pasta_backends **out, struct pasta_err *err)
{
    const struct pasta_config *config = &context->config;
    const char *flag = services.record ? "--record" : services.replay ? "--replay" : NULL;

    if (flag && !services_used(config))
        return pasta_fail(err, PASTA_ERR_USAGE, "%s: expected a service (generator.kind, t2i.kind) whose replies are in it", flag);
    if (services.record && services.replay)
        return pasta_fail(err, PASTA_ERR_USAGE, "--record: not with --replay, whose cassette has it all");
    return pasta_backends_open(config, &(struct pasta_service_files){.replay = services.replay}, out, err);
}

/* A cassette that begins in the middle of a run would look whole and lack its beginning. */
static pasta_status check_recording(const struct pasta_context *context, struct pasta_err *err)
{
    static const char *const begun[] = {"parts", "journal.jsonl"};
    char *partial = services.record && context->resume ? pasta_asprintf("%s.partial", services.record) : NULL;
    pasta_status status = PASTA_OK;
    for (size_t i = 0; partial && !pasta_file_exists(partial) && i < sizeof begun / sizeof *begun && status == PASTA_OK; i++) {
        char *path = pasta_path_join(context->out, begun[i]);
        if (pasta_file_exists(path))
            status = pasta_fail(err, PASTA_ERR_USAGE,
                                "--record: expected '%s' with what was replied before this run was interrupted, found none; "
                                "resume without --record, or begin anew with --force, which asks for nothing that is in the cache",
                                partial);
        free(path);
    }
    free(partial);
    return status;
}

pasta_status services_begin(const struct pasta_context *context, struct pasta_backends **b, struct pasta_err *err)
{
    const char *set = context->config.http.cache;
    if (!services_used(&context->config))
        return PASTA_OK;
    pasta_status status = check_recording(context, err);
    if (status != PASTA_OK)
        return status;
    char *cache = *set ? pasta_strdup(set) : pasta_path_join(context->out, "cache");
    const struct pasta_service_files files = {.cache = cache, .record = services.record, .replay = services.replay,
                                              .resume = context->resume};
    pasta_backends_close(*b);
    *b = NULL;
    status = pasta_backends_open(&context->config, &files, b, err);
    free(cache);
    return status;
}

pasta_status services_check_sketch_raters(const struct pasta_config *config, struct pasta_err *err)
{
    if (strcmp(config->t2i.kind, "sketch") == 0)
        return PASTA_OK;
    return pasta_fail(err, PASTA_ERR_USAGE, "t2i.kind=%s: expected sketch with sketch raters, who judge what the sketch world would draw, "
                      "not what is shown; such images are for people (--serve) and for simulated users (pasta-simulate)",
                      config->t2i.kind);
}

/* --- what the run is of ------------------------------------------------------------------------------- */

static const char *template_of(const struct pasta_config *config)
{
    return strcmp(config->generator.kind, "openai") == 0 ? config->generator.prompt_template : "";
}

void services_stamp(const struct pasta_config *config, struct pasta_stamp_input out[SERVICES_INPUTS])
{
    out[0] = (struct pasta_stamp_input){"template", template_of(config)};
    out[1] = (struct pasta_stamp_input){"library", config->library};
    out[2] = (struct pasta_stamp_input){"cassette", services.replay ? services.replay : ""};
}

void services_note(const struct pasta_backends *b, struct pasta_manifest *manifest)
{
    struct pasta_str counts = {0};
    pasta_backends_counts(b, &counts);
    if (counts.data)
        pasta_manifest_note(manifest, "services", counts.data);
    pasta_str_release(&counts);
}

/* --- what it says at the end -------------------------------------------------------------------------- */

/* "name 3, other 1" of the numbers of `object` that are not 0, but for the first, which is there always. */
static void put_numbers(const cJSON *object, struct pasta_str *out)
{
    const cJSON *child;
    bool first = true;
    cJSON_ArrayForEach(child, object) {
        if (cJSON_IsNumber(child) && (first || child->valuedouble != 0)) {
            pasta_str_printf(out, "%s%.0f ", first ? "" : ", ", child->valuedouble);
            for (const char *p = child->string; *p; p++)
                pasta_str_addc(out, *p == '_' ? ' ' : *p);
            first = false;
        }
    }
}

pasta_status services_report(const char *dir, bool json, struct pasta_str *out, struct pasta_err *err)
{
    static const struct { const char *key, *label; } parts[] = {
        {NULL, "services      "}, {"generator", "generator     "}, {"t2i", "t2i           "}};
    char *path = pasta_path_join(dir, "manifest.json");
    cJSON *manifest = NULL;

    const pasta_status status = pasta_json_read(path, &manifest, err);
    const cJSON *note = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(manifest, "notes"), "services");
    free(path);
    if (status == PASTA_OK && note && json) {
        char *text = cJSON_PrintUnformatted(note);
        pasta_str_printf(out, ",\"services\":%s", text ? text : "null");
        cJSON_free(text);
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts && note && !json; i++) {
        const cJSON *part = parts[i].key ? cJSON_GetObjectItemCaseSensitive(note, parts[i].key) : note;
        if (!part)
            continue;
        pasta_str_add(out, parts[i].label);
        put_numbers(part, out);
        pasta_str_add(out, "\n");
    }
    cJSON_Delete(manifest);
    return status;
}
