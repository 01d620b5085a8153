/* pasta-evaluate: user models on held-out people, and agents against fresh sketch raters. What is given decides what is evaluated. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "evaluate.h"
#include "pasta/base/paths.h"
#include "pasta/base/version.h"
#include "pasta/io/file.h"
#include "pasta/io/manifest.h"
#include "pasta/io/sha256.h"
#include "pasta/tensor/blas.h"
#include "pasta/tensor/pt.h"
#include "plan.h"
#include "run_stamp.h"

static struct pasta_strings user_models, agents, metrics;
static const char *features, *sessions, *preferences, *ratings, *prompts;

struct evaluate {
    struct pasta_context *context;
    struct evaluate_named *user_models, *agents, *metrics;
    struct pasta_sketch *sketch;
    struct evaluate_held_out held_out;
    struct evaluate_user *users;
    int n_users; /* opened */
    struct evaluate_metrics curves;
    struct evaluate_agents played;
    struct evaluate_results results;
    struct pasta_arena arena;
    struct pasta_stamp_input *inputs; /* files whose bytes decide the result */
    int n_inputs;
    struct evaluate_fact *facts;
    int n_facts;
};

/* --- the command line --- */

static bool is_name(const char *name, size_t length)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return length > 0 && length <= 40 && strspn(name, allowed) >= length && name[0] != '.';
}

/* NAME=DIR of each; the name may be left out where `optional`. Names are unique: they become columns and files. */
static pasta_status split_names(const char *flag, const struct pasta_strings *given, bool optional, struct evaluate *e, struct evaluate_named **out,
                                struct pasta_err *err)
{
    struct evaluate_named *named = pasta_arena_alloc(&e->arena, ((size_t)given->count + 1) * sizeof *named);
    for (int i = 0; i < given->count; i++) {
        const char *text = given->items[i], *equals = strchr(text, '=');
        bool has_name = equals && !memchr(text, '/', (size_t)(equals - text));
        if (!has_name && !optional)
            return pasta_fail(err, PASTA_ERR_USAGE, "--%s: expected NAME=DIR, found '%s'", flag, text);
        if (has_name && !is_name(text, (size_t)(equals - text)))
            return pasta_fail(err, PASTA_ERR_USAGE, "--%s: expected a name of at most 40 letters, digits, '.', '_' or '-', found '%.*s'", flag,
                              (int)(equals - text), text);
        named[i].dir = has_name ? equals + 1 : text;
        if (!*named[i].dir)
            return pasta_fail(err, PASTA_ERR_USAGE, "--%s: expected a folder, found nothing in '%s'", flag, text);
        if (has_name) {
            named[i].name = pasta_arena_strdup(&e->arena, text);
            named[i].name[equals - text] = '\0';
        }
        for (int j = 0; has_name && j < i; j++)
            if (named[j].name && strcasecmp(named[j].name, named[i].name) == 0)
                return pasta_fail(err, PASTA_ERR_USAGE, "--%s: the name '%s' is given twice", flag, named[i].name);
    }
    *out = named;
    return PASTA_OK;
}

