#include "collect_sketch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arms.h"
#include "collected_report.h"
#include "pasta/agent/collected.h"
#include "pasta/agent/image_store.h"
#include "pasta/agent/part_run.h"
#include "pasta/agent/single_turn.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/io/manifest.h"
#include "plan.h"
#include "run_stamp.h"
#include "services.h"

enum { SESSIONS_A_PART = 8, SINGLES_A_PART = 128 }; /* of the order of a second's work */
enum { FILES = 3 };                                /* inputs that every collection has */

struct collect {
    struct pasta_context *context;
    struct pasta_backends *backends;
    struct arms *arms; /* one */
    struct pasta_prompts prompts;
    struct pasta_rollout rollout;
    struct pasta_single_turn single;
    struct pasta_stamp_input inputs[FILES + SERVICES_INPUTS + ARMS_STAMPS];
    int n_inputs;
};

/* One person is dealt sessions, pairs and ratings alike, so user ids link them. */
static struct pasta_rollout_job deal(const struct collect *c, uint32_t index)
{
    const struct pasta_collect_settings *set = &c->context->config.collect;
    return pasta_rollout_deal(c->rollout.seed, index, (uint32_t)set->first_rater, (uint32_t)set->raters, c->prompts.items,
                              (uint32_t)c->prompts.n);
}

static pasta_status session_line(void *ctx, int64_t item, int worker, struct pasta_str *out, struct pasta_err *err)
{
    const struct collect *c = ctx;
    const struct pasta_rollout_job job = deal(c, (uint32_t)item);
    struct pasta_arena arena = {0};
    struct pasta_session session;
    (void)worker;

    const pasta_status status = pasta_rollout_session(&c->rollout, job.index, job.person, job.prompt, &arena, &session, err);
    if (status == PASTA_OK) {
        session.turn_utility = NULL; /* the truth about a sketch rater stays hidden, as a person's would */
        pasta_session_print(&session, out);
    }
    pasta_arena_release(&arena);
    return status;
}

static pasta_status pair_line(void *ctx, int64_t item, int worker, struct pasta_str *out, struct pasta_err *err)
{
    const struct collect *c = ctx;
    struct pasta_arena arena = {0};
    struct pasta_preference pair;
    (void)worker;

    const pasta_status status = pasta_single_pair(&c->single, deal(c, PASTA_PAIR_INDEX + (uint32_t)item), &arena, &pair, err);
    if (status == PASTA_OK)
        pasta_preference_print(&pair, out);
    pasta_arena_release(&arena);
    return status;
}

static pasta_status rating_line(void *ctx, int64_t item, int worker, struct pasta_str *out, struct pasta_err *err)
{
    const struct collect *c = ctx;
    struct pasta_arena arena = {0};
    struct pasta_rating rating;
    (void)worker;

    const pasta_status status = pasta_single_rating(&c->single, deal(c, PASTA_RATING_INDEX + (uint32_t)item), &arena, &rating, err);
    if (status == PASTA_OK)
        pasta_rating_print(&rating, out);
    pasta_arena_release(&arena);
    return status;
}

static pasta_status work(struct collect *c, struct pasta_err *err)
{
    const struct pasta_collect_settings *set = &c->context->config.collect;
    const struct {
        const char *name;
        int64_t items, part;
        pasta_status (*line)(void *, int64_t, int, struct pasta_str *, struct pasta_err *);
    } kinds[] = {{"sessions", set->sessions, SESSIONS_A_PART, session_line},
                 {"preferences", set->pairs, SINGLES_A_PART, pair_line},
                 {"ratings", set->ratings, SINGLES_A_PART, rating_line}};
    pasta_status status = PASTA_OK;

    for (size_t k = 0; k < sizeof kinds / sizeof *kinds && status == PASTA_OK; k++) {
        struct pasta_progress progress;
        pasta_progress_init(&progress, "collect", kinds[k].name, kinds[k].items);
        const struct pasta_part_run run = {.dir = c->context->out, .name = kinds[k].name, .items = kinds[k].items, .part = kinds[k].part,
                                           .threads = c->context->threads, .progress = &progress, .line = kinds[k].line, .ctx = c};
        status = pasta_part_run(&run, err);
        pasta_progress_done(&progress);
    }
    return status;
}

