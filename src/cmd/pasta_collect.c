/* pasta-collect: raters answer. Multi-turn sessions with an agent, and single-turn pairs and ratings; of people, collect_study.h. */
#include <stdio.h>
#include <stdlib.h>

#include "arms.h"
#include "collect_study.h"
#include "collected_report.h"
#include "common.h"
#include "pasta/agent/collected.h"
#include "pasta/agent/image_store.h"
#include "pasta/agent/part_run.h"
#include "pasta/agent/single_turn.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/io/manifest.h"
#include "plan.h"
#include "run_stamp.h"

enum { SESSIONS_A_PART = 8, SINGLES_A_PART = 128 }; /* of the order of a second's work */

static const char *prompts_path, *serve_address;
static bool status_asked, finish_asked;
static struct pasta_strings arm_specs;

struct collect {
    struct pasta_context *context;
    struct pasta_sketch *sketch;
    struct arms *arms; /* one */
    struct pasta_prompts prompts;
    struct pasta_rollout rollout;
    struct pasta_single_turn single;
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
    const struct pasta_world_settings *world = &context->config.world;
    struct pasta_stamp_input arm[ARMS_STAMPS];
    const int n_arm = arms_stamp(c->arms, arm);
    struct pasta_manifest *manifest = pasta_manifest_new(context->command->name, context->argc, context->argv, &context->config);
    struct pasta_collected found;

