/* pasta-train-pasta: the agent's value functions f and V, by implicit Q-learning on any mix of session files. */
#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "pasta/base/json.h"
#include "pasta/base/log.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/io/manifest.h"
#include "pasta/io/record.h"
#include "pasta/tensor/pt.h"
#include "pasta/value/iql.h"
#include "plan.h"
#include "record_files.h"
#include "run_stamp.h"
#include "torch_command.h"

static struct pasta_strings session_paths;
static const struct pasta_option options[] = {
    {"sessions", PASTA_OPT_STRINGS, &session_paths, "FILE", "sessions to learn from, .jsonl or .jsonl.gz; may be repeated",
     "what to learn from"},
    RECORDS_SKIP_BAD,
    {0}};
static const struct pasta_command command = {
    .name = "pasta-train-pasta",
    .summary = "train the agent's value functions on sessions, by implicit Q-learning",
    .examples = "  pasta-train-pasta --config configs/sketch.json --sessions runs/collect/sessions.jsonl --sessions "
                "runs/simulated/sessions.jsonl --out runs/pasta\n"
                "  pasta-train-pasta --config configs/paper.json --set value.model=models/gemma-2b --sessions sessions.jsonl.gz --dry-run\n",
    .options = options,
    TORCH_COMMAND};

static const char *const outputs[] = {"f/", "v/", "value.json", "metrics.jsonl", "events.out.tfevents.0.pasta", "checkpoint.safetensors", "settings.json",
                                      "manifest.json", NULL};

static pasta_status read_sessions(struct pasta_sessions *sessions, struct pasta_err *err)
{
    pasta_status st = PASTA_OK;
    for (int i = 0; i < session_paths.count && st == PASTA_OK; i++)
        st = records_sessions(session_paths.items[i], sessions, err);
    return st;
}

/* What a start model is read from: config.json, tokenizer.model and the weights, which may be in shards with their index. */
static int is_model_file(const struct dirent *e)
{
    return strcmp(e->d_name, "config.json") == 0 || strcmp(e->d_name, "tokenizer.model") == 0 || fnmatch("model*.safetensors*", e->d_name, 0) == 0;
}

/* What decides the result besides the settings: the sessions, and the model to start from. The caller frees the list, its strings are the
 * arena's. */
static struct pasta_stamp_input *list_inputs(const struct pasta_context *context, struct pasta_arena *arena, int *n)
{
    char *model = *context->config.value.model ? pasta_strdup(context->config.value.model) : pasta_data_path("models/gemma-sketch");
    struct dirent **files = NULL;
    const int listed = scandir(model, &files, is_model_file, alphasort), n_files = listed > 0 ? listed : 0;
    struct pasta_stamp_input *inputs = pasta_calloc((size_t)(session_paths.count + n_files), sizeof *inputs);
    *n = 0;
    for (int i = 0; i < session_paths.count; i++)
        inputs[(*n)++] = (struct pasta_stamp_input){pasta_arena_printf(arena, "sessions/%d", i), session_paths.items[i]};
    for (int i = 0; i < n_files; i++) {
        inputs[(*n)++] = (struct pasta_stamp_input){pasta_arena_printf(arena, "model/%s", files[i]->d_name),
                                                    pasta_arena_printf(arena, "%s/%s", model, files[i]->d_name)};
        free(files[i]);
    }
    free(files);
    free(model);
    return inputs;
}

static pasta_status stamp(const struct pasta_context *context, struct pasta_err *err)
{
    struct pasta_arena arena = {0};
    int n;
    struct pasta_stamp_input *inputs = list_inputs(context, &arena, &n);
    const pasta_status st = pasta_run_stamp(context, inputs, n, err);
    free(inputs);
    pasta_arena_release(&arena);
    return st;
}

static pasta_status write_manifest(const struct pasta_context *context, const struct pasta_value_model *model,
                                   const struct pasta_value_counts *counts, struct pasta_err *err)
{
    struct pasta_manifest *m = pasta_manifest_new(command.name, context->argc, context->argv, &context->config);
    struct pasta_arena arena = {0};
    int n_inputs;
    struct pasta_stamp_input *inputs = list_inputs(context, &arena, &n_inputs);
    pasta_status st = PASTA_OK;
    torch_manifest(m);
    for (int i = 0; i < n_inputs && st == PASTA_OK; i++)
        st = pasta_manifest_input(m, inputs[i].path, err);
    static const char *const files[] = {"f/config.json", "f/model.safetensors", "f/tokenizer.model", "f/tokenizer_config.json",
                                        "v/config.json", "v/model.safetensors", "v/tokenizer.model", "v/tokenizer_config.json",
                                        "value.json", "metrics.jsonl"};
    for (size_t i = 0; i < sizeof files / sizeof *files && st == PASTA_OK; i++)
        st = pasta_manifest_output(m, context->out, files[i], err);
    pasta_manifest_count(m, "sessions", counts->sessions);
    pasta_manifest_count(m, "sessions_held_out", counts->held_out);
    pasta_manifest_count(m, "transitions", counts->transitions);
    pasta_manifest_count(m, "parameters", pasta_value_model_parameters(model));
    if (st == PASTA_OK)
        st = pasta_manifest_write(m, context->out, err);
    pasta_manifest_free(m);
    free(inputs);
    pasta_arena_release(&arena);
    return st;
}