static pasta_status finish(struct collect *c, struct pasta_err *err)
{
    static const char *const outputs[] = {"sessions.jsonl", "preferences.jsonl", "ratings.jsonl", "prompts.txt", "settings.json"};
    const struct pasta_context *context = c->context;
    struct pasta_manifest *manifest = pasta_manifest_new(context->command->name, context->argc, context->argv, &context->config);
    struct pasta_collected found;

    pasta_status status = pasta_collected_scan(context->out, "prompts.txt", &found, err);
    if (status == PASTA_OK) {
        pasta_manifest_count(manifest, "sessions", found.sessions);
        pasta_manifest_count(manifest, "preferences", found.pairs);
        pasta_manifest_count(manifest, "ratings", found.ratings);
        pasta_manifest_count(manifest, "images", context->config.collect.save_images ? found.images : 0);
        services_note(c->backends, manifest);
        status = pasta_stamp_manifest(c->inputs, c->n_inputs, manifest, err);
    }
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs && status == PASTA_OK; i++) {
        char *path = pasta_path_join(context->out, outputs[i]);
        if (pasta_file_exists(path))
            status = pasta_manifest_output(manifest, context->out, outputs[i], err);
        free(path);
    }
    if (status == PASTA_OK)
        status = pasta_manifest_write(manifest, context->out, err);
    pasta_manifest_free(manifest);
    return status;
}

static pasta_status plan_services(const struct collect *c, double turns, double images)
{
    const struct pasta_collect_settings *set = &c->context->config.collect;
    const struct pasta_plan_row rows[] = {
        {"prompts", "", (double)c->prompts.n}, {"raters", "", (double)set->raters}, {"sessions", "", (double)set->sessions},
        {"turns", "", turns}, {"pairs", "", (double)set->pairs}, {"ratings", "", (double)set->ratings},
        {"images", set->save_images ? "drawn" : "named, not drawn", images},
        {"chat_requests", "at least", turns + ((double)set->pairs + (double)set->ratings) / 2}}; /* half of the single turns show expansions */
    pasta_plan_print(rows, sizeof rows / sizeof *rows, c->context->json);
    return PASTA_OK;
}

static pasta_status plan(struct collect *c, struct pasta_err *err)
{
    const struct pasta_collect_settings *set = &c->context->config.collect;
    const struct pasta_agent_settings *agent = &c->context->config.agent;
    const double turns = (double)(set->sessions * agent->horizon);
    const double images = turns * (double)(agent->slate * agent->images) + 2 * (double)set->pairs + (double)set->ratings;
    struct pasta_str line = {0};
    double image_bytes;

    if (services_used(&c->context->config)) /* to draw or write a session would be to ask */
        return plan_services(c, turns, images);
    pasta_status status = pasta_image_bytes(&c->rollout.t2i, c->prompts.items, (int)(c->prompts.n < 8 ? c->prompts.n : 8), &image_bytes,
                                            err);
    c->rollout.image_root = c->single.image_root = NULL;
    if (status == PASTA_OK)
        status = session_line(c, 0, 0, &line, err);
    if (status == PASTA_OK) {
        const double records = (double)set->sessions * (double)line.length, saved = set->save_images ? images * image_bytes : 0;
        const struct pasta_plan_row rows[] = {
            {"prompts", "", (double)c->prompts.n}, {"raters", "", (double)set->raters}, {"sessions", "", (double)set->sessions},
            {"turns", "", turns}, {"pairs", "", (double)set->pairs}, {"ratings", "", (double)set->ratings},
            {"images", set->save_images ? "drawn" : "named, not drawn", images},
            {"records_disk", "bytes", records + 300 * (double)set->pairs + 250 * (double)set->ratings}, {"images_disk", "bytes", saved}};
        pasta_plan_print(rows, sizeof rows / sizeof *rows, c->context->json);
    }
    pasta_str_release(&line);
    return status;
}

