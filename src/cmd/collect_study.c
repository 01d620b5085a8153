#include "collect_study.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arms.h"
#include "collected_report.h"
#include "pasta/agent/collected.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/io/manifest.h"
#include "pasta/study/server.h"
#include "pasta/study/status.h"
#include "plan.h"
#include "run_stamp.h"
#include "services.h"

/* What serving and finishing need alike. */
struct opened {
    struct pasta_prompts prompts;
    struct pasta_backends *backends;
    struct arms *arms;
    const char **names;              /* [arms] */
    struct pasta_rollout *rollouts;  /* [arms] */
    char *consent_path;
    struct pasta_str consent;
    struct pasta_stamp_input *inputs;
    int n_inputs;
    struct pasta_study_design design;
};

static void close_all(struct opened *o)
{
    arms_close(o->arms);
    pasta_backends_close(o->backends);
    pasta_prompts_release(&o->prompts);
    pasta_str_release(&o->consent);
    free(o->consent_path);
    free(o->names);
    free(o->rollouts);
    free(o->inputs);
}

static pasta_status lay_out(const struct pasta_config *config, struct opened *o, struct pasta_err *err)
{
    const struct pasta_collect_settings *set = &config->collect;
    const struct pasta_study_settings *study = &config->study;
    const int n = arms_count(o->arms);
    if (n > PASTA_STUDY_MAX_ARMS)
        return pasta_fail(err, PASTA_ERR_USAGE, "--arm: expected at most %d, found %d", PASTA_STUDY_MAX_ARMS, n);
    if (set->sessions > PASTA_STUDY_MAX_PLACES)
        return pasta_fail(err, PASTA_ERR_USAGE, "collect.sessions: expected at most %d of people, found %lld", PASTA_STUDY_MAX_PLACES,
                          (long long)set->sessions);
    if (set->sessions < 1 || set->sessions % n)
        return pasta_fail(err, PASTA_ERR_USAGE, "collect.sessions: expected a multiple of the %d arms, found %lld", n, (long long)set->sessions);
    if (set->sessions > set->raters * study->sessions_per_rater)
        return pasta_fail(err, PASTA_ERR_USAGE,
                          "collect.sessions: expected at most %lld, from collect.raters (%lld) with study.sessions_per_rater (%lld) each, found %lld",
                          (long long)(set->raters * study->sessions_per_rater), (long long)set->raters, (long long)study->sessions_per_rater,
                          (long long)set->sessions);
    if (*study->public_url && !pasta_starts_with(study->public_url, "https://") && !pasta_starts_with(study->public_url, "http://"))
        return pasta_fail(err, PASTA_ERR_USAGE, "study.public_url: expected a URL, as https://study.example.org, found '%s'", study->public_url);
    o->design = (struct pasta_study_design){
        .seed = config->seed, .n_arms = n, .arms = o->names, .places = set->sessions, .raters = (uint32_t)set->raters,
        .first_rater = (uint32_t)set->first_rater, .sessions_per_rater = (int)study->sessions_per_rater, .horizon = (int)config->agent.horizon,
        .attention_rate = study->attention_rate, .repeat_rate = study->repeat_rate, .idle_seconds = 60 * study->idle_minutes};
    return PASTA_OK;
}

/* What the rollouts ask: again once services_begin has replaced the back ends. A rater who is a person answers in their own time: the rollout
 * needs to know only whose records these are. */
static void take_backends(const struct pasta_context *context, struct opened *o)
{
    for (int i = 0; i < arms_count(o->arms); i++)
        o->rollouts[i] = (struct pasta_rollout){
            .settings = &context->config.agent, .generator = pasta_backends_generator(o->backends), .t2i = pasta_backends_t2i(o->backends),
            .policy = arms_policy(o->arms, i), .rater = {.source = PASTA_SOURCE_HUMAN}, .seed = context->config.seed,
            .image_root = context->out, .at_once = services_images(&context->config) ? (int)context->config.http.in_flight : 0};
}

static pasta_status make_rollouts(const struct pasta_context *context, struct opened *o, struct pasta_err *err)
{
    const int n = arms_count(o->arms);
    o->names = pasta_calloc((size_t)n, sizeof *o->names);
    o->rollouts = pasta_calloc((size_t)n, sizeof *o->rollouts);
    take_backends(context, o);
    for (int i = 0; i < n; i++)
        o->names[i] = o->rollouts[i].policy.name;
    return pasta_rollout_check(&o->rollouts[0], err);
}

