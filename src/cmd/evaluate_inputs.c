/* The command line of pasta-evaluate and the files it names. */
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"
#include "names.h"
#include "pasta/base/paths.h"
#include "pasta/base/version.h"
#include "pasta/io/file.h"
#include "pasta/io/sha256.h"
#include "trained_on.h"

/* NAME=DIR of each; the name may be left out where `optional`. Names are unique: they become columns and files. */
static pasta_status split_names(const char *flag, const struct pasta_strings *given, bool optional, struct pasta_arena *arena,
                                struct evaluate_named **out, struct pasta_err *err)
{
    struct evaluate_named *named = pasta_arena_alloc(arena, ((size_t)given->count + 1) * sizeof *named);
    for (int i = 0; i < given->count; i++) {
        const char *text = given->items[i], *equals = strchr(text, '=');
        bool has_name = equals && !memchr(text, '/', (size_t)(equals - text));
        if (!has_name && !optional)
            return pasta_fail(err, PASTA_ERR_USAGE, "--%s: expected NAME=DIR, found '%s'", flag, text);
        if (has_name && !names_allowed(text, (size_t)(equals - text)))
            return pasta_fail(err, PASTA_ERR_USAGE, "--%s: expected a name of at most 40 letters, digits, '.', '_' or '-', found '%.*s'",
                              flag, (int)(equals - text), text);
        named[i].dir = has_name ? equals + 1 : text;
        if (!*named[i].dir)
            return pasta_fail(err, PASTA_ERR_USAGE, "--%s: expected a folder, found nothing in '%s'", flag, text);
        if (has_name) {
            named[i].name = pasta_arena_strdup(arena, text);
            named[i].name[equals - text] = '\0';
        }
        for (int j = 0; has_name && j < i; j++)
            if (named[j].name && strcasecmp(named[j].name, named[i].name) == 0)
                return pasta_fail(err, PASTA_ERR_USAGE, "--%s: the name '%s' is given twice", flag, named[i].name);
    }
    *out = named;
    return PASTA_OK;
}

/* Agents' names become files, and rows beside those of the three that always play. */
static pasta_status check_agents(const struct evaluate_inputs *in, struct pasta_err *err)
{
    const struct { const char *flag; const struct evaluate_named *items; int n; } lists[] = {
        {"agent", in->agents, in->n_agents}, {"myopic", in->myopic, in->n_myopic}, {"sampling", in->sampling, in->n_sampling}};
    static const char *const always[] = {"random", "baseline", "oracle"};
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++)
        for (int i = 0; i < lists[l].n; i++) {
            const char *name = lists[l].items[i].name;
            for (size_t j = 0; j < sizeof always / sizeof *always; j++)
                if (strcasecmp(name, always[j]) == 0)
                    return pasta_fail(err, PASTA_ERR_USAGE, "--%s: expected a name of your own, found '%s', which is always among the agents",
                                      lists[l].flag, name);
            for (size_t k = 0; k < l; k++)
                for (int j = 0; j < lists[k].n; j++)
                    if (strcasecmp(name, lists[k].items[j].name) == 0)
                        return pasta_fail(err, PASTA_ERR_USAGE, "--%s: the name '%s' is given twice", lists[l].flag, name);
        }
    return PASTA_OK;
}

/* A study's people are judged by their sessions alone. */
static pasta_status check_raters(const struct evaluate_inputs *in, struct pasta_err *err)
{
    const struct evaluate_answers *a = &in->answers;
    const struct { const char *flag; bool given; } others[] = {
        {"user-model", in->user_model_flags.count}, {"agent", in->agent_flags.count}, {"myopic", in->myopic_flags.count},
        {"sampling", in->sampling_flags.count}, {"metrics", in->metric_flags.count}, {"played", in->played.count},
        {"logged", in->logged.count}, {"sessions", a->sessions}, {"preferences", a->preferences}, {"ratings", a->ratings},
        {"rankings", a->rankings}, {"validation", in->validation}, {"features", in->features},
        {"image-root", in->image_root}, {"prompts", in->prompts}};
    if (in->without && !in->raters.count)
        return pasta_fail(err, PASTA_ERR_USAGE, "--without: expected --raters with it");
    for (size_t i = 0; i < sizeof others / sizeof *others && in->raters.count; i++)
        if (others[i].given)
            return pasta_fail(err, PASTA_ERR_USAGE, "--raters: expected no --%s with it: its sessions are all that is read",
                              others[i].flag);
    return PASTA_OK;
}