static void take_backends(struct collect *c)
{
    const struct pasta_config *config = &c->context->config;
    struct pasta_sketch *sketch = pasta_backends_sketch(c->backends);
    c->rollout = (struct pasta_rollout){
        .settings = &config->agent, .generator = pasta_backends_generator(c->backends), .t2i = pasta_backends_t2i(c->backends),
        .policy = arms_policy(c->arms, 0), .rater = pasta_sketch_rater(sketch), .seed = config->seed,
        .image_root = config->collect.save_images ? c->context->out : NULL};
    c->single = (struct pasta_single_turn){
        .sketch = sketch, .generator = c->rollout.generator, .t2i = c->rollout.t2i, .candidates = (int)config->agent.candidates,
        .seed = config->seed, .image_root = c->rollout.image_root};
}

static pasta_status collect(struct collect *c, struct pasta_err *err)
{
    static const char *const owned[] = {"manifest.json", "sessions.jsonl", "preferences.jsonl", "ratings.jsonl", "prompts.txt",
                                        "settings.json", "parts/", "images/", NULL};
    const struct pasta_context *context = c->context;
    bool complete = false;
    pasta_status status;

    if ((status = pasta_run_dir(context->out, context->force, context->resume, owned, &complete, err)) != PASTA_OK ||
        (status = pasta_run_stamp(context, c->inputs, c->n_inputs, err)) != PASTA_OK)
        return status;
    if (complete) {
        pasta_info("'%s' is complete: nothing to do", context->out);
        return collected_report(context, err);
    }
    if ((status = services_begin(context, &c->backends, err)) != PASTA_OK)
        return status;
    take_backends(c);
    if ((status = work(c, err)) != PASTA_OK || (status = pasta_backends_finish(c->backends, err)) != PASTA_OK ||
        (status = finish(c, err)) != PASTA_OK)
        return status;
    return collected_report(context, err);
}

static void list_inputs(struct collect *c, const char *prompts_path)
{
    const struct pasta_world_settings *world = &c->context->config.world;
    const struct pasta_stamp_input files[FILES] = {{"prompts", prompts_path}, {"lexicon", world->lexicon}, {"raters", world->raters}};
    memcpy(c->inputs, files, sizeof files);
    services_stamp(&c->context->config, c->inputs + FILES);
    c->n_inputs = FILES + SERVICES_INPUTS + arms_stamp(c->arms, c->inputs + FILES + SERVICES_INPUTS);
}

pasta_status collect_sketch(struct pasta_context *context, const char *prompts_path, const struct pasta_strings *arms, struct pasta_err *err)
{
    const struct pasta_config *config = &context->config;
    const struct pasta_collect_settings *set = &config->collect;
    struct collect c = {.context = context};
    pasta_status status;

    if (set->sessions + set->pairs + set->ratings == 0)
        return pasta_fail(err, PASTA_ERR_USAGE,
                          "collect.sessions, collect.pairs and collect.ratings: expected one above 0, found 0: nothing to collect");
    if (arms->count > 1)
        return pasta_fail(err, PASTA_ERR_USAGE, "--arm: expected one, under which all sessions are collected, found %d", arms->count);
    if ((status = pasta_prompts_read(prompts_path, &c.prompts, err)) == PASTA_OK &&
        (status = services_check_sketch_raters(config, err)) == PASTA_OK && (status = services_open(context, &c.backends, err)) == PASTA_OK &&
        (status = pasta_backends_check(c.backends, c.prompts.items, c.prompts.n, &config->agent, err)) == PASTA_OK &&
        (status = arms_open(context, arms, context->threads, &c.arms, err)) == PASTA_OK) {
        list_inputs(&c, prompts_path);
        take_backends(&c);
        status = pasta_rollout_check(&c.rollout, err);
    }
    if (status == PASTA_OK)
        status = context->dry_run ? plan(&c, err) : collect(&c, err);
    arms_close(c.arms);
    pasta_backends_close(c.backends);
    pasta_prompts_release(&c.prompts);
    return status;
}