static pasta_status check_usage(struct evaluate *e, struct pasta_err *err)
{
    bool answers = sessions || preferences || ratings;
    pasta_status status;
    if ((status = split_names("user-model", &user_models, true, e, &e->user_models, err)) != PASTA_OK ||
        (status = split_names("agent", &agents, false, e, &e->agents, err)) != PASTA_OK ||
        (status = split_names("metrics", &metrics, false, e, &e->metrics, err)) != PASTA_OK)
        return status;
    for (int i = 0; i < agents.count; i++)
        if (strcmp(e->agents[i].name, "random") == 0 || strcmp(e->agents[i].name, "baseline") == 0 || strcmp(e->agents[i].name, "oracle") == 0)
            return pasta_fail(err, PASTA_ERR_USAGE, "--agent: expected a name of your own, found '%s', which is always among the agents", e->agents[i].name);
    if (user_models.count == 0 && agents.count == 0 && !prompts && metrics.count == 0)
        return pasta_fail(err, PASTA_ERR_USAGE, "nothing to evaluate: expected --user-model with held-out answers, --agent, --prompts (random, baseline and "
                          "oracle on them), or --metrics");
    if (user_models.count && !features)
        return pasta_fail(err, PASTA_ERR_USAGE, "--user-model: expected --features with the embeddings of the held-out images");
    if (user_models.count && !answers)
        return pasta_fail(err, PASTA_ERR_USAGE, "--user-model: expected held-out answers: --sessions, --preferences or --ratings");
    if (!user_models.count && (answers || features))
        return pasta_fail(err, PASTA_ERR_USAGE, "%s: expected --user-model with it", sessions ? "--sessions" : preferences ? "--preferences"
                          : ratings ? "--ratings" : "--features");
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

static pasta_status add_input(struct evaluate *e, const char *name, const char *path, const char *shown, struct pasta_err *err)
{
    char hex[65];
    pasta_status status = pasta_sha256_file(path, hex, err);
    if (status != PASTA_OK)
        return status;
    e->inputs[e->n_inputs++] = (struct pasta_stamp_input){name, path};
    e->facts[e->n_facts++] = (struct evaluate_fact){name, pasta_arena_printf(&e->arena, "%s, SHA-256 %.16s", shown, hex)};
    return PASTA_OK;
}

/* A file of a folder; one that is not there is passed over, for the loaders to report. */
static pasta_status add_folder_file(struct evaluate *e, const char *name, const char *dir, const char *file, struct pasta_err *err)
{
    char *joined = pasta_path_join(dir, file), *path = pasta_arena_strdup(&e->arena, joined);
    free(joined);
    if (!pasta_file_exists(path))
        return PASTA_OK;
    return add_input(e, name, path, pasta_arena_printf(&e->arena, "%s/%s", tail_of(dir, &e->arena), file), err);
}

static void add_fact(struct evaluate *e, const char *name, const char *value)
{
    e->facts[e->n_facts++] = (struct evaluate_fact){name, value};
}

static pasta_status list_inputs(struct evaluate *e, const char *prompts_path, struct pasta_err *err)
{
    const struct pasta_config *config = &e->context->config;
    const char *files[][2] = {{"prompts", prompts_path}, {"sessions", sessions}, {"preferences", preferences}, {"ratings", ratings}};
    size_t most = 8 + 3 * (size_t)(user_models.count + agents.count + metrics.count);
    pasta_status status = PASTA_OK;
    e->inputs = pasta_arena_alloc(&e->arena, most * sizeof *e->inputs);
    e->facts = pasta_arena_alloc(&e->arena, (most + 4) * sizeof *e->facts);

    add_fact(e, "program", pasta_arena_printf(&e->arena, "pasta %s (%s)", pasta_version(), pasta_commit()));
    add_fact(e, "seed", pasta_arena_printf(&e->arena, "%llu", (unsigned long long)config->seed));
    add_fact(e, "bootstrap", pasta_arena_printf(&e->arena, "%lld resamples of people", (long long)config->evaluate.bootstrap));
    for (size_t i = 0; i < sizeof files / sizeof *files && status == PASTA_OK; i++)
        if (files[i][1])
            status = add_input(e, files[i][0], files[i][1], tail_of(files[i][1], &e->arena), err);
    if (features && status == PASTA_OK && (status = add_folder_file(e, "features, images", features, "image.safetensors", err)) == PASTA_OK)
        status = add_folder_file(e, "features, texts", features, "text.safetensors", err);
    for (int i = 0; i < user_models.count && status == PASTA_OK; i++) {
        const char *name = e->user_models[i].name ? e->user_models[i].name : tail_of(e->user_models[i].dir, &e->arena);
        status = add_folder_file(e, pasta_arena_printf(&e->arena, "user model %s", name), e->user_models[i].dir, "user_model.safetensors", err);
    }
    for (int i = 0; i < agents.count && status == PASTA_OK; i++) {
        const struct evaluate_named *a = &e->agents[i];
        if ((status = add_folder_file(e, pasta_arena_printf(&e->arena, "agent %s, f", a->name), a->dir, "f/model.safetensors", err)) == PASTA_OK)
            status = add_folder_file(e, pasta_arena_printf(&e->arena, "agent %s, v", a->name), a->dir, "v/model.safetensors", err);
    }
    for (int i = 0; i < metrics.count && status == PASTA_OK; i++)
        status = add_folder_file(e, pasta_arena_printf(&e->arena, "metrics %s", e->metrics[i].name), e->metrics[i].dir, "metrics.jsonl", err);
    return status;
}

static pasta_status open_users(struct evaluate *e, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    e->users = pasta_calloc((size_t)user_models.count, sizeof *e->users);
    for (int i = 0; i < user_models.count; i++, e->n_users++) {
        if ((status = evaluate_user_open(&e->user_models[i], &e->held_out, &e->users[i], err)) != PASTA_OK)
            return status;
        for (int j = 0; j < i; j++)
            if (strcasecmp(e->users[i].name, e->users[j].name) == 0) {
                e->n_users++;
                return pasta_fail(err, PASTA_ERR_USAGE, "--user-model: '%s' and '%s' are both called '%s': give them names, NAME=DIR", e->users[j].dir,
                                  e->users[i].dir, e->users[i].name);
            }
    }
    return status;
}

/* Reads and loads everything, so that what is broken is found before anything is made. */
static pasta_status load(struct evaluate *e, const char *prompts_path, struct pasta_err *err)
{
    const struct pasta_config *config = &e->context->config;
    bool play = agents.count || prompts;
    pasta_status status = pasta_sketch_open(&config->world, &config->agent, &e->sketch, err);
    if (status == PASTA_OK && user_models.count &&
        (status = evaluate_held_out_read(sessions, preferences, ratings, features, e->sketch, config, &e->held_out, err)) == PASTA_OK)
        status = open_users(e, err);
    for (int i = 0; i < metrics.count && status == PASTA_OK; i++)
        status = evaluate_metrics_read(&e->curves, i, e->metrics[i].dir, err);
    if (status == PASTA_OK && play)
        status = evaluate_agents_open(e->context, e->sketch, prompts_path, e->agents, agents.count, &e->played, err);
    return status == PASTA_OK ? list_inputs(e, play ? prompts_path : NULL, err) : status;
}

/* --- what comes out --- */

static void print_tables(const struct evaluate_results *r, bool json, struct pasta_str *out)
{
    pasta_str_add(out, json ? "{\"schema\":\"pasta.evaluation/1\",\"tables\":[\n" : "");
    for (int i = 0; i < r->n_tables; i++) {
        if (!json && strcmp(r->tables[i].key, "agents_by_turn") == 0)
            continue; /* long, and the tables before it hold its essence */
        if (i)
            pasta_str_add(out, json ? "," : "\n");
        pasta_table_print(&r->tables[i], json ? PASTA_TABLE_JSON : PASTA_TABLE_TEXT, out);
    }
    pasta_str_add(out, json ? "]}\n" : "");
}

static pasta_status write_file(const struct evaluate *e, struct pasta_manifest *manifest, const char *name, const struct pasta_str *text,
                               struct pasta_err *err)
{
    char *path = pasta_path_join(e->context->out, name);
    pasta_status status = pasta_file_write(path, text->data ? text->data : "", text->length, err);
    if (status == PASTA_OK)
        status = pasta_manifest_output(manifest, e->context->out, name, err);
    free(path);
    return status;
}

static pasta_status write_tables(const struct evaluate *e, struct pasta_manifest *manifest, struct pasta_err *err)
{
    static const struct { enum pasta_table_style style; const char *ending; } styles[] = {
        {PASTA_TABLE_MARKDOWN, "md"}, {PASTA_TABLE_CSV, "csv"}, {PASTA_TABLE_JSON, "json"}};
    struct pasta_str text = {0};
    char *folder = pasta_path_join(e->context->out, "tables");
    pasta_status status = pasta_mkdirs(folder, err);
    free(folder);
    for (int i = 0; i < e->results.n_tables && status == PASTA_OK; i++)
        for (size_t s = 0; s < sizeof styles / sizeof *styles && status == PASTA_OK; s++) {
            char *name = pasta_asprintf("tables/%s.%s", e->results.tables[i].key, styles[s].ending);
            pasta_str_clear(&text);
            pasta_table_print(&e->results.tables[i], styles[s].style, &text);
            status = write_file(e, manifest, name, &text, err);
            free(name);
        }
    for (int json = 0; json < 2 && status == PASTA_OK; json++) {
        pasta_str_clear(&text);
        print_tables(&e->results, json, &text);
        status = write_file(e, manifest, json ? "tables/all.json" : "tables/all.txt", &text, err);
    }
    pasta_str_release(&text);
    return status;
}

static pasta_status write_manifest(const struct evaluate *e, struct pasta_manifest *manifest, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    pasta_manifest_library(manifest, "libtorch", pt_version());
    for (int i = 0; i < e->n_inputs && status == PASTA_OK; i++)
        status = pasta_manifest_input(manifest, e->inputs[i].path, err);
    for (int i = 0; i < e->played.n && status == PASTA_OK; i++) {
        char *name = pasta_asprintf("sessions-%s.jsonl", e->played.agents[i].name);
        status = pasta_manifest_output(manifest, e->context->out, name, err);
        free(name);
    }
    pasta_manifest_count(manifest, "user_models", user_models.count);
    pasta_manifest_count(manifest, "held_out_people", e->held_out.n_people);
    pasta_manifest_count(manifest, "held_out_turns", e->held_out.n_turns);
    pasta_manifest_count(manifest, "agents", e->played.n);
    pasta_manifest_count(manifest, "sessions_played", e->played.n * e->played.raters);
    return status == PASTA_OK ? pasta_manifest_write(manifest, e->context->out, err) : status;
}

static pasta_status show(const struct evaluate *e, struct pasta_err *err)
{
    char *path = pasta_path_join(e->context->out, e->context->json ? "tables/all.json" : "tables/all.txt");
    struct pasta_str text = {0};
    pasta_status status = pasta_file_read(path, &text, err);
    if (status == PASTA_OK)
        fputs(text.data, stdout);
    pasta_str_release(&text);
    free(path);
    return status;
}

/* --- the work --- */

static pasta_status evaluate_all(struct evaluate *e, struct pasta_err *err)
{
    struct pasta_context *context = e->context;
    struct evaluate_results *r = &e->results;
    pasta_status status = PASTA_OK;
    *r = (struct evaluate_results){.context = context, .metric_runs = e->metrics, .metrics = &e->curves, .sketch = e->sketch};

    if (e->n_users) {
        struct pasta_progress progress;
        pasta_progress_init(&progress, "user models", "models", e->n_users);
        for (int i = 0; i < e->n_users && status == PASTA_OK; i++) {
            if (pasta_stop_asked())
                status = pasta_fail(err, PASTA_ERR_STOPPED, "stopped; --resume goes on from here");
            else
                status = evaluate_user_predict(&e->users[i], &e->held_out, context->threads, err);
            pasta_progress_add(&progress, 1);
        }
        pasta_progress_done(&progress);
        r->held_out = &e->held_out;
        r->users = e->users;
        r->n_users = e->n_users;
        r->people = pasta_bootstrap_new(context->config.seed, e->held_out.n_people, context->config.evaluate.bootstrap);
    }
    if (status == PASTA_OK && e->played.n) {
        status = evaluate_agents_run(&e->played, err);
        r->agents = &e->played;
        r->raters = pasta_bootstrap_new(context->config.seed, e->played.raters, context->config.evaluate.bootstrap);
    }
    if (status == PASTA_OK)
        evaluate_tables_make(r);
    return status;
}

static pasta_status write_all(struct evaluate *e, struct pasta_err *err)
{
    struct pasta_manifest *manifest = pasta_manifest_new(e->context->command->name, e->context->argc, e->context->argv, &e->context->config);
    struct pasta_str html = {0};
    pasta_status status = evaluate_report_make(&e->results, e->facts, e->n_facts, &html, err);
    if (status == PASTA_OK)
        status = write_file(e, manifest, "report.html", &html, err);
    if (status == PASTA_OK)
        status = write_tables(e, manifest, err);
    if (status == PASTA_OK)
        status = write_manifest(e, manifest, err);
    pasta_str_release(&html);
    pasta_manifest_free(manifest);
    return status;
}

/* What a run of this kind writes, the sessions of agents of an earlier run included. */
static const char *const *owned_names(struct evaluate *e)
{
    static const char *const fixed[] = {"manifest.json", "report.html", "settings.json", "tables/", "parts/"};
    enum { FIXED = sizeof fixed / sizeof *fixed };
    char *pattern = pasta_path_join(e->context->out, "sessions-*.jsonl");
    glob_t found = {0};
    size_t n = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    const char **names = pasta_arena_alloc(&e->arena, (FIXED + n + 1) * sizeof *names);
    memcpy(names, fixed, sizeof fixed);
    for (size_t i = 0; i < n; i++)
        names[FIXED + i] = tail_of(found.gl_pathv[i], &e->arena);
    globfree(&found);
    free(pattern);
    return names;
}

static pasta_status evaluate(struct evaluate *e, struct pasta_err *err)
{
    struct pasta_context *context = e->context;
    bool complete = false;
    pasta_status status;
    if ((status = pasta_run_dir(context->out, context->force, context->resume, owned_names(e), &complete, err)) != PASTA_OK ||
        (status = pasta_run_stamp(context, e->inputs, e->n_inputs, err)) != PASTA_OK)
        return status;
    if (complete)
        pasta_info("'%s' is complete: nothing to do", context->out);
    else if ((status = evaluate_all(e, err)) != PASTA_OK || (status = write_all(e, err)) != PASTA_OK)
        return status;
    return show(e, err);
}

static void plan(const struct evaluate *e)
{
    double sessions_played = (double)(e->played.n * e->played.raters), turns = sessions_played * (double)e->played.horizon;
    const struct pasta_plan_row rows[] = {
        {"user_models", "", user_models.count}, {"held_out_people", "", (double)e->held_out.n_people},
        {"held_out_pairs", "", (double)e->held_out.pairs.n}, {"held_out_ratings", "", (double)e->held_out.ratings.n},
        {"held_out_sessions", "", (double)e->held_out.sessions.n}, {"agents", "", e->played.n}, {"raters", "", (double)e->played.raters},
        {"sessions", "", sessions_played}, {"turns", "", turns},
        {"candidates_scored", "", turns * (double)e->context->config.agent.candidates},
        {"resamples", "", (double)e->context->config.evaluate.bootstrap}};
    pasta_plan_print(rows, sizeof rows / sizeof *rows, e->context->json);
}

static void release(struct evaluate *e)
{
    evaluate_tables_release(&e->results);
    pasta_bootstrap_free(e->results.people);
    pasta_bootstrap_free(e->results.raters);
    for (int i = 0; i < e->n_users; i++)
        evaluate_user_release(&e->users[i]);
    evaluate_metrics_release(&e->curves);
    free(e->users);
    evaluate_agents_release(&e->played);
    evaluate_held_out_release(&e->held_out);
    pasta_sketch_close(e->sketch);
    pasta_arena_release(&e->arena);
}

static pasta_status run(struct pasta_context *context, struct pasta_err *err)
{
    struct evaluate e = {.context = context};
    char *standard = pasta_data_path("prompts/sketch.txt");
    pasta_status status = check_usage(&e, err);
    if (status == PASTA_OK)
        status = load(&e, prompts ? prompts : standard, err);
    if (status == PASTA_OK && context->dry_run)
        plan(&e);
    else if (status == PASTA_OK)
        status = evaluate(&e, err);
    release(&e);
    free(standard);
    return status;
}

static const char *libraries(void)
{
    static char text[300];
    snprintf(text, sizeof text, "libtorch %s\n%s", pt_version(), pasta_blas_describe());
    return text;
}

static const struct pasta_option options[] = {
    {"user-model", PASTA_OPT_STRINGS, &user_models, "[NAME=]DIR", "a trained user model; repeatable, compared last against first", NULL},
    {"features", PASTA_OPT_STRING, &features, "DIR", "embeddings of the held-out images and prompts (pasta-embed)", NULL},
    {"sessions", PASTA_OPT_STRING, &sessions, "FILE", "held-out sessions", NULL},
    {"preferences", PASTA_OPT_STRING, &preferences, "FILE", "held-out single-turn preferences", NULL},
    {"ratings", PASTA_OPT_STRING, &ratings, "FILE", "held-out single-turn ratings", NULL},
    {"agent", PASTA_OPT_STRINGS, &agents, "NAME=DIR", "a trained agent (pasta-train-pasta), to meet fresh raters beside random, baseline and oracle; repeatable", NULL},
    {"prompts", PASTA_OPT_STRING, &prompts, "FILE", "first prompts of its sessions: .txt, .tsv or .jsonl, also .gz (data/prompts/sketch.txt)", NULL},
    {"metrics", PASTA_OPT_STRINGS, &metrics, "NAME=DIR", "a training run whose curves go into the report; repeatable", NULL},
    {0}};

static const struct pasta_command command = {
    .name = "pasta-evaluate",
    .summary = "user models on held-out people, and agents against fresh sketch raters",
    .examples = "  pasta-evaluate --config configs/sketch.json --user-model K1=runs/user-1 --user-model K8=runs/user-8 --features runs/held-out-features \\\n"
                "      --sessions runs/held-out/sessions.jsonl --agent PASTA=runs/pasta --out runs/evaluate\n"
                "  pasta-evaluate --agent PASTA=runs/pasta --set evaluate.raters=1000 --out runs/agents\n"
                "  pasta-evaluate --prompts my.txt --out runs/baselines\n",
    .options = options,
    .prepare = pasta_blas_ensure,
    .libraries = libraries};

int main(int argc, char **argv)
{
    return pasta_command_main(&command, argc, argv, run);
}