static void describe(const struct pasta_context *context, const struct pasta_value_model *model, const struct pasta_sessions *sessions,
                     bool initialised)
{
    const struct pasta_value_settings *s = &context->config.value;
    const double parameters = (double)pasta_value_model_parameters(model);
    pasta_info("%zu sessions; %.0f parameters%s%s", sessions->n, parameters, initialised ? ", initialised at random" : "",
               s->shared_trunk ? ", one trunk" : ", two trunks");
    const struct pasta_plan_row rows[] = {
        {"sessions", "", (double)sessions->n},
        {"parameters", "", parameters},
        {"steps", "", (double)(s->choice_steps + s->train.steps)},
        {"transitions_a_step", "", (double)s->train.batch},
        {"weights_memory", "bytes", 4 * parameters * (s->shared_trunk ? 3 : 2.5)}, /* weights, gradients, target network */
    };
    if (context->dry_run)
        pasta_plan_print(rows, sizeof rows / sizeof *rows, context->json);
}

/* From the manifest: the same words whether this run trained the model or found it complete. */
static pasta_status report(const struct pasta_context *context, struct pasta_err *err)
{
    static const char *const keys[] = {"sessions", "sessions_held_out", "transitions", "parameters"};
    enum { KEYS = sizeof keys / sizeof *keys };
    struct pasta_plan_row rows[KEYS];
    char *path = pasta_path_join(context->out, "manifest.json");
    cJSON *manifest = NULL;
    const cJSON *counts;
    pasta_status st = pasta_json_read(path, &manifest, err);
    if (st == PASTA_OK)
        st = pasta_json_object(manifest, "counts", path, &counts, err);
    for (int i = 0; i < KEYS && st == PASTA_OK; i++) {
        int64_t count;
        if ((st = pasta_json_int(counts, keys[i], path, 0, INT64_MAX, &count, err)) == PASTA_OK)
            rows[i] = (struct pasta_plan_row){keys[i], "", (double)count};
    }
    if (st == PASTA_OK)
        pasta_plan_print(rows, KEYS, context->json);
    cJSON_Delete(manifest);
    free(path);
    return st;
}

static pasta_status train(const struct pasta_context *context, struct pasta_value_model *model, const struct pasta_sessions *sessions,
                          struct pasta_err *err)
{
    const struct pasta_config *config = &context->config;
    struct pasta_value_counts counts;
    pasta_status st = pasta_value_train(model, &config->value, sessions, context->out, config->seed, context->threads, context->resume,
                                        &counts, err);
    if (st == PASTA_OK)
        st = pasta_value_model_save(model, context->out, err);
    if (st == PASTA_OK)
        st = write_manifest(context, model, &counts, err);
    return st;
}

/* Sessions and model come before the run folder, so that nothing is written where either is wrong. */
static pasta_status run(struct pasta_context *context, struct pasta_err *err)
{
    const struct pasta_config *config = &context->config;
    struct pasta_sessions sessions = {0};
    struct pasta_value_model *model = NULL;
    bool initialised, complete = false;
    pt_threads(context->threads);
    pasta_status st = read_sessions(&sessions, err);
    if (st == PASTA_OK)
        st = pasta_value_model_new(&config->value, config->device, config->seed, &initialised, &model, err);
    if (st == PASTA_OK)
        describe(context, model, &sessions, initialised);
    if (st == PASTA_OK && !context->dry_run) {
        st = pasta_run_dir(context->out, context->force, context->resume, outputs, &complete, err);
        if (st == PASTA_OK)
            st = stamp(context, err);
        if (st == PASTA_OK && complete)
            pasta_info("'%s' is complete: nothing to do", context->out);
        else if (st == PASTA_OK)
            st = train(context, model, &sessions, err);
        if (st == PASTA_OK)
            st = report(context, err);
    }
    pasta_value_model_free(model);
    pasta_sessions_release(&sessions);
    return st;
}

int main(int argc, char **argv)
{
    return pasta_command_main(&command, argc, argv, run);
}