pasta_status evaluate_inputs_check(struct evaluate_inputs *in, struct pasta_err *err)
{
    const struct evaluate_answers *a = &in->answers;
    bool answers = a->sessions || a->preferences || a->ratings || a->rankings;
    pasta_status status = check_raters(in, err);
    if (status != PASTA_OK || in->raters.count)
        return status;
    if ((status = split_names("user-model", &in->user_model_flags, true, &in->arena, &in->user_models, err)) != PASTA_OK ||
        (status = split_names("agent", &in->agent_flags, false, &in->arena, &in->agents, err)) != PASTA_OK ||
        (status = split_names("myopic", &in->myopic_flags, false, &in->arena, &in->myopic, err)) != PASTA_OK ||
        (status = split_names("sampling", &in->sampling_flags, false, &in->arena, &in->sampling, err)) != PASTA_OK ||
        (status = split_names("metrics", &in->metric_flags, false, &in->arena, &in->metrics, err)) != PASTA_OK)
        return status;
    in->n_user_models = in->user_model_flags.count;
    in->n_agents = in->agent_flags.count;
    in->n_metrics = in->metric_flags.count;
    in->n_myopic = in->myopic_flags.count;
    in->n_sampling = in->sampling_flags.count;
    if ((status = check_agents(in, err)) != PASTA_OK)
        return status;
    if (!in->n_user_models && (answers || in->features || in->validation))
        return pasta_fail(err, PASTA_ERR_USAGE, "%s: expected --user-model with it",
                          a->sessions ? "--sessions" : a->preferences ? "--preferences" : a->ratings ? "--ratings" : a->rankings ? "--rankings" :
                          in->validation ? "--validation" : "--features");
    const bool play = in->n_agents + in->n_myopic + in->n_sampling > 0;
    if (in->logged.count && (in->n_myopic || in->n_sampling || in->played.count || in->prompts || !in->n_agents))
        return pasta_fail(err, PASTA_ERR_USAGE, "--logged: expected --agent with it, and no --myopic, --sampling, --played or --prompts: nobody plays");
    if (in->played.count && (play || in->prompts))
        return pasta_fail(err, PASTA_ERR_USAGE, "--played: expected no --agent, --myopic, --sampling or --prompts with it: nobody plays");
    for (int i = 0; i < in->played.count; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(in->played.items[i], in->played.items[j]) == 0)
                return pasta_fail(err, PASTA_ERR_USAGE, "--played: '%s' is given twice", in->played.items[i]);
    if (!in->n_user_models && !play && !in->prompts && !in->n_metrics && !in->played.count)
        return pasta_fail(err, PASTA_ERR_USAGE,
                          "nothing to evaluate: expected --user-model with held-out answers, --agent, --prompts (random, baseline and "
                          "oracle on them), --played, --raters, or --metrics");
    if (in->n_user_models && !in->features)
        return pasta_fail(err, PASTA_ERR_USAGE, "--user-model: expected --features with the embeddings of the held-out images");
    if (in->n_user_models && !answers)
        return pasta_fail(err, PASTA_ERR_USAGE, "--user-model: expected held-out answers: --sessions, --preferences, --ratings or --rankings");
    if (in->validation && !a->preferences)
        return pasta_fail(err, PASTA_ERR_USAGE, "--validation: expected --preferences, whose threshold for ties it is to choose");
    if ((play || in->prompts) && !in->logged.count) {
        char *standard = pasta_data_path("prompts/sketch.txt");
        in->prompts_path = in->prompts ? in->prompts : pasta_arena_strdup(&in->arena, standard);
        free(standard);
    }
    return PASTA_OK;
}

