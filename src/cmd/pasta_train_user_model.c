/* pasta-train-user-model: K user types from pairs, ratings and sessions, by mini-batch EM.
 *
 * The run folder is the user model (user_model.safetensors, config.json; of trained towers encoder/ as well) with metrics.jsonl, TensorBoard
 * curves, responsibilities.jsonl, trained_prompts.jsonl, fit.json, checkpoint.safetensors, settings.json and manifest.json beside it, and
 * restarts/ where there were several fits. With --types it holds one such folder, K<types>, for each number of types.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common.h"
#include "pasta/base/json.h"
#include "pasta/base/log.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/io/manifest.h"
#include "pasta/tensor/pt.h"
#include "pasta/user/em.h"
#include "plan.h"
#include "run_stamp.h"
#include "record_files.h"
#include "torch_command.h"
#include "trained_on.h"
#include "user_model_fit.h"
#include "user_model_towers.h"

static struct pasta_strings session_paths, preference_paths, rating_paths;
static const char *features_path, *image_root, *model_path, *types_list;

struct training {
    const struct pasta_context *context;
    struct pasta_features *features;
    struct pasta_user_data *data;
    struct user_model_fits fits;
};

/* --- data ------------------------------------------------------------------------------------------------------------------------ */

static pasta_status add_sessions(struct pasta_user_data *data, const char *path, struct pasta_err *err)
{
    struct pasta_sessions records = {0};
    pasta_status status = records_sessions(path, &records, err);
    if (status == PASTA_OK)
        status = pasta_user_data_add_sessions(data, path, &records, err);
    pasta_sessions_release(&records);
    return status;
}

static pasta_status add_preferences(struct pasta_user_data *data, const char *path, struct pasta_err *err)
{
    struct pasta_preferences records = {0};
    pasta_status status = records_preferences(path, &records, err);
    if (status == PASTA_OK)
        status = pasta_user_data_add_preferences(data, path, &records, err);
    pasta_preferences_release(&records);
    return status;
}

static pasta_status add_ratings(struct pasta_user_data *data, const char *path, struct pasta_err *err)
{
    struct pasta_ratings records = {0};
    pasta_status status = records_ratings(path, &records, err);
    if (status == PASTA_OK)
        status = pasta_user_data_add_ratings(data, path, &records, err);
    pasta_ratings_release(&records);
    return status;
}

static pasta_status load(struct training *t, struct pasta_err *err)
{
    const struct pasta_config *config = &t->context->config;
    if (session_paths.count + preference_paths.count + rating_paths.count == 0)
        return pasta_fail(err, PASTA_ERR_USAGE,
                          "expected at least one of --sessions, --preferences and --ratings to learn from, found none");
    pasta_status status = pasta_features_open(features_path, &t->features, err);
    if (status != PASTA_OK)
        return status;
    t->data = pasta_user_data_new(t->features);
    pasta_user_data_leave_out_prompts(t->data, config->user_model.held_out_prompts, config->seed);
    for (int i = 0; i < preference_paths.count && status == PASTA_OK; i++)
        status = add_preferences(t->data, preference_paths.items[i], err);
    for (int i = 0; i < rating_paths.count && status == PASTA_OK; i++)
        status = add_ratings(t->data, rating_paths.items[i], err);
    for (int i = 0; i < session_paths.count && status == PASTA_OK; i++)
        status = add_sessions(t->data, session_paths.items[i], err);
    if (status == PASTA_OK)
        pasta_user_data_split(t->data, config->user_model.held_out, config->seed);
    return status;
}

/* --- results --------------------------------------------------------------------------------------------------------------------- */

