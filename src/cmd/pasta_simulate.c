/* pasta-simulate: trajectories of a simulated user, a type of the trained user model, against a baseline agent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "pasta/agent/collected.h"
#include "pasta/agent/image_store.h"
#include "pasta/agent/part_run.h"
#include "pasta/agent/rollout.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/io/manifest.h"
#include "pasta/tensor/pt.h"
#include "plan.h"
#include "record_files.h"
#include "run_stamp.h"
#include "services.h"
#include "simulate_encoder.h"
#include "simulate_fidelity.h"
#include "simulate_people.h"
#include "simulate_replay.h"
#include "torch_command.h"

enum { SESSIONS_A_PART = 8, REPLAYED_A_PART = 1024 };

static const char *prompts_path, *user_model_path, *model_path, *users_path, *user_id, *fidelity_path, *replay_path, *features_path;

/* Everything that answers for one worker. */
struct worker {
    struct eyes *eyes;
    struct pasta_simulated_user *user;
    struct pasta_rollout rollout;
};

struct simulate {
    struct pasta_context *context;
    struct pasta_backends *backends; /* NULL with `replay` */
    struct pasta_prompts prompts;
    struct pasta_collected found; /* what the finished run wrote */
    struct pasta_user_model *model;
    struct pasta_simulated_people people;
    double *posteriors; /* theirs, NULL where they are the prior */
    struct pasta_clip *clip;
    struct text_memory *texts;
    struct replay *replay; /* NULL: slates are made, and images drawn */
    struct worker *workers; /* one a thread */
};

static pasta_status play(const struct simulate *s, const struct worker *w, uint32_t index, struct pasta_arena *arena,
                         struct pasta_session *out, struct pasta_err *err)
{
    /* Every session has a user of its own. */
    const struct pasta_rollout_job job = pasta_rollout_deal(w->rollout.seed, index, index, 1, s->prompts.items, (uint32_t)s->prompts.n);
    pt_threads(1); /* sessions run side by side; and the sums of an operation must not depend on its threads */
    eyes_close(w->eyes);
    return pasta_rollout_session(&w->rollout, job.index, job.person, job.prompt, arena, out, err);
}

static pasta_status session_line(void *ctx, int64_t item, int worker, struct pasta_str *out, struct pasta_err *err)
{
    const struct simulate *s = ctx;
    const struct worker *w = &s->workers[worker];
    const uint64_t seed = s->context->config.seed;
    const uint32_t index = (uint32_t)item;
    struct pasta_arena arena = {0};
    struct pasta_session session;

    const pasta_status status = s->replay ? replay_session(s->replay, pasta_simulated_user_rater(w->user), seed, index, &arena, &session, err)
                                          : play(s, w, index, &arena, &session, err);
    if (status == PASTA_OK) {
        session.user_type = pasta_simulated_user_type(w->user, seed, index);
        session.turn_utility = NULL; /* the reward is the rating, as for people */
        pasta_session_print(&session, out);
    }
    pasta_arena_release(&arena);
    return status;
}

static pasta_status work(struct simulate *s, struct pasta_err *err)
{
    const int64_t sessions = s->context->config.simulate.sessions;
    struct pasta_progress progress;
    pasta_progress_init(&progress, "simulate", "sessions", sessions);
    const struct pasta_part_run run = {.dir = s->context->out, .name = "sessions", .items = sessions,
                                       .part = s->replay ? REPLAYED_A_PART : SESSIONS_A_PART, .threads = s->context->threads, .progress = &progress, .line = session_line, .ctx = s};
    const pasta_status status = pasta_part_run(&run, err);
    pasta_progress_done(&progress);
    return status;
}