    pasta_status status = pasta_collected_scan(context->out, "prompts.txt", &found, err);
    if (status == PASTA_OK) {
        pasta_manifest_count(manifest, "sessions", found.sessions);
        pasta_manifest_count(manifest, "preferences", found.pairs);
        pasta_manifest_count(manifest, "ratings", found.ratings);
        pasta_manifest_count(manifest, "images", context->config.collect.save_images ? found.images : 0);
        status = pasta_manifest_input(manifest, prompts_path, err);
    }
    if (status == PASTA_OK && *world->lexicon)
        status = pasta_manifest_input(manifest, world->lexicon, err);
    if (status == PASTA_OK && *world->raters)
        status = pasta_manifest_input(manifest, world->raters, err);
    for (int i = 0; i < n_arm && status == PASTA_OK; i++)
        if (!pasta_starts_with(arm[i].path, PASTA_STAMP_HASH))
            status = pasta_manifest_input(manifest, arm[i].path, err);
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

static pasta_status plan(struct collect *c, struct pasta_err *err)
{
    const struct pasta_collect_settings *set = &c->context->config.collect;
    const struct pasta_agent_settings *agent = &c->context->config.agent;
    const double turns = (double)(set->sessions * agent->horizon);
    const double images = turns * (double)(agent->slate * agent->images) + 2 * (double)set->pairs + (double)set->ratings;
    struct pasta_str line = {0};
    double image_bytes;

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

static pasta_status collect(struct collect *c, struct pasta_err *err)
{
    static const char *const owned[] = {"manifest.json", "sessions.jsonl", "preferences.jsonl", "ratings.jsonl", "prompts.txt",
                                        "settings.json", "parts/", "images/", NULL};
    const struct pasta_context *context = c->context;
    const struct pasta_world_settings *world = &context->config.world;
    enum { FILES = 3 };
    struct pasta_stamp_input inputs[FILES + ARMS_STAMPS] = {
        {"prompts", prompts_path}, {"lexicon", world->lexicon}, {"raters", world->raters}};
    const int n_inputs = FILES + arms_stamp(c->arms, inputs + FILES);
    bool complete = false;
    pasta_status status;

    if ((status = pasta_run_dir(context->out, context->force, context->resume, owned, &complete, err)) != PASTA_OK ||
        (status = pasta_run_stamp(context, inputs, n_inputs, err)) != PASTA_OK)
        return status;
    if (complete)
        pasta_info("'%s' is complete: nothing to do", context->out);
    else if ((status = work(c, err)) != PASTA_OK || (status = finish(c, err)) != PASTA_OK)
        return status;
    return collected_report(context, err);
}

static pasta_status run_sketch(struct pasta_context *context, struct pasta_err *err)
{
    const struct pasta_config *config = &context->config;
    const struct pasta_collect_settings *set = &config->collect;
    struct collect c = {.context = context};
    pasta_status status;

    if (set->sessions + set->pairs + set->ratings == 0) {
        status = pasta_fail(err, PASTA_ERR_USAGE,
                            "collect.sessions, collect.pairs and collect.ratings: expected one above 0, found 0: nothing to collect");
        goto out;
    }
    if (arm_specs.count > 1) {
        status = pasta_fail(err, PASTA_ERR_USAGE, "--arm: expected one, under which all sessions are collected, found %d", arm_specs.count);
        goto out;
    }
    if ((status = pasta_prompts_read(prompts_path, &c.prompts, err)) != PASTA_OK ||
        (status = pasta_sketch_open(&config->world, &config->agent, &c.sketch, err)) != PASTA_OK ||
        (status = arms_open(context, &arm_specs, context->threads, &c.arms, err)) != PASTA_OK)
        goto out;
    c.rollout = (struct pasta_rollout){
        .settings = &config->agent, .generator = pasta_sketch_generator(c.sketch), .t2i = pasta_sketch_t2i(c.sketch),
        .policy = arms_policy(c.arms, 0), .rater = pasta_sketch_rater(c.sketch), .seed = config->seed,
        .image_root = set->save_images ? context->out : NULL};
    c.single = (struct pasta_single_turn){
        .sketch = c.sketch, .generator = c.rollout.generator, .t2i = c.rollout.t2i, .candidates = (int)config->agent.candidates,
        .seed = config->seed, .image_root = c.rollout.image_root};
    if ((status = pasta_rollout_check(&c.rollout, err)) == PASTA_OK)
        status = context->dry_run ? plan(&c, err) : collect(&c, err);
out:
    arms_close(c.arms);
    pasta_sketch_close(c.sketch);
    pasta_prompts_release(&c.prompts);
    return status;
}

static pasta_status run(struct pasta_context *context, struct pasta_err *err)
{
    char *standard = pasta_data_path("prompts/sketch.txt");
    const struct collect_study study = {context, prompts_path ? prompts_path : standard, serve_address, &arm_specs};
    pasta_status status;

    if ((serve_address != NULL) + status_asked + finish_asked > 1) {
        status = pasta_fail(err, PASTA_ERR_USAGE, "--serve, --status and --finish: expected one of them, found more");
    } else if (status_asked) {
        status = collect_study_status(context, err);
    } else if (serve_address) {
        status = collect_study_serve(&study, err);
    } else if (finish_asked) {
        status = collect_study_finish(&study, err);
    } else {
        prompts_path = study.prompts_path;
        status = run_sketch(context, err);
    }
    free(standard);
    free(arm_specs.items);
    return status;
}

static const struct pasta_option options[] = {
    {"prompts", PASTA_OPT_STRING, &prompts_path, "FILE", "initial prompts: .txt, .tsv or .jsonl, also .gz (data/prompts/sketch.txt)", NULL},
    {"serve", PASTA_OPT_STRING, &serve_address, "ADDR:PORT", "people answer: serve the rater's page; a port alone is on the loopback interface", NULL},
    {"status", PASTA_OPT_FLAG, &status_asked, NULL, "say how the study in --out is getting on, also while it is served", NULL},
    {"finish", PASTA_OPT_FLAG, &finish_asked, NULL, "end the study in --out with the turns that were answered", NULL},
    ARM_FLAG(&arm_specs),
    EXPLORATION_FLAGS,
    {0}};

static const struct pasta_command command = {
    .name = "pasta-collect",
    .summary = "raters answer: people on a page, or sketch raters; sessions with an agent, single-turn pairs and ratings",
    .examples = "  pasta-collect --config configs/sketch.json --seed 1 --out runs/collect\n"
                "  pasta-collect --prompts my.txt --set collect.sessions=30 --threads 2 --out runs/mine\n"
                "  pasta-collect --config configs/sketch.json --arm mine=runs/pasta --out runs/on-policy\n"
                "  pasta-collect --config configs/paper.json --dry-run\n"
                "  pasta-collect --serve 8080 --set collect.raters=40 --set collect.sessions=40 --set world.image_size=256 --out runs/study\n"
                "  pasta-collect --serve 8080 --arm baseline=baseline --arm pasta=runs/pasta --out runs/human-evaluation\n"
                "  pasta-collect --status --out runs/study\n",
    .options = options};

int main(int argc, char **argv)
{
    return pasta_command_main(&command, argc, argv, run);
}