/* responsibilities.jsonl: one row a user with an id, from all of the user's observations under the final model. */
static pasta_status write_responsibilities(struct training *t, const struct pasta_user_model *m, struct pasta_err *err)
{
    struct pasta_user_counts counts = pasta_user_data_counts(t->data);
    size_t K = (size_t)m->n_types;
    double *loglik = pasta_malloc((size_t)counts.users * K * sizeof *loglik), *gamma = pasta_malloc(K * sizeof *gamma);
    struct pasta_str text = {0};
    pasta_status status = pasta_em_user_loglik(t->fits.best, loglik, err);
    for (int64_t u = 0; status == PASTA_OK && u < counts.users; u++) {
        const char *id = pasta_user_data_user(t->data, (int)u);
        if (id == NULL)
            continue;
        pasta_user_posterior(m, loglik + (size_t)u * K, gamma);
        pasta_str_add(&text, "{\"schema\":\"pasta.responsibility/1\",\"user_id\":");
        pasta_json_put_str(&text, id);
        pasta_str_printf(&text, ",\"held_out\":%s,\"gamma\":[", pasta_user_data_held_out(t->data, (int)u) ? "true" : "false");
        for (size_t k = 0; k < K; k++) {
            pasta_str_add(&text, k > 0 ? "," : "");
            pasta_json_put_num(&text, round(gamma[k] * 1e6) / 1e6);
        }
        pasta_str_add(&text, "]}\n");
    }
    char *path = pasta_path_join(t->context->out, "responsibilities.jsonl");
    if (status == PASTA_OK)
        status = pasta_file_write(path, text.data != NULL ? text.data : "", text.length, err);
    free(path);
    free(loglik);
    free(gamma);
    pasta_str_release(&text);
    return status;
}

static pasta_status add_inputs(struct pasta_manifest *manifest, struct pasta_err *err)
{
    const struct pasta_strings *lists[] = {&session_paths, &preference_paths, &rating_paths};
    pasta_status status = pasta_manifest_input(manifest, features_path, err);
    if (status == PASTA_OK && model_path)
        status = pasta_manifest_input(manifest, model_path, err);
    for (int kind = 0; kind < 3; kind++)
        for (int i = 0; i < lists[kind]->count && status == PASTA_OK; i++)
            status = pasta_manifest_input(manifest, lists[kind]->items[i], err);
    return status;
}

static pasta_status finish(struct training *t, struct pasta_err *err)
{
    static const char *const outputs[] = {"user_model.safetensors", "config.json", "responsibilities.jsonl", "metrics.jsonl"};
    const struct pasta_context *context = t->context;
    struct pasta_user_counts c = pasta_user_data_counts(t->data);
    struct pasta_user_model *model = NULL;
    pasta_status status = pasta_em_model(t->fits.best, &model, err);
    if (status != PASTA_OK)
        return status;
    struct pasta_manifest *manifest = pasta_manifest_new(context->command->name, context->argc, context->argv, &context->config);
    torch_manifest(manifest);
    const struct { const char *name; int64_t value; } counts[] = {
        {"users", c.users}, {"held_out_users", c.held_out_users}, {"pairs", c.pairs}, {"ratings", c.ratings}, {"turns", c.turns},
        {"comparisons", c.comparisons}, {"images", c.images}, {"prompts", c.prompts}, {"steps", pasta_em_position(t->fits.best)}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        pasta_manifest_count(manifest, counts[i].name, counts[i].value);
    if ((status = user_model_encoder_save(context, t->fits.best, model, manifest, err)) == PASTA_OK &&
        (status = pasta_user_model_save(model, context->out, err)) == PASTA_OK &&
        (status = write_responsibilities(t, model, err)) == PASTA_OK)
        status = add_inputs(manifest, err);
    if (status == PASTA_OK)
        status = trained_on_write(context->out, t->data, manifest, err);
    if (status == PASTA_OK)
        status = user_model_health_write(context, &t->fits, manifest, err);
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs && status == PASTA_OK; i++)
        status = pasta_manifest_output(manifest, context->out, outputs[i], err);
    if (status == PASTA_OK)
        status = pasta_manifest_write(manifest, context->out, err);
    pasta_manifest_free(manifest);
    pasta_user_model_free(model);
    return status;
}