static pasta_status finish(struct simulate *s, struct pasta_err *err)
{
    const struct pasta_context *context = s->context;
    const struct pasta_world_settings *world = &context->config.world;
    struct pasta_manifest *manifest = pasta_manifest_new(context->command->name, context->argc, context->argv, &context->config);
    struct pasta_str headline = {0};
    struct pasta_stamp_input service_inputs[SERVICES_INPUTS];
    pasta_status status;

    services_stamp(&context->config, service_inputs);
    if (s->backends)
        services_note(s->backends, manifest);
    torch_manifest(manifest);
    if ((status = fidelity_headline(user_model_path, true, &headline, err)) != PASTA_OK)
        goto out;
    pasta_manifest_note(manifest, "fidelity", headline.data);
    if ((status = pasta_collected_scan(context->out, "prompts.txt", &s->found, err)) != PASTA_OK)
        goto out;
    pasta_manifest_count(manifest, "sessions", s->found.sessions);
    pasta_manifest_count(manifest, "images", context->config.simulate.save_images ? s->found.images : 0);
    if ((prompts_path && (status = pasta_manifest_input(manifest, prompts_path, err)) != PASTA_OK) ||
        (replay_path && (status = pasta_manifest_input(manifest, replay_path, err)) != PASTA_OK) ||
        (features_path && (status = pasta_manifest_input(manifest, features_path, err)) != PASTA_OK) ||
        (status = pasta_manifest_input(manifest, user_model_path, err)) != PASTA_OK ||
        (users_path && (status = pasta_manifest_input(manifest, users_path, err)) != PASTA_OK) ||
        (model_path && *model_path && (status = pasta_manifest_input(manifest, model_path, err)) != PASTA_OK) ||
        (s->backends && (status = pasta_stamp_manifest(service_inputs, SERVICES_INPUTS, manifest, err)) != PASTA_OK) ||
        (*world->lexicon && (status = pasta_manifest_input(manifest, world->lexicon, err)) != PASTA_OK) ||
        (*world->raters && (status = pasta_manifest_input(manifest, world->raters, err)) != PASTA_OK) ||
        (status = pasta_manifest_output(manifest, context->out, "sessions.jsonl", err)) != PASTA_OK ||
        (status = pasta_manifest_output(manifest, context->out, "prompts.txt", err)) != PASTA_OK ||
        (status = pasta_manifest_output(manifest, context->out, "settings.json", err)) != PASTA_OK)
        goto out;
    status = pasta_manifest_write(manifest, context->out, err);
out:
    pasta_str_release(&headline);
    pasta_manifest_free(manifest);
    return status;
}

static pasta_status plan_replay(const struct simulate *s)
{
    const struct pasta_plan_row rows[] = {{"user_types", "", s->model->n_types}, {"recorded_sessions", "", (double)replay_sessions(s->replay)},
                                          {"sessions", "", (double)s->context->config.simulate.sessions}};
    pasta_plan_print(rows, sizeof rows / sizeof *rows, s->context->json);
    return PASTA_OK;
}

/* To play a session would be to ask services. */
static pasta_status plan_services(const struct simulate *s)
{
    const struct pasta_config *config = &s->context->config;
    const struct pasta_agent_settings *agent = &config->agent;
    const double turns = (double)(config->simulate.sessions * agent->horizon), images = turns * (double)(agent->slate * agent->images);
    const struct pasta_plan_row rows[] = {
        {"user_types", "", s->model->n_types}, {"prompts", "", (double)s->prompts.n}, {"sessions", "", (double)config->simulate.sessions},
        {"turns", "", turns}, {"chat_requests", "at least", services_chat(config) ? turns : 0},
        {"image_requests", "", services_images(config) ? images : 0}, {"images_encoded", "", images}};
    pasta_plan_print(rows, sizeof rows / sizeof *rows, s->context->json);
    return PASTA_OK;
}

static pasta_status plan(struct simulate *s, struct pasta_err *err)
{
    const struct pasta_simulate_settings *set = &s->context->config.simulate;
    const struct pasta_agent_settings *agent = &s->context->config.agent;
    const double turns = (double)(set->sessions * agent->horizon), images = turns * (double)(agent->slate * agent->images);
    struct pasta_str line = {0};
    double image_bytes;
    const double began = pasta_now();

    if (services_used(&s->context->config))
        return plan_services(s);
    s->workers[0].rollout.image_root = NULL;
    pasta_status status = session_line(s, 0, 0, &line, err);
    const double seconds = pasta_now() - began;
    if (status == PASTA_OK)
        status = pasta_image_bytes(&s->workers[0].rollout.t2i, s->prompts.items, (int)(s->prompts.n < 8 ? s->prompts.n : 8), &image_bytes,
                                   err);
    if (status == PASTA_OK) {
        const struct pasta_plan_row rows[] = {
            {"user_types", "", s->model->n_types}, {"prompts", "", (double)s->prompts.n}, {"sessions", "", (double)set->sessions},
            {"turns", "", turns}, {"images_drawn", "", images}, {"images_encoded", "", images},
            {"texts_encoded", "at most", (double)(set->sessions < (int64_t)s->prompts.n ? (double)set->sessions : (double)s->prompts.n)},
            {"records_disk", "bytes", (double)set->sessions * (double)line.length},
            {"images_disk", "bytes", set->save_images ? images * image_bytes : 0},
            {"seconds", "at the rate of the first session", (double)set->sessions * seconds / s->context->threads}};
        pasta_plan_print(rows, sizeof rows / sizeof *rows, s->context->json);
    }
    pasta_str_release(&line);
    return status;
}

