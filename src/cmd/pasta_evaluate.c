/* pasta-evaluate: user models on held-out people, agents against fresh sketch raters, and the people of a study. What is given decides what
 * is evaluated. */
#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "evaluate.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/io/manifest.h"
#include "plan.h"
#include "run_stamp.h"
#include "record_files.h"
#include "torch_command.h"

static struct evaluate_inputs in;

struct evaluate {
    struct pasta_context *context;
    struct pasta_sketch *sketch;
    struct pasta_features *features;
    struct evaluate_held_out held_out, validation;
    struct evaluate_user plain;
    struct evaluate_user *users;
    int n_users; /* opened */
    struct evaluate_metrics curves;
    struct evaluate_agents played;
    struct evaluate_offline offline;
    struct evaluate_raters rated;
    struct evaluate_results results;
};

static pasta_status open_users(struct evaluate *e, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    e->users = pasta_calloc((size_t)in.n_user_models, sizeof *e->users);
    for (int i = 0; i < in.n_user_models; i++, e->n_users++) {
        if ((status = evaluate_user_open(&in.user_models[i], &e->held_out, &e->users[i], err)) != PASTA_OK)
            return status;
        for (int j = 0; j < i; j++)
            if (strcasecmp(e->users[i].name, e->users[j].name) == 0) {
                e->n_users++;
                return pasta_fail(err, PASTA_ERR_USAGE, "--user-model: '%s' and '%s' are both called '%s': give them names, NAME=DIR",
                                  e->users[j].dir, e->users[i].dir, e->users[i].name);
            }
    }
    return status;
}

/* Reads and loads everything, so that what is broken is found before anything is made. */
static pasta_status load(struct evaluate *e, struct pasta_err *err)
{
    const struct pasta_config *config = &e->context->config;
    pasta_status status;
    if (in.raters.count) {
        status = evaluate_raters_open(e->context, &in, &e->rated, err);
        return status == PASTA_OK ? evaluate_inputs_list(&in, config, err) : status;
    }
    status = pasta_sketch_open(&config->world, &config->agent, &e->sketch, err);
    if (status == PASTA_OK && in.n_user_models)
        status = pasta_features_open(in.features, &e->features, err);
    if (status == PASTA_OK && in.n_user_models)
        status = evaluate_held_out_read(&in.answers, in.user_models, in.n_user_models, e->features, e->sketch, config, &e->held_out, err);
    if (status == PASTA_OK && in.validation)
        status = evaluate_held_out_read(&(struct evaluate_answers){.preferences = in.validation}, in.user_models, in.n_user_models,
                                        e->features, NULL, config, &e->validation, err);
    if (status == PASTA_OK && in.n_user_models)
        status = open_users(e, err);
    for (int i = 0; i < in.n_metrics && status == PASTA_OK; i++)
        status = evaluate_metrics_read(&e->curves, i, in.metrics[i].dir, err);
    if (status == PASTA_OK && in.played.count)
        status = evaluate_played_open(e->context, e->sketch, &in, &e->played, err);
    else if (status == PASTA_OK && in.logged.count)
        status = evaluate_offline_open(e->context, &in, &e->offline, err);
    else if (status == PASTA_OK && in.prompts_path)
        status = evaluate_agents_open(e->context, e->sketch, &in, &e->played, err);
    return status == PASTA_OK ? evaluate_inputs_list(&in, config, err) : status;
}

/* --- what comes out --- */

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
        {PASTA_TABLE_MARKDOWN, "md"}, {PASTA_TABLE_CSV, "csv"}, {PASTA_TABLE_JSON, "json"}, {PASTA_TABLE_LATEX, "tex"}};
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
        evaluate_tables_print(&e->results, json, &text);
        status = write_file(e, manifest, json ? "tables/all.json" : "tables/all.txt", &text, err);
    }
    pasta_str_release(&text);
    return status;
}

/* Whom other stages may want to leave out. */
static pasta_status write_suspicious(const struct evaluate *e, struct pasta_manifest *manifest, struct pasta_err *err)
{
    struct pasta_str text = {0};
    if (!e->results.rated)
        return PASTA_OK;
    evaluate_raters_list(&e->rated, &text);
    const pasta_status status = write_file(e, manifest, "suspicious.txt", &text, err);
    pasta_str_release(&text);
    pasta_manifest_count(manifest, "raters", e->rated.crowds[EVALUATE_ALL].study->n);
    pasta_manifest_count(manifest, "raters_suspicious", e->rated.verdicts->suspicious);
    pasta_manifest_count(manifest, "raters_left_out", e->rated.left_out);
    pasta_manifest_count(manifest, "rated_sessions", (int64_t)e->rated.sessions.n);
    return status;
}