/* What was learned, from the saved model: the same words whether this run trained it or found it complete. */
static pasta_status report(const struct training *t, struct pasta_err *err)
{
    struct pasta_user_counts c = pasta_user_data_counts(t->data);
    struct pasta_user_model *m;
    pasta_status status = pasta_user_model_load(t->context->out, user_model_trains_towers(t->context) ? NULL : t->features, &m, err);
    if (status != PASTA_OK)
        return status;
    struct pasta_str text = {0};
    double entropy = 0;
    for (int k = 0; k < m->n_types; k++)
        entropy -= m->prior[k] > 0 ? m->prior[k] * log(m->prior[k]) : 0;
    if (t->context->json)
        pasta_str_printf(&text, "{\"types\":%d,\"effective_types\":%.4f,\"users\":%lld,\"held_out_users\":%lld,\"pairs\":%lld,"
                                "\"ratings\":%lld,\"turns\":%lld,\"comparisons\":%lld,\"temperature\":%.4f,\"prior\":[",
                         m->n_types, exp(entropy), (long long)c.users, (long long)c.held_out_users, (long long)c.pairs,
                         (long long)c.ratings, (long long)c.turns, (long long)c.comparisons, m->temperature);
    else
        pasta_str_printf(&text, "data         %lld users (%lld held out), %lld pairs, %lld ratings, %lld turns, %lld comparisons\n"
                                "types        %d, effectively %.2f\ntemperature  %.3f\nprior        ",
                         (long long)c.users, (long long)c.held_out_users, (long long)c.pairs, (long long)c.ratings, (long long)c.turns,
                         (long long)c.comparisons, m->n_types, exp(entropy), m->temperature);
    for (int k = 0; k < m->n_types; k++)
        pasta_str_printf(&text, t->context->json ? "%s%.4f" : "%s%.3f", k == 0 ? "" : t->context->json ? "," : " ", m->prior[k]);
    pasta_str_add(&text, t->context->json ? "]" : "\n");
    status = user_model_health_report(t->context, &text, err);
    if (status == PASTA_OK)
        printf("%s%s", text.data, t->context->json ? "}\n" : "");
    pasta_str_release(&text);
    pasta_user_model_free(m);
    return status;
}

/* --- the stage ------------------------------------------------------------------------------------------------------------------- */

static pasta_status plan(const struct training *t, struct pasta_err *err)
{
    const struct pasta_user_model_settings *s = &t->context->config.user_model;
    struct pasta_user_counts c = pasta_user_data_counts(t->data);
    double K = (double)s->types, D = pasta_features_dim(t->features), W = (double)s->adapter_width;
    double groups = (double)(s->responsibilities[0] == 'u' ? c.users : c.pairs + c.ratings + c.turns);
    double parameters = K * D * (1 + 4 * W) + 6, towers = 0;
    if (user_model_trains_towers(t->context)) {
        struct pasta_em_towers given;
        const pasta_status status = user_model_towers(t->context, t->data, image_root, &given, err);
        if (status != PASTA_OK)
            return status;
        towers = (double)pasta_params_count(pasta_clip_params(given.clip));
        pasta_clip_free(given.clip);
    }
    const struct pasta_plan_row rows[] = {
        {"users", "", (double)c.users}, {"held_out_users", "", (double)c.held_out_users}, {"pairs", "", (double)c.pairs},
        {"ratings", "", (double)c.ratings}, {"turns", "", (double)c.turns}, {"images", "", (double)c.images},
        {"prompts", "", (double)c.prompts}, {"types", "", K},
        {"parameters", "", parameters}, {"parameters_towers", "", towers}, {"steps_main", "", c.pairs + c.ratings > 0 ? (double)s->main.steps : 0},
        {"steps_fine", "", c.turns > 0 ? (double)s->fine.steps : 0},
        {"features_memory", "bytes", 4 * D * (double)(c.images + c.prompts)}, {"evidence_memory", "bytes", 8 * K * groups},
        {"checkpoint_disk", "bytes", 4 * (4 * parameters + 3 * towers) + 8 * K * groups}};
    pasta_plan_print(rows, sizeof rows / sizeof *rows, t->context->json);
    return PASTA_OK;
}