/* What was found in the folder, so that a complete run that is met again says the same words; and how far the user model can be trusted. */
static pasta_status report(const struct simulate *s, struct pasta_err *err)
{
    const bool json = s->context->json;
    struct pasta_str text = {0};
    pasta_collected_print(&s->found, json, &text);
    if (json)
        text.data[text.length -= strlen("}\n")] = '\0'; /* reopened */
    pasta_status status = services_report(s->context->out, json, &text, err);
    if (json)
        pasta_str_add(&text, ",\"fidelity\":");
    if (status == PASTA_OK)
        status = fidelity_headline(user_model_path, json, &text, err);
    if (status == PASTA_OK)
        printf(json ? "%s}\n" : "%s", text.data);
    pasta_str_release(&text);
    return status;
}

static void worker_init(struct worker *w, const struct simulate *s)
{
    const struct pasta_config *config = &s->context->config;
    if (s->replay) {
        w->user = pasta_simulated_user_new(s->model, s->people, replay_embedder(s->replay));
        w->rollout = (struct pasta_rollout){.settings = &config->agent, .seed = config->seed};
        return;
    }
    const struct pasta_t2i t2i = pasta_backends_t2i(s->backends);
    w->eyes = eyes_new(s->clip, t2i, s->texts);
    w->user = pasta_simulated_user_new(s->model, s->people, eyes_embedder(w->eyes));
    w->rollout = (struct pasta_rollout){
        .settings = &config->agent, .generator = pasta_backends_generator(s->backends), .t2i = t2i,
        .policy = pasta_policy_named(config->simulate.agent), .rater = pasta_simulated_user_rater(w->user), .seed = config->seed,
        .image_root = config->simulate.save_images ? s->context->out : NULL};
}

static void workers_free(struct simulate *s)
{
    for (int i = 0; s->workers && i < s->context->threads; i++) {
        pasta_simulated_user_free(s->workers[i].user);
        eyes_free(s->workers[i].eyes);
    }
    free(s->workers);
    s->workers = NULL;
}

static void workers_make(struct simulate *s)
{
    workers_free(s);
    s->workers = pasta_calloc((size_t)s->context->threads, sizeof *s->workers);
    for (int i = 0; i < s->context->threads; i++)
        worker_init(&s->workers[i], s);
}

/* The run's folder is ours: what services reply is kept from here on. */
static pasta_status begin(struct simulate *s, struct pasta_err *err)
{
    const pasta_status status = s->backends ? services_begin(s->context, &s->backends, err) : PASTA_OK;
    if (status == PASTA_OK)
        workers_make(s);
    return status;
}

static pasta_status simulate(struct simulate *s, struct pasta_err *err)
{
    static const char *const owned[] = {"manifest.json", "sessions.jsonl", "prompts.txt", "settings.json", "parts/", "images/", NULL};
    const struct pasta_context *context = s->context;
    char *weights = pasta_path_join(user_model_path, "user_model.safetensors"), *shape = pasta_path_join(user_model_path, "config.json");
    char *users = user_id ? pasta_asprintf("users/%s", user_id) : pasta_strdup("users");
    const struct pasta_world_settings *world = &context->config.world;
    char *images = pasta_path_join(features_path ? features_path : "", "image.safetensors");
    char *texts = pasta_path_join(features_path ? features_path : "", "text.safetensors");
    char *index = pasta_path_join(features_path ? features_path : "", "index.jsonl");
    struct pasta_stamp_input inputs[10 + SERVICES_INPUTS] = {
        {"prompts", prompts_path ? prompts_path : ""}, {"replay", replay_path ? replay_path : ""}, {"images", features_path ? images : ""},
        {"texts", features_path ? texts : ""}, {"index", features_path ? index : ""}, {"lexicon", world->lexicon}, {"raters", world->raters},
        {"user_model", weights}, {"user_model_config", shape}, {users, users_path ? users_path : ""}};
    bool complete = false;
    pasta_status status;

    services_stamp(&context->config, inputs + 10);
    if ((status = pasta_run_dir(context->out, context->force, context->resume, owned, &complete, err)) == PASTA_OK)
        status = pasta_run_stamp(context, inputs, (int)(sizeof inputs / sizeof *inputs), err);
    if (status == PASTA_OK && complete) {
        pasta_info("'%s' is complete: nothing to do", context->out);
        status = pasta_collected_scan(context->out, NULL, &s->found, err);
    } else if (status == PASTA_OK && (status = begin(s, err)) == PASTA_OK && (status = work(s, err)) == PASTA_OK &&
               (!s->backends || (status = pasta_backends_finish(s->backends, err)) == PASTA_OK)) {
        status = finish(s, err);
    }
    free(weights);
    free(shape);
    free(users);
    free(images);
    free(texts);
    free(index);
    return status == PASTA_OK ? report(s, err) : status;
}