/* --- what goes in --- */

/* Names without their leading folders: a moved run is the same run. */
static const char *tail_of(const char *path, struct pasta_arena *arena)
{
    char *copy = pasta_arena_strdup(arena, path);
    size_t length = strlen(copy);
    while (length > 1 && copy[length - 1] == '/')
        copy[--length] = '\0';
    char *slash = strrchr(copy, '/');
    return slash ? slash + 1 : copy;
}

static pasta_status add_file(struct evaluate_inputs *in, const char *name, const char *path, const char *shown, struct pasta_err *err)
{
    char hex[65];
    pasta_status status = pasta_sha256_file(path, hex, err);
    if (status != PASTA_OK)
        return status;
    in->files[in->n_files].name = name;
    in->files[in->n_files++].path = path;
    in->facts[in->n_facts++] = (struct evaluate_fact){name, pasta_arena_printf(&in->arena, "%s, SHA-256 %.16s", shown, hex)};
    return PASTA_OK;
}

/* The files of a folder that its loader reads; `label` follows the name of the folder. */
struct part {
    const char *label, *file;
};
enum { FEATURE_PARTS = 3, USER_MODEL_PARTS = 4, AGENT_PARTS = 8, METRICS_PARTS = 1, MOST_PLAYED = 1 };
static const struct part feature_parts[FEATURE_PARTS] = {
    {", images", "image.safetensors"}, {", texts", "text.safetensors"}, {", index", "index.jsonl"}};
static const struct part user_model_parts[USER_MODEL_PARTS] = {{"", "user_model.safetensors"}, {", settings", "config.json"}, {", its people", TRAINED_PEOPLE}, {", its prompts", TRAINED_PROMPTS}};
static const struct part agent_parts[AGENT_PARTS] = {
    {", f", "f/model.safetensors"}, {", f's shape", "f/config.json"}, {", f's token limit", "f/tokenizer_config.json"},
    {", V", "v/model.safetensors"}, {", V's shape", "v/config.json"}, {", V's token limit", "v/tokenizer_config.json"},
    {", tokenizer", "f/tokenizer.model"}, {", scale", "value.json"}};
static const struct part metrics_parts[METRICS_PARTS] = {{"", "metrics.jsonl"}};

/* A file that is not there is passed over, for the loaders to report. */
static pasta_status add_folder(struct evaluate_inputs *in, const char *name, const char *dir, const struct part *parts, int n_parts,
                               struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    for (int i = 0; i < n_parts && status == PASTA_OK; i++) {
        char *joined = pasta_path_join(dir, parts[i].file), *path = pasta_arena_strdup(&in->arena, joined);
        free(joined);
        if (pasta_file_exists(path))
            status = add_file(in, pasta_arena_printf(&in->arena, "%s%s", name, parts[i].label), path,
                              pasta_arena_printf(&in->arena, "%s/%s", tail_of(dir, &in->arena), parts[i].file), err);
    }
    return status;
}

static pasta_status add_folders(struct evaluate_inputs *in, const char *kind, const struct evaluate_named *named, int n,
                                const struct part *parts, int n_parts, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    for (int i = 0; i < n && status == PASTA_OK; i++) {
        const char *name = named[i].name ? named[i].name : tail_of(named[i].dir, &in->arena);
        status = add_folder(in, pasta_arena_printf(&in->arena, "%s %s", kind, name), named[i].dir, parts, n_parts, err);
    }
    return status;
}

static void add_fact(struct evaluate_inputs *in, const char *name, const char *value)
{
    in->facts[in->n_facts++] = (struct evaluate_fact){name, value};
}

/* The manifest of an earlier evaluation has the hashes of its sessions. */
static pasta_status add_played(struct evaluate_inputs *in, int i, struct pasta_err *err)
{
    static const struct part played_parts[MOST_PLAYED] = {{"", "manifest.json"}};
    return add_folder(in, pasta_arena_printf(&in->arena, "played %d", i + 1), in->played.items[i], played_parts, MOST_PLAYED, err);
}