static void list_inputs(const struct collect_study *study, struct opened *o)
{
    const struct pasta_world_settings *world = &study->context->config.world;
    const struct pasta_stamp_input files[] = {{"prompts", study->prompts_path}, {"lexicon", world->lexicon}, {"consent", o->consent_path}};
    const int n = (int)(sizeof files / sizeof *files);
    o->inputs = pasta_calloc((size_t)n + SERVICES_INPUTS + ARMS_STAMPS * (size_t)arms_count(o->arms), sizeof *o->inputs);
    for (int i = 0; i < n; i++)
        o->inputs[o->n_inputs++] = files[i];
    services_stamp(&study->context->config, o->inputs + o->n_inputs);
    o->n_inputs += SERVICES_INPUTS;
    o->n_inputs += arms_stamp(o->arms, o->inputs + o->n_inputs);
}

static pasta_status open_all(const struct collect_study *study, struct opened *o, struct pasta_err *err)
{
    struct pasta_context *context = study->context;
    const struct pasta_config *config = &context->config;
    pasta_status status;

    o->consent_path = *config->study.consent ? pasta_strdup(config->study.consent) : pasta_data_path("study/consent.txt");
    if ((status = pasta_prompts_read(study->prompts_path, &o->prompts, err)) == PASTA_OK &&
        (status = pasta_file_read(o->consent_path, &o->consent, err)) == PASTA_OK &&
        (status = services_open(context, &o->backends, err)) == PASTA_OK &&
        (status = arms_open(context, study->arms, (int)config->study.preparers, &o->arms, err)) == PASTA_OK &&
        (status = make_rollouts(context, o, err)) == PASTA_OK && (status = lay_out(config, o, err)) == PASTA_OK)
        list_inputs(study, o);
    if (status == PASTA_OK && (!pasta_utf8_valid(o->consent.data, o->consent.length) || strspn(o->consent.data, " \t\r\n") == o->consent.length))
        status = pasta_fail(err, PASTA_ERR_INPUT, "study.consent: '%s': expected a text in UTF-8 that raters agree to, found another or none",
                            o->consent_path);
    return status;
}

/* --- the end --- */

static pasta_status write_manifest(const struct collect_study *study, const struct opened *o, struct pasta_err *err)
{
    static const char *const outputs[] = {"sessions.jsonl", "journal.jsonl", "prompts.txt", "settings.json"};
    const struct pasta_context *context = study->context;
    struct pasta_manifest *manifest = pasta_manifest_new(context->command->name, context->argc, context->argv, &context->config);
    struct pasta_collected found;
    pasta_status status = pasta_collected_scan(context->out, "prompts.txt", &found, err);

    if (status == PASTA_OK) {
        pasta_manifest_count(manifest, "sessions", found.sessions);
        pasta_manifest_count(manifest, "images", found.images);
    }
    services_note(o->backends, manifest);
    if (status == PASTA_OK)
        status = pasta_stamp_manifest(o->inputs, o->n_inputs, manifest, err);
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs && status == PASTA_OK; i++)
        status = pasta_manifest_output(manifest, context->out, outputs[i], err);
    if (status == PASTA_OK)
        status = pasta_manifest_write(manifest, context->out, err);
    pasta_manifest_free(manifest);
    return status;
}

/* --- serving --- */

static void listening(void *ctx, const char *url)
{
    const struct pasta_context *context = ctx;
    printf("%s\n", url);
    fflush(stdout);
    if (!pasta_starts_with(url, "http://127.") && !pasta_starts_with(url, "http://[::1]") && !*context->config.study.public_url)
        pasta_warn("'%s' is no loopback address: links and answers travel in the clear; serve TLS in front, and set study.public_url", url);
    pasta_info("the raters' links are in '%s/links.tsv'; Ctrl-C stops, --resume goes on", context->out);
}

static pasta_status serve(const struct collect_study *study, struct opened *o, const struct pasta_listener *listener, struct pasta_err *err)
{
    const struct pasta_study_service service = {
        .design = &o->design, .settings = &study->context->config.study, .rollouts = o->rollouts, .prompts = o->prompts.items,
        .n_prompts = (uint32_t)o->prompts.n, .consent = o->consent.data, .dir = study->context->out, .listener = listener,
        .listening = listening, .ctx = study->context};
    pasta_status status = services_begin(study->context, &o->backends, err);
    if (status != PASTA_OK)
        return status;
    take_backends(study->context, o);
    status = pasta_study_serve(&service, err);
    return status == PASTA_OK ? pasta_backends_finish(o->backends, err) : status;
}