static pasta_status load_people(struct simulate *s, struct pasta_err *err)
{
    s->people = pasta_simulated_prior(s->model);
    if (!users_path)
        return user_id ? pasta_fail(err, PASTA_ERR_USAGE, "--user: expected --users with it") : PASTA_OK;
    const pasta_status status = simulate_people_read(users_path, user_id, s->model->n_types, &s->posteriors, &s->people.n, err);
    if (status == PASTA_OK)
        s->people.weights = s->posteriors;
    return status;
}

/* What slates are made with, and seen with. */
static pasta_status load_world(struct simulate *s, struct pasta_err *err)
{
    const struct pasta_config *config = &s->context->config;
    pasta_status status;
    if ((status = pasta_prompts_read(prompts_path, &s->prompts, err)) != PASTA_OK ||
        (status = pasta_clip_load(model_path, config->device, PT_F32, &s->clip, err)) != PASTA_OK ||
        (status = pasta_user_model_fits(s->model, pasta_clip_hash(s->clip), pasta_clip_dim(s->clip), user_model_path, err)) != PASTA_OK)
        return status;
    s->texts = text_memory_new();
    return services_open(s->context, &s->backends, err);
}

static pasta_status load_replay(struct simulate *s, struct pasta_err *err)
{
    const struct pasta_features *pack;
    const pasta_status status = replay_open(replay_path, features_path, &s->replay, err);
    if (status != PASTA_OK)
        return status;
    pack = replay_features(s->replay);
    return pasta_user_model_fits(s->model, pasta_features_encoder(pack), pasta_features_dim(pack), user_model_path, err);
}

static pasta_status load(struct simulate *s, struct pasta_err *err)
{
    pasta_status status;
    if ((status = pasta_user_model_load(user_model_path, NULL, &s->model, err)) != PASTA_OK ||
        (status = load_people(s, err)) != PASTA_OK ||
        (status = replay_path ? load_replay(s, err) : load_world(s, err)) != PASTA_OK)
        return status;
    workers_make(s);
    return pasta_rollout_check(&s->workers[0].rollout, err);
}

static void release(struct simulate *s)
{
    workers_free(s);
    free(s->posteriors);
    text_memory_free(s->texts);
    replay_close(s->replay);
    pasta_clip_free(s->clip);
    pasta_user_model_free(s->model);
    pasta_backends_close(s->backends);
    pasta_prompts_release(&s->prompts);
}

/* --fidelity and --replay of sessions take their images from a feature pack, and know their prompts. */
static pasta_status check_flags(const struct pasta_context *context, struct pasta_err *err)
{
    if (replay_path && !features_path && !fidelity_path && services_used(&context->config)) { /* then it is a cassette */
        services.replay = replay_path;
        replay_path = NULL;
    }
    const char *mode = fidelity_path ? "fidelity" : "replay";
    const struct { const char *flag, *value; } others[] = {
        {"prompts", prompts_path}, {"model", model_path}, {"record", services.record}, {"replay", fidelity_path ? replay_path : NULL},
        {"users", fidelity_path ? users_path : NULL}, {"user", fidelity_path ? user_id : NULL}};
    if (!fidelity_path && !replay_path)
        return features_path ? pasta_fail(err, PASTA_ERR_USAGE, "--features: expected --replay or --fidelity with it") : PASTA_OK;
    if (!features_path)
        return pasta_fail(err, PASTA_ERR_USAGE, "--%s: expected --features with the embeddings of its images%s", mode,
                          fidelity_path ? "" : ", or a service (generator.kind, t2i.kind) whose cassette it is");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].value)
            return pasta_fail(err, PASTA_ERR_USAGE, "--%s: not with --%s", others[i].flag, mode);
    if (context->config.simulate.save_images)
        return pasta_fail(err, PASTA_ERR_USAGE, "simulate.save_images: not with --%s, which draws no images", mode);
    return PASTA_OK;
}