static pasta_status write_manifest(const struct evaluate *e, struct pasta_manifest *manifest, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    torch_manifest(manifest);
    for (int i = 0; i < in.n_files && status == PASTA_OK; i++)
        status = pasta_manifest_input(manifest, in.files[i].path, err);
    for (int i = 0; i < e->played.n && !e->played.n_runs && status == PASTA_OK; i++) {
        char *name = pasta_asprintf("sessions-%s.jsonl", e->played.agents[i].name);
        status = pasta_manifest_output(manifest, e->context->out, name, err);
        free(name);
    }
    pasta_manifest_count(manifest, "user_models", in.n_user_models);
    pasta_manifest_count(manifest, "held_out_people", e->held_out.n_people);
    pasta_manifest_count(manifest, "held_out_turns", e->held_out.n_turns);
    if (e->held_out.n_people) {
        const struct evaluate_split *split = &e->held_out.split;
        pasta_manifest_split(manifest, "people_evaluated", &split->evaluated[EVALUATE_PEOPLE]);
        pasta_manifest_split(manifest, "people_trained_on", &split->trained[EVALUATE_PEOPLE]);
        pasta_manifest_split(manifest, "prompts_evaluated", &split->evaluated[EVALUATE_PROMPTS]);
        pasta_manifest_split(manifest, "prompts_trained_on", &split->trained[EVALUATE_PROMPTS]);
    }
    pasta_manifest_count(manifest, "agents", e->played.n + e->offline.n);
    pasta_manifest_count(manifest, "logged_sessions", (int64_t)e->offline.sessions.n);
    pasta_manifest_count(manifest, "logged_sessions_left_out", e->offline.left_out);
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

static pasta_status predict_all(struct evaluate *e, struct pasta_err *err)
{
    const int threads = e->context->threads;
    struct pasta_progress progress;
    pasta_status status = PASTA_OK;
    pasta_progress_init(&progress, "user models", "models", e->n_users);
    evaluate_user_plain(&e->held_out, &e->plain);
    for (int i = -1; i < e->n_users && status == PASTA_OK; i++) {
        struct evaluate_user *u = i < 0 ? &e->plain : &e->users[i];
        if (pasta_stop_asked())
            status = pasta_fail(err, PASTA_ERR_STOPPED, "stopped; --resume goes on from here");
        else
            status = evaluate_user_predict(u, &e->held_out, threads, err);
        if (status == PASTA_OK && in.validation)
            status = evaluate_user_tune(u, &e->held_out, &e->validation, threads, err);
        pasta_progress_add(&progress, i >= 0);
    }
    pasta_progress_done(&progress);
    return status;
}

static void align_types(struct evaluate_results *r)
{
    const struct evaluate_user *first = NULL;
    r->alignments = pasta_calloc((size_t)r->n_users, sizeof *r->alignments);
    for (int i = 0; i < r->n_users; i++)
        if (r->users[i].model->n_types > 1) {
            if (first)
                r->alignments[r->n_alignments++] = evaluate_align(r->held_out, first, &r->users[i]);
            else
                first = &r->users[i];
        }
}

static pasta_status evaluate_all(struct evaluate *e, struct pasta_err *err)
{
    struct pasta_context *context = e->context;
    struct evaluate_results *r = &e->results;
    pasta_status status = PASTA_OK;
    *r = (struct evaluate_results){.context = context, .metric_runs = in.metrics, .metrics = &e->curves, .sketch = e->sketch,
                                    .image_root = in.image_root};

    if (e->n_users) {
        status = predict_all(e, err);
        r->held_out = &e->held_out;
        r->users = e->users;
        r->plain = &e->plain;
        r->n_users = e->n_users;
        r->people = pasta_bootstrap_new(context->config.seed, e->held_out.n_people, context->config.evaluate.bootstrap);
        r->clusters = strcmp(context->config.evaluate.clusters, "people") == 0
                          ? r->people
                          : pasta_bootstrap_new(context->config.seed, e->held_out.n_clusters, context->config.evaluate.bootstrap);
    }
    if (status == PASTA_OK && e->n_users)
        align_types(r);
    if (status == PASTA_OK && e->played.n) {
        status = evaluate_agents_run(&e->played, err);
        r->agents = &e->played;
        r->raters = pasta_bootstrap_new(context->config.seed, e->played.raters, context->config.evaluate.bootstrap);
    }
    if (status == PASTA_OK && e->offline.n) {
        status = evaluate_offline_run(&e->offline, err);
        r->offline = &e->offline;
        r->loggers = pasta_bootstrap_new(context->config.seed, e->offline.people, context->config.evaluate.bootstrap);
    }
    r->rated = e->rated.verdicts ? &e->rated : NULL;
    if (status == PASTA_OK)
        evaluate_tables_make(r);
    return status;
}

static pasta_status write_all(struct evaluate *e, struct pasta_err *err)
{
    struct pasta_manifest *manifest = pasta_manifest_new(e->context->command->name, e->context->argc, e->context->argv,
                                                         &e->context->config);
    struct pasta_str html = {0};
    pasta_status status = evaluate_report_make(&e->results, in.facts, in.n_facts, &html, err);
    if (status == PASTA_OK)
        status = write_file(e, manifest, "report.html", &html, err);
    if (status == PASTA_OK)
        status = write_tables(e, manifest, err);
    if (status == PASTA_OK)
        status = write_suspicious(e, manifest, err);
    if (status == PASTA_OK)
        status = write_manifest(e, manifest, err);
    pasta_str_release(&html);
    pasta_manifest_free(manifest);
    return status;
}

static int is_sessions(const struct dirent *entry)
{
    return fnmatch("sessions-*.jsonl", entry->d_name, 0) == 0;
}

/* What a run of this kind writes, the sessions of agents of an earlier run included. In `arena`. */
static const char *const *owned_names(const char *out, struct pasta_arena *arena)
{
    static const char *const fixed[] = {"manifest.json", "report.html", "settings.json", "suspicious.txt", "tables/", "parts/"};
    enum { FIXED = sizeof fixed / sizeof *fixed };
    struct dirent **found = NULL;
    const int listed = scandir(out, &found, is_sessions, alphasort), n = listed > 0 ? listed : 0;
    const char **names = pasta_arena_alloc(arena, (FIXED + (size_t)n + 1) * sizeof *names);
    memcpy(names, fixed, sizeof fixed);
    for (int i = 0; i < n; i++) {
        names[FIXED + i] = pasta_arena_strdup(arena, found[i]->d_name);
        free(found[i]);
    }
    free(found);
    return names;
}

static pasta_status evaluate(struct evaluate *e, struct pasta_err *err)
{
    struct pasta_context *context = e->context;
    const char *const *owned = owned_names(context->out, &in.arena);
    struct pasta_stamp_input *stamps = pasta_arena_alloc(&in.arena, ((size_t)in.n_files + 1) * sizeof *stamps);
    bool complete = false;
    pasta_status status;
    for (int i = 0; i < in.n_files; i++)
        stamps[i] = (struct pasta_stamp_input){in.files[i].name, in.files[i].path};
    if ((status = pasta_run_dir(context->out, context->force, context->resume, owned, &complete, err)) != PASTA_OK ||
        (status = pasta_run_stamp(context, stamps, in.n_files, err)) != PASTA_OK)
        return status;
    if (complete)
        pasta_info("'%s' is complete: nothing to do", context->out);
    else if ((status = evaluate_all(e, err)) != PASTA_OK || (status = write_all(e, err)) != PASTA_OK)
        return status;
    return show(e, err);
}

static void plan(const struct evaluate *e)
{
    if (in.raters.count) {
        evaluate_raters_plan(&e->rated, e->context);
        return;
    }
    double sessions_played = (double)(e->played.n * e->played.raters), turns = sessions_played * (double)e->played.horizon;
    const struct pasta_plan_row rows[] = {
        {"user_models", "", in.n_user_models}, {"held_out_people", "", (double)e->held_out.n_people},
        {"held_out_pairs", "", (double)e->held_out.pairs.n}, {"held_out_ratings", "", (double)e->held_out.ratings.n},
        {"held_out_rankings", "", (double)e->held_out.rankings.n}, {"held_out_sessions", "", (double)e->held_out.sessions.n}, {"agents", "", e->played.n + e->offline.n}, {"raters", "", (double)e->played.raters},
        {"sessions", "", sessions_played}, {"turns", "", turns},
        {"candidates_scored", "", turns * (double)e->context->config.agent.candidates},
        {"logged_sessions", "", (double)e->offline.sessions.n}, {"logged_sessions_left_out", "", (double)e->offline.left_out},
        {"resamples", "", (double)e->context->config.evaluate.bootstrap}};
    pasta_plan_print(rows, sizeof rows / sizeof *rows, e->context->json);
}

static void release(struct evaluate *e)
{
    evaluate_tables_release(&e->results);
    for (int i = 0; i < e->results.n_alignments; i++)
        evaluate_alignment_release(&e->results.alignments[i]);
    free(e->results.alignments);
    if (e->results.clusters != e->results.people)
        pasta_bootstrap_free(e->results.clusters);
    pasta_bootstrap_free(e->results.people);
    pasta_bootstrap_free(e->results.raters);
    pasta_bootstrap_free(e->results.loggers);
    for (int i = 0; i < e->n_users; i++)
        evaluate_user_release(&e->users[i]);
    evaluate_metrics_release(&e->curves);
    free(e->users);
    evaluate_agents_release(&e->played);
    evaluate_offline_release(&e->offline);
    evaluate_raters_release(&e->rated);
    evaluate_user_release(&e->plain);
    evaluate_held_out_release(&e->held_out);
    evaluate_held_out_release(&e->validation);
    pasta_features_close(e->features);
    pasta_sketch_close(e->sketch);
    evaluate_inputs_release(&in);
}

static pasta_status run(struct pasta_context *context, struct pasta_err *err)
{
    struct evaluate e = {.context = context};
    pasta_status status = evaluate_inputs_check(&in, err);
    if (status == PASTA_OK)
        status = load(&e, err);
    if (status == PASTA_OK && context->dry_run)
        plan(&e);
    else if (status == PASTA_OK)
        status = evaluate(&e, err);
    release(&e);
    return status;
}

static const struct pasta_option options[] = {
    {"user-model", PASTA_OPT_STRINGS, &in.user_model_flags, "[NAME=]DIR", "a trained user model; repeatable, compared last against first",
     NULL},
    {"rankings", PASTA_OPT_STRING, &in.answers.rankings, "FILE", "held-out rankings of images", NULL},
    {"validation", PASTA_OPT_STRING, &in.validation, "FILE",
     "preferences that choose the threshold for ties; without it, one half of the people chooses the other's", NULL},
    {"features", PASTA_OPT_STRING, &in.features, "DIR", "embeddings of the held-out images and prompts (pasta-embed)", NULL},
    {"sessions", PASTA_OPT_STRING, &in.answers.sessions, "FILE", "held-out sessions", NULL},
    {"preferences", PASTA_OPT_STRING, &in.answers.preferences, "FILE", "held-out single-turn preferences", NULL},
    {"ratings", PASTA_OPT_STRING, &in.answers.ratings, "FILE", "held-out single-turn ratings", NULL},
    {"image-root", PASTA_OPT_STRING, &in.image_root, "DIR",
     "the folder above images/ of the held-out answers, for the report; without it, what the sketch world can draw again", NULL},
    {"agent", PASTA_OPT_STRINGS, &in.agent_flags, "NAME=DIR",
     "a trained agent (pasta-train-pasta), to meet fresh raters beside random, baseline and oracle; repeatable", NULL},
    {"played", PASTA_OPT_STRINGS, &in.played, "DIR",
     "an earlier evaluation, whose sessions count instead of new ones; repeatable: several seeds become one", NULL},
    {"myopic", PASTA_OPT_STRINGS, &in.myopic_flags, "NAME=DIR", "an agent that shows what this user model expects to be liked; repeatable", NULL},
    {"sampling", PASTA_OPT_STRINGS, &in.sampling_flags, "NAME=DIR", "the same by one user type drawn from the posterior each turn; repeatable",
     NULL},
    {"logged", PASTA_OPT_STRINGS, &in.logged, "FILE",
     "sessions that another agent played while it explored: what would each --agent have got? Nobody plays then; repeatable", NULL},
    {"prompts", PASTA_OPT_STRING, &in.prompts, "FILE",
     "first prompts of its sessions: .txt, .tsv or .jsonl, also .gz (data/prompts/sketch.txt)", NULL},
    {"raters", PASTA_OPT_STRINGS, &in.raters, "FILE",
     "sessions of a study's people: who answers without care, and results with and without them (config keys raters.*); repeatable", NULL},
    {"without", PASTA_OPT_STRING, &in.without, "FILE", "ids of raters to leave out of --raters, a line each, as in suspicious.txt", NULL},
    {"metrics", PASTA_OPT_STRINGS, &in.metric_flags, "NAME=DIR", "a training run whose curves go into the report; repeatable", NULL},
    RECORDS_SKIP_BAD,
    {0}};

static const struct pasta_command command = {
    .name = "pasta-evaluate",
    .summary = "user models on held-out people, agents against fresh sketch raters, and the care of a study's raters",
    .examples = "  pasta-evaluate --config configs/sketch.json --user-model K1=runs/user-1 --user-model K8=runs/user-8 --features "
                "runs/held-out-features \\\n"
                "      --sessions runs/held-out/sessions.jsonl --agent PASTA=runs/pasta --out runs/evaluate\n"
                "  pasta-evaluate --agent PASTA=runs/pasta --set evaluate.raters=1000 --out runs/agents\n"
                "  pasta-evaluate --prompts my.txt --out runs/baselines\n"
                "  pasta-evaluate --logged runs/explored/sessions.jsonl --agent PASTA=runs/pasta --out runs/offline\n"
                "  pasta-evaluate --played runs/evaluate-1 --played runs/evaluate-2 --out runs/pooled\n"
                "  pasta-evaluate --raters runs/study/sessions.jsonl --out runs/raters\n"
                "  pasta-evaluate --raters runs/study/sessions.jsonl --without runs/raters/suspicious.txt --out runs/careful\n",
    .options = options,
    TORCH_COMMAND};

int main(int argc, char **argv)
{
    return pasta_command_main(&command, argc, argv, run);
}