static pasta_status stamp(const struct pasta_context *context, struct pasta_err *err)
{
    static const char *const packs[] = {"image.safetensors", "text.safetensors", "index.jsonl"};
    const struct { const char *name; const struct pasta_strings *paths; } lists[] = {
        {"sessions", &session_paths}, {"preferences", &preference_paths}, {"ratings", &rating_paths}};
    struct pasta_arena arena = {0};
    int n = 0;
    struct pasta_stamp_input *inputs = pasta_calloc((size_t)(3 + session_paths.count + preference_paths.count + rating_paths.count),
                                                    sizeof *inputs);
    for (int i = 0; i < 3; i++)
        inputs[n++] = (struct pasta_stamp_input){pasta_arena_printf(&arena, "features/%s", packs[i]),
                                                 pasta_arena_printf(&arena, "%s/%s", features_path, packs[i])};
    for (int kind = 0; kind < 3; kind++)
        for (int i = 0; i < lists[kind].paths->count; i++)
            inputs[n++] = (struct pasta_stamp_input){pasta_arena_printf(&arena, "%s/%d", lists[kind].name, i), lists[kind].paths->items[i]};
    pasta_status status = pasta_run_stamp(context, inputs, n, err);
    free(inputs);
    pasta_arena_release(&arena);
    return status;
}

static pasta_status fit(struct training *t, struct pasta_err *err)
{
    static const char *const owned[] = {"manifest.json", "user_model.safetensors", "config.json", "responsibilities.jsonl", TRAINED_PROMPTS, "metrics.jsonl",
                                        "events.out.tfevents.0.pasta", USER_MODEL_FIT, USER_MODEL_RESTARTS "/", USER_MODEL_ENCODER "/",
                                        "checkpoint.safetensors", "settings.json", NULL};
    const struct pasta_context *context = t->context;
    bool complete = false;
    pasta_status status;
    char *manifest = pasta_path_join(context->out, "manifest.json");
    const bool trained_before = context->resume && pasta_file_exists(manifest); /* what training needs may be gone */
    free(manifest);
    if ((!trained_before && (status = user_model_fits_new(context, t->data, image_root, &t->fits, err)) != PASTA_OK) ||
        (status = pasta_run_dir(context->out, context->force, context->resume, owned, &complete, err)) != PASTA_OK ||
        (status = stamp(context, err)) != PASTA_OK)
        return status;
    if (complete) {
        pasta_info("'%s' is complete: nothing to do", context->out);
    } else {
        status = user_model_fit(context, t->data, &t->fits, err);
        if (status == PASTA_OK)
            status = finish(t, err);
    }
    return status == PASTA_OK ? report(t, err) : status;
}

/* --- a sweep over K ---------------------------------------------------------------------------------------------------------------- */

enum { MOST_SIZES = 64, MOST_TYPES = 1024 };

/* The numbers of --types in rising order, each once. */
static pasta_status parse_types(const char *list, int *types, int *n, struct pasta_err *err)
{
    *n = 0;
    for (const char *at = list; *n < MOST_SIZES; at++) {
        char *end;
        const long K = strtol(at, &end, 10);
        if (end == at || K < 1 || K > MOST_TYPES || (*end && *end != ',') || (*n > 0 && K <= types[*n - 1]))
            break;
        types[(*n)++] = (int)K;
        if (!*end)
            return PASTA_OK;
        at = end;
    }
    return pasta_fail(err, PASTA_ERR_USAGE, "--types: expected rising numbers from 1 to %d, as in 1,2,4,8, found '%s'", MOST_TYPES, list);
}

/* One line for each size, and a word where the held-out people are better told by fewer types. */
static pasta_status report_sweep(const struct pasta_context *sizes, int n, struct pasta_err *err)
{
    double best = -INFINITY;
    int64_t best_types = 0;
    if (!sizes[0].json)
        puts("\n     K   log-likelihood   held out   (an observation)");
    for (int i = 0; i < n; i++) {
        double train, held_out;
        const pasta_status status = user_model_loglik(&sizes[i], &train, &held_out, err);
        if (status != PASTA_OK)
            return status;
        const int64_t K = sizes[i].config.user_model.types;
        if (!sizes[i].json)
            printf("%6lld %16.4f %10.4f\n", (long long)K, train, held_out);
        if (held_out > best) {
            best = held_out;
            best_types = K;
        }
    }
    if (best_types && best_types < sizes[n - 1].config.user_model.types)
        pasta_info("the held-out likelihood is largest with K = %lld: more types are more than these data tell apart", (long long)best_types);
    return PASTA_OK;
}