static pasta_status plan(const struct opened *o, const struct pasta_context *context)
{
    const struct pasta_agent_settings *agent = &context->config.agent;
    const double turns = (double)o->design.places * o->design.horizon;
    const struct pasta_plan_row rows[] = {
        {"prompts", "", (double)o->prompts.n}, {"arms", "", o->design.n_arms}, {"raters", "", o->design.raters},
        {"sessions", "", (double)o->design.places}, {"turns", "", turns}, {"images", "", turns * (double)(agent->slate * agent->images)}};
    pasta_plan_print(rows, sizeof rows / sizeof *rows, context->json);
    return PASTA_OK;
}

/* What people answered is not given twice: --force takes the folder of a study only while nobody has answered. */
static pasta_status check_force(const struct pasta_context *context, struct pasta_err *err)
{
    int64_t answers = 0;
    const pasta_status status = context->force ? pasta_study_answers(context->out, &answers, err) : PASTA_OK;
    if (status != PASTA_OK || answers == 0)
        return status;
    return pasta_fail(err, PASTA_ERR_USAGE, "--force: '%s' holds %lld answers of people, which it does not remove; take another folder, go on with "
                      "--resume, or remove the folder yourself", context->out, (long long)answers);
}

static pasta_status carry_out(const struct collect_study *study, bool finish, struct pasta_err *err)
{
    static const char *const owned[] = {"manifest.json", "journal.jsonl", "sessions.jsonl", "links.tsv", "prompts.txt", "settings.json",
                                        "images/", "preferences.jsonl", "ratings.jsonl", "parts/", NULL}; /* of sketch raters, too */
    const struct pasta_context *context = study->context;
    struct opened o = {0};
    struct pasta_listener listener = {0};
    bool complete = false;
    int64_t sessions;
    pasta_status status = open_all(study, &o, err);

    if (status == PASTA_OK && !finish)
        status = pasta_backends_check(o.backends, o.prompts.items, o.prompts.n, &context->config.agent, err);
    if (status == PASTA_OK && !finish) /* before there is a folder: an address that cannot be had leaves nothing behind */
        status = pasta_listener_open(study->address, &listener, err);
    if (status == PASTA_OK && context->dry_run) {
        status = plan(&o, context);
    } else if (status == PASTA_OK && (status = pasta_study_unserved(context->out, err)) == PASTA_OK &&
               (status = check_force(context, err)) == PASTA_OK &&
               (status = pasta_run_dir(context->out, context->force && !finish, context->resume || finish, owned, &complete, err)) == PASTA_OK &&
               (status = pasta_run_stamp(context, o.inputs, o.n_inputs, err)) == PASTA_OK) {
        if (complete)
            pasta_info("'%s' is complete: nothing to do", context->out);
        else if ((status = finish ? pasta_study_finish(context->out, &sessions, err) : serve(study, &o, &listener, err)) == PASTA_OK)
            status = write_manifest(study, &o, err);
        if (status == PASTA_OK)
            status = collected_report(context, err);
    }
    pasta_listener_close(&listener);
    close_all(&o);
    return status;
}

pasta_status collect_study_serve(const struct collect_study *study, struct pasta_err *err)
{
    return carry_out(study, false, err);
}

pasta_status collect_study_finish(const struct collect_study *study, struct pasta_err *err)
{
    if (services.record)
        return pasta_fail(err, PASTA_ERR_USAGE, "--record: not with --finish, which asks no service; what was replied is in the cache");
    return carry_out(study, true, err);
}

pasta_status collect_study_status(const struct pasta_context *context, struct pasta_err *err)
{
    struct pasta_str text = {0};
    char *manifest = pasta_path_join(context->out, "manifest.json");
    const pasta_status status = pasta_study_status(context->out, context->json, &text, err);
    if (status == PASTA_OK)
        fputs(text.data, stdout);
    if (status == PASTA_OK && !context->json && pasta_file_exists(manifest))
        puts("ended       the study takes no further answers: manifest.json is written");
    free(manifest);
    pasta_str_release(&text);
    return status;
}
