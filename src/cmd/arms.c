#include "arms.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "names.h"
#include "pasta/agent/policy_process.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/io/sha256.h"

#define COMMAND "command:"
static const char *const agent_files[ARMS_STAMPS] = {
    "f/config.json", "f/model.safetensors", "f/tokenizer.model", "f/tokenizer_config.json"};

struct arm {
    const char *name, *spec;
    bool is_folder;
    struct pasta_policy policy;
    struct pasta_policy_process *process; /* or NULL */
};
struct arms {
    struct pasta_arena arena;
    bool given;                /* not the one that there is without --arm */
    int n;
    struct arm *items;
};

/* --- the flags --- */

static pasta_status split(const struct pasta_strings *specs, struct arms *a, struct pasta_err *err)
{
    for (int i = 0; i < specs->count; i++) {
        const char *text = specs->items[i], *equals = strchr(text, '=');
        if (!equals || !equals[1])
            return pasta_fail(err, PASTA_ERR_USAGE, "--arm: expected NAME=SPEC, found '%s'", text);
        if (!names_allowed(text, (size_t)(equals - text)))
            return pasta_fail(err, PASTA_ERR_USAGE, "--arm: expected a name of at most 40 letters, digits, '.', '_' or '-', found '%.*s'",
                              (int)(equals - text), text);
        char *name = pasta_arena_strdup(&a->arena, text);
        name[equals - text] = '\0';
        for (int j = 0; j < i; j++)
            if (strcasecmp(a->items[j].name, name) == 0)
                return pasta_fail(err, PASTA_ERR_USAGE, "--arm: the name '%s' is given twice", name);
        a->items[i] = (struct arm){.name = name, .spec = equals + 1};
    }
    return PASTA_OK;
}

static bool is_plain(const char *spec)
{
    return strcmp(spec, "baseline") == 0 || strcmp(spec, "random") == 0;
}

static pasta_status check_folder(struct arm *arm, struct pasta_err *err)
{
    char *config = pasta_path_join(arm->spec, agent_files[0]);
    pasta_status status = PASTA_OK;
    arm->is_folder = pasta_file_exists(config);
    if (!arm->is_folder)
        status = pasta_fail(err, PASTA_ERR_INPUT, "--arm: '%s': expected baseline, random, " COMMAND "COMMAND LINE or the folder of a "
                            "trained agent, found no '%s'", arm->name, config);
    free(config);
    return status;
}

/* --- the agents --- */

static pasta_status open_process(struct arms *a, struct arm *arm, const char *device, int workers, struct pasta_err *err)
{
    char *score = arm->is_folder ? pasta_module_path("pasta-score") : NULL;
    const char *const argv[] = {score, pasta_arena_printf(&a->arena, "--agent=%s", arm->spec), "--threads", "1", "--device", device, NULL};
    const struct pasta_policy_process_settings settings = {
        .name = arm->name, .command = arm->is_folder ? NULL : arm->spec + strlen(COMMAND), .argv = argv, .workers = workers,
        .timeout = PASTA_POLICY_PROCESS_TIMEOUT};
    const pasta_status status = pasta_policy_process_open(&settings, &arm->process, err);
    if (status == PASTA_OK)
        arm->policy = pasta_policy_process(arm->process);
    free(score);
    return status;
}

pasta_status arms_open(const struct pasta_context *context, const struct pasta_strings *specs, int workers, struct arms **out,
                       struct pasta_err *err)
{
    struct arms *a = pasta_calloc(1, sizeof *a);
    a->given = specs->count > 0;
    a->n = specs->count ? specs->count : 1;
    a->items = pasta_calloc((size_t)a->n, sizeof *a->items);
    pasta_status status = split(specs, a, err);
    if (!a->given)
        a->items[0].name = a->items[0].spec = context->config.collect.agent;
    for (int i = 0; i < a->n && status == PASTA_OK; i++)
        if (!is_plain(a->items[i].spec) && !pasta_starts_with(a->items[i].spec, COMMAND))
            status = check_folder(&a->items[i], err);
    for (int i = 0; i < a->n && status == PASTA_OK; i++) {
        struct arm *arm = &a->items[i];
        if (is_plain(arm->spec)) {
            arm->policy = pasta_policy_named(arm->spec);
            arm->policy.name = arm->name;
        } else {
            status = open_process(a, arm, context->config.device, workers, err);
        }
    }
    if (status == PASTA_OK)
        *out = a;
    else
        arms_close(a);
    return status;
}

int arms_count(const struct arms *a)
{
    return a->n;
}

struct pasta_policy arms_policy(const struct arms *a, int i)
{
    return a->items[i].policy;
}

int arms_stamp(struct arms *a, struct pasta_stamp_input *inputs)
{
    int n = 0;
    for (int i = 0; i < a->n && a->given; i++) {
        const struct arm *arm = &a->items[i];
        char hex[65];
        pasta_sha256(arm->spec, strlen(arm->spec), hex);
        if (!arm->is_folder)
            inputs[n++] = (struct pasta_stamp_input){pasta_arena_printf(&a->arena, "arm/%s", arm->name),
                                                     pasta_arena_printf(&a->arena, PASTA_STAMP_HASH "%s", hex)};
        for (int j = 0; j < ARMS_STAMPS && arm->is_folder; j++)
            inputs[n++] = (struct pasta_stamp_input){pasta_arena_printf(&a->arena, "arm/%s/%s", arm->name, agent_files[j]),
                                                     pasta_arena_printf(&a->arena, "%s/%s", arm->spec, agent_files[j])};
    }
    return n;
}

void arms_close(struct arms *a)
{
    if (!a)
        return;
    for (int i = 0; i < a->n; i++)
        pasta_policy_process_free(a->items[i].process);
    free(a->items);
    pasta_arena_release(&a->arena);
    free(a);
}