pasta_status evaluate_inputs_list(struct evaluate_inputs *in, const struct pasta_config *config, struct pasta_err *err)
{
    const char *files[][2] = {{"prompts", in->prompts_path}, {"sessions", in->answers.sessions},
                              {"preferences", in->answers.preferences}, {"ratings", in->answers.ratings},
                              {"rankings", in->answers.rankings}, {"validation", in->validation}, {"without", in->without},
                              {"lexicon", config->world.lexicon}, {"raters", config->world.raters}};
    const size_t n_files = sizeof files / sizeof *files;
    size_t most = n_files + FEATURE_PARTS + (size_t)(USER_MODEL_PARTS * (in->n_user_models + in->n_myopic + in->n_sampling) + AGENT_PARTS * in->n_agents +
                                                     METRICS_PARTS * in->n_metrics + MOST_PLAYED * in->played.count + in->logged.count +
                                                     in->raters.count);
    pasta_status status = PASTA_OK;
    in->files = pasta_arena_alloc(&in->arena, most * sizeof *in->files);
    in->facts = pasta_arena_alloc(&in->arena, (most + 3) * sizeof *in->facts);

    add_fact(in, "program", pasta_arena_printf(&in->arena, "pasta %s (%s)", pasta_version(), pasta_commit()));
    add_fact(in, "seed", pasta_arena_printf(&in->arena, "%llu", (unsigned long long)config->seed));
    add_fact(in, "bootstrap", pasta_arena_printf(&in->arena, "%lld resamples of %s", (long long)config->evaluate.bootstrap,
                                                  config->evaluate.clusters));
    for (size_t i = 0; i < n_files && status == PASTA_OK; i++)
        if (files[i][1] && *files[i][1])
            status = add_file(in, files[i][0], files[i][1], tail_of(files[i][1], &in->arena), err);
    if (in->features && status == PASTA_OK)
        status = add_folder(in, "features", in->features, feature_parts, FEATURE_PARTS, err);
    if (status == PASTA_OK)
        status = add_folders(in, "user model", in->user_models, in->n_user_models, user_model_parts, USER_MODEL_PARTS, err);
    if (status == PASTA_OK)
        status = add_folders(in, "agent", in->agents, in->n_agents, agent_parts, AGENT_PARTS, err);
    for (int i = 0; i < in->logged.count && status == PASTA_OK; i++)
        status = add_file(in, pasta_arena_printf(&in->arena, "logged %d", i + 1), in->logged.items[i], tail_of(in->logged.items[i], &in->arena), err);
    for (int i = 0; i < in->raters.count && status == PASTA_OK; i++)
        status = add_file(in, pasta_arena_printf(&in->arena, "raters %d", i + 1), in->raters.items[i],
                          tail_of(in->raters.items[i], &in->arena), err);
    for (int i = 0; i < in->played.count && status == PASTA_OK; i++)
        status = add_played(in, i, err);
    if (status == PASTA_OK)
        status = add_folders(in, "myopic agent", in->myopic, in->n_myopic, user_model_parts, USER_MODEL_PARTS, err);
    if (status == PASTA_OK)
        status = add_folders(in, "sampling agent", in->sampling, in->n_sampling, user_model_parts, USER_MODEL_PARTS, err);
    return status == PASTA_OK ? add_folders(in, "metrics", in->metrics, in->n_metrics, metrics_parts, METRICS_PARTS, err) : status;
}

void evaluate_inputs_release(struct evaluate_inputs *in)
{
    pasta_arena_release(&in->arena);
    free(in->user_model_flags.items);
    free(in->agent_flags.items);
    free(in->myopic_flags.items);
    free(in->sampling_flags.items);
    free(in->played.items);
    free(in->logged.items);
    free(in->raters.items);
    free(in->metric_flags.items);
    *in = (struct evaluate_inputs){0};
}