static pasta_status sweep(struct training *t, struct pasta_context *context, struct pasta_err *err)
{
    int types[MOST_SIZES], n;
    pasta_status status = parse_types(types_list, types, &n, err);
    if (status != PASTA_OK)
        return status;
    struct pasta_context *sizes = pasta_calloc((size_t)n, sizeof *sizes);
    struct pasta_arena arena = {0};
    for (int i = 0; i < n && status == PASTA_OK; i++) {
        sizes[i] = *context;
        sizes[i].config.user_model.types = types[i];
        sizes[i].out = pasta_arena_printf(&arena, "%s/K%d", context->out, types[i]);
        t->context = &sizes[i];
        status = context->dry_run ? plan(t, err) : fit(t, err);
        user_model_fits_release(&t->fits);
    }
    if (status == PASTA_OK && !context->dry_run)
        status = report_sweep(sizes, n, err);
    pasta_arena_release(&arena);
    free(sizes);
    return status;
}

static pasta_status run(struct pasta_context *context, struct pasta_err *err)
{
    struct training t = {.context = context};
    if ((image_root || model_path) && !user_model_trains_towers(context))
        return pasta_fail(err, PASTA_ERR_USAGE, "--%s: expected --set user_model.towers=trained with it; frozen towers are read from "
                          "features", image_root ? "image-root" : "model");
    if (types_list && user_model_trains_towers(context))
        return pasta_fail(err, PASTA_ERR_USAGE, "--types: expected frozen towers: trained ones are another encoder for each size, and one evaluation "
                          "has features of one encoder");
    if (model_path)
        context->config.embed.model = model_path;
    pasta_status status = load(&t, err);
    if (status == PASTA_OK)
        status = types_list ? sweep(&t, context, err) : context->dry_run ? plan(&t, err) : fit(&t, err);
    user_model_fits_release(&t.fits);
    pasta_user_data_free(t.data);
    pasta_features_close(t.features);
    return status;
}

static const struct pasta_option options[] = {
    {"sessions", PASTA_OPT_STRINGS, &session_paths, "FILE", "session records; repeatable", NULL},
    {"preferences", PASTA_OPT_STRINGS, &preference_paths, "FILE", "preference records; repeatable", NULL},
    {"ratings", PASTA_OPT_STRINGS, &rating_paths, "FILE", "rating records; repeatable", NULL},
    {"features", PASTA_OPT_STRING, &features_path, "DIR", "feature pack of their images and prompts (pasta-embed)",
     "the features of the images"},
    {"image-root", PASTA_OPT_STRING, &image_root, "DIR", "folder of images/, for user_model.towers=trained (.)", NULL},
    {"model", PASTA_OPT_STRING, &model_path, "DIR", "the encoder of the features, for the same (embed.model)", NULL},
    {"types", PASTA_OPT_STRING, &types_list, "LIST", "a sweep: a model for each K of 1,2,4,8, in OUT/K1 and so on; data are read once", NULL},
    RECORDS_SKIP_BAD,
    {0}};

static const struct pasta_command command = {
    .name = "pasta-train-user-model",
    .summary = "K user types from pairs, ratings and sessions, by mini-batch EM",
    .examples = "  pasta-train-user-model --config configs/sketch.json --sessions S.jsonl --preferences P.jsonl --ratings R.jsonl "
                "--features DIR --out runs/user-model\n"
                "  pasta-train-user-model --config configs/sketch.json --preferences P.jsonl --features DIR --set user_model.types=1 --out "
                "runs/user-model-1\n"
                "  pasta-train-user-model --sessions S.jsonl --features DIR --types 1,2,4,8,16 --out runs/sweep\n"
                "  pasta-train-user-model --config configs/paper.json --sessions S.jsonl --preferences P.jsonl --ratings R.jsonl "
                "--features DIR --dry-run\n",
    .options = options,
    TORCH_COMMAND};

int main(int argc, char **argv)
{
    return pasta_command_main(&command, argc, argv, run);
}