/* The encoder that simulated users see with: the one that was named, else the one that the user model brings, else embed.model. */
static const char *choose_encoder(const struct pasta_context *context, const char *own)
{
    return model_path ? model_path : pasta_file_exists(own) ? own : context->config.embed.model;
}

static pasta_status run(struct pasta_context *context, struct pasta_err *err)
{
    char *own = pasta_path_join(user_model_path, "encoder"), *standard = pasta_data_path("prompts/sketch.txt");
    struct simulate s = {.context = context};

    pasta_status status = check_flags(context, err);
    if (status == PASTA_OK && fidelity_path) {
        status = fidelity_run(context, user_model_path, fidelity_path, features_path, err);
    } else if (status == PASTA_OK) {
        if (!replay_path) {
            prompts_path = prompts_path ? prompts_path : standard;
            model_path = choose_encoder(context, own);
        }
        status = load(&s, err);
        if (status == PASTA_OK)
            status = !context->dry_run ? simulate(&s, err) : s.replay ? plan_replay(&s) : plan(&s, err);
    }
    release(&s);
    free(own);
    free(standard);
    return status;
}

static const struct pasta_option options[] = {
    {"user-model", PASTA_OPT_STRING, &user_model_path, "DIR", "a trained user model", "whose users are to be simulated"},
    {"users", PASTA_OPT_STRING, &users_path, "FILE", "posteriors of real users (responsibilities.jsonl), each session one of them at random; "
     "without it types follow the prior", NULL},
    {"user", PASTA_OPT_STRING, &user_id, "ID", "only this one of --users", NULL},
    {"model", PASTA_OPT_STRING, &model_path, "DIR", "the encoder it was trained with; default: its own encoder/, else embed.model", NULL},
    {"fidelity", PASTA_OPT_STRING, &fidelity_path, "FILE", "no trajectories: compare with these held-out sessions of real people, one answer "
     "ahead; in USER-MODEL/fidelity later runs find and quote it", NULL},
    {"replay", PASTA_OPT_STRING, &replay_path, "FILE", "with --features: answer the slates of these recorded sessions, nothing is drawn or "
     "encoded; without: take services' replies from this cassette, nothing goes over the network", NULL},
    SERVICES_RECORD,
    {"features", PASTA_OPT_STRING, &features_path, "DIR", "feature pack of their images and prompts (pasta-embed)", NULL},
    RECORDS_SKIP_BAD,
    {"prompts", PASTA_OPT_STRING, &prompts_path, "FILE", "initial prompts: .txt, .tsv or .jsonl, also .gz (data/prompts/sketch.txt)", NULL},
    EXPLORATION_FLAGS,
    {0}};

static const struct pasta_command command = {
    .name = "pasta-simulate",
    .summary = "trajectories of simulated users, drawn from a trained user model",
    .examples = "  pasta-simulate --config configs/sketch.json --user-model runs/user-model --out runs/simulated\n"
                "  pasta-simulate --user-model runs/user-model --set simulate.sessions=1000 --threads 2 --out runs/simulated\n"
                "  pasta-simulate --user-model runs/user-model --users runs/user-model/responsibilities.jsonl --out runs/simulated\n"
                "  pasta-simulate --user-model runs/user-model --replay runs/collect/sessions.jsonl --features runs/features "
                "--out runs/replayed\n"
                "  pasta-simulate --user-model runs/user-model --fidelity runs/held-out/sessions.jsonl --features runs/held-out-features "
                "--out runs/user-model/fidelity\n"
                "  pasta-simulate --user-model runs/user-model --set simulate.sessions=30000 --dry-run\n",
    .options = options,
    TORCH_COMMAND};

int main(int argc, char **argv)
{
    return pasta_command_main(&command, argc, argv, run);
}
