/* pasta-info: what a file or a run folder holds; --check validates it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common.h"
#include "info_diff.h"
#include "pasta/base/json.h"
#include "pasta/base/paths.h"
#include "pasta/io/features.h"
#include "pasta/io/file.h"
#include "pasta/io/image.h"
#include "pasta/io/record.h"
#include "pasta/io/safetensors.h"
#include "pasta/io/service.h"
#include "pasta/io/sha256.h"
#include "pasta/model/weights.h"

static bool check, cache, diff, tables;
static const char *tolerance;
static const struct pasta_option options[] = {
    {"check", PASTA_OPT_FLAG, &check, NULL, "validate: read everything, and compare a run's files with its manifest", NULL},
    {"cache", PASTA_OPT_FLAG, &cache, NULL, "of a folder where replies are kept, or a cassette: replies and bytes by kind", NULL},
    {"diff", PASTA_OPT_FLAG, &diff, NULL, "of two runs: what differs in code, configuration, seed, libraries, inputs and outputs", NULL},
    {"tables", PASTA_OPT_FLAG, &tables, NULL, "of two folders of tables, expected and found: exit 4 and the cells where they disagree", NULL},
    {"tolerance", PASTA_OPT_STRING, &tolerance, "X", "how far, in halves of the expected interval (1.5), and 0.5 % of the value in any case", NULL},
    {0}};

static const struct pasta_command command = {
    .name = "pasta-info",
    .summary = "what a file or a run folder holds",
    .examples = "  pasta-info runs/quickstart/collect\n"
                "  pasta-info --check runs/quickstart/collect/sessions.jsonl data/models/clip-sketch\n"
                "  pasta-info --cache runs/study/cache\n"
                "  pasta-info --diff runs/evaluate-1 runs/evaluate-2\n"
                "  pasta-info --tables tests/expected/agents runs/reproduce/agents/tables\n",
    .options = options,
    .operands = "PATH...",
    .no_out = true,
    .no_dry_run = true,
    .no_json = true,
};

static void print_safetensors(const struct pasta_safetensors *st)
{
    const char *path = pasta_safetensors_path(st);
    int64_t scalars = 0;
    for (int i = 0; i < pasta_safetensors_count(st); i++)
        scalars += pasta_st_numel(pasta_safetensors_at(st, i));
    printf("%s: safetensors, %d tensors, %lld values\n", path, pasta_safetensors_count(st), (long long)scalars);
    for (int i = 0; i < pasta_safetensors_count(st); i++) {
        const struct pasta_st_tensor *t = pasta_safetensors_at(st, i);
        printf("  %-5s [", pasta_st_dtype_name(t->dtype));
        for (int d = 0; d < t->rank; d++)
            printf("%s%lld", d ? "," : "", (long long)t->shape[d]);
        printf("]  %s\n", t->name);
    }
}

static pasta_status info_safetensors(const char *path, struct pasta_err *err)
{
    struct pasta_safetensors *st;
    pasta_status status = pasta_safetensors_open(path, &st, err);
    if (status == PASTA_OK) {
        print_safetensors(st);
        pasta_safetensors_close(st);
    }
    return status;
}

/* A model: the files that hold its weights. Whether they are what config.json says, loading it will tell. */
static pasta_status info_model(const char *dir, struct pasta_err *err)
{
    struct pasta_weights *weights;
    char *path = pasta_path_join(dir, "config.json");
    cJSON *config = NULL;
    pasta_status status = pasta_file_exists(path) ? pasta_json_read(path, &config, err) : PASTA_OK;
    if (status == PASTA_OK)
        status = pasta_weights_open(dir, &weights, err);
    if (status == PASTA_OK) {
        const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(config, "model_type"));
        if (type)
            printf("%s: model of type %s\n", dir, type);
        for (int i = 0; i < pasta_weights_files(weights); i++)
            print_safetensors(pasta_weights_file(weights, i));
        pasta_weights_close(weights);
    }
    cJSON_Delete(config);
    free(path);
    return status;
}

static pasta_status info_image(const char *path, struct pasta_err *err)
{
    struct pasta_str bytes = {0};
    struct pasta_image image;
    pasta_status status = pasta_file_read(path, &bytes, err);
    if (status == PASTA_OK)
        status = pasta_image_decode(bytes.data, bytes.length, path, &image, err);
    if (status == PASTA_OK) {
        printf("%s: %s, %d x %d\n", path, pasta_image_format(bytes.data, bytes.length), image.width, image.height);
        pasta_image_release(&image);
    }
    pasta_str_release(&bytes);
    return status;
}

/* The schema of the first record decides how the whole file is read. */
static pasta_status first_schema(const char *path, char schema[64], struct pasta_err *err)
{
    struct pasta_lines lines = {0};
    bool more = false;
    cJSON *tree = NULL;
    const char *found;
    char *where = pasta_asprintf("%s:1", path);
    pasta_status status = pasta_lines_open(&lines, path, err);
    if (status == PASTA_OK)
        status = pasta_lines_next(&lines, &more, err);
    if (status == PASTA_OK && !more)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected records, found an empty file", path);
    if (status == PASTA_OK)
        status = pasta_json_parse(lines.line.data, lines.line.length, where, &tree, err);
    if (status == PASTA_OK)
        status = pasta_json_str(tree, "schema", where, &found, err);
    if (status == PASTA_OK)
        snprintf(schema, 64, "%s", found);
    cJSON_Delete(tree);
    pasta_lines_close(&lines);
    free(where);
    return status;
}

static pasta_status info_sessions(const char *path, struct pasta_err *err)
{
    struct pasta_sessions s = {0};
    pasta_status status = pasta_sessions_read(path, 0, NULL, &s, err);
    if (status == PASTA_OK) {
        size_t turns = 0, chosen = 0, checks = 0;
        double ratings = 0, sum = 0;
        for (size_t i = 0; i < s.n; i++) {
            checks += (size_t)s.items[i].n_checks;
            for (int t = 0; t < s.items[i].n_turns; t++) {
                const struct pasta_turn *turn = &s.items[i].turns[t];
                turns++;
                chosen += turn->choice >= 0;
                if (turn->rating == turn->rating) {
                    ratings++;
                    sum += turn->rating;
                }
            }
        }
        printf("%s: pasta.session/1, %zu sessions, %zu turns, %zu choices", path, s.n, turns, chosen);
        if (ratings > 0)
            printf(", mean rating %.3f (n = %.0f)", sum / ratings, ratings);
        if (checks)
            printf(", %zu checks", checks);
        putchar('\n');
    }
    pasta_sessions_release(&s);
    return status;
}

/* Rows that no stage reads back as records (metrics, responsibilities): JSON line by line. */
static pasta_status info_rows(const char *path, const char *schema, struct pasta_err *err)
{
    struct pasta_lines lines = {0};
    bool more = true;
    int64_t n = 0;
    pasta_status status = pasta_lines_open(&lines, path, err);
    while (status == PASTA_OK && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more) {
        cJSON *row = NULL;
        char *where = pasta_asprintf("%s:%lld", path, (long long)lines.number);
        status = pasta_json_parse(lines.line.data, lines.line.length, where, &row, err);
        cJSON_Delete(row);
        free(where);
        n++;
    }
    pasta_lines_close(&lines);
    if (status == PASTA_OK)
        printf("%s: %s, %lld rows\n", path, schema, (long long)n);
    return status;
}

/* Every line of a cassette is checked as it is counted; the entries of a cache are checked where that is asked for. */
static pasta_status info_cache(const char *path, struct pasta_err *err)
{
    struct pasta_cache_count counts[PASTA_SERVICE_KINDS];
    int64_t damaged, all = 0;
    pasta_status status = pasta_cache_count(path, counts, &damaged, err);
    if (status != PASTA_OK)
        return status;
    for (int i = 0; i < PASTA_SERVICE_KINDS; i++)
        all += counts[i].replies;
    if (!all && !damaged)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: expected replies of services, found none", path);
    printf("%s: replies of services", path);
    for (int i = 0; i < PASTA_SERVICE_KINDS; i++)
        printf(", %lld %s (%lld bytes)", (long long)counts[i].replies, pasta_service_kind_names[i], (long long)counts[i].bytes);
    if (damaged)
        printf(", %lld damaged, which will be asked for again", (long long)damaged);
    putchar('\n');
    return damaged && check ? pasta_fail(err, PASTA_ERR_CHECK, "%s: %lld entries are damaged", path, (long long)damaged) : PASTA_OK;
}

static pasta_status info_jsonl(const char *path, struct pasta_err *err)
{
    char schema[64];
    pasta_status status = first_schema(path, schema, err);
    if (status != PASTA_OK)
        return status;
    if (strcmp(schema, "pasta.session/1") == 0)
        return info_sessions(path, err);
    if (strcmp(schema, "pasta.exchange/1") == 0)
        return info_cache(path, err);
    size_t n;
    if (strcmp(schema, "pasta.preference/1") == 0) {
        struct pasta_preferences p = {0};
        status = pasta_preferences_read(path, 0, NULL, &p, err);
        n = p.n;
        pasta_preferences_release(&p);
    } else if (strcmp(schema, "pasta.rating/1") == 0) {
        struct pasta_ratings r = {0};
        status = pasta_ratings_read(path, 0, NULL, &r, err);
        n = r.n;
        pasta_ratings_release(&r);
    } else if (strcmp(schema, "pasta.ranking/1") == 0) {
        struct pasta_rankings r = {0};
        status = pasta_rankings_read(path, 0, NULL, &r, err);
        n = r.n;
        pasta_rankings_release(&r);
    } else if (strcmp(schema, "pasta.responsibility/1") == 0 || strcmp(schema, "pasta.trained_prompt/1") == 0 ||
               strcmp(schema, "pasta.metrics/1") == 0) {
        return info_rows(path, schema, err);
    } else {
        return pasta_fail(err, PASTA_ERR_INPUT, "%s:1: schema: expected a pasta schema, found '%s'", path, schema);
    }
    if (status == PASTA_OK)
        printf("%s: %s, %zu records\n", path, schema, n);
    return status;
}

static pasta_status read_manifest(const char *dir, cJSON **out, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, "manifest.json");
    pasta_status status = pasta_json_read(path, out, err);
    free(path);
    return status;
}

/* Compares every output that the manifest names with the digest it had when it was written. */
static pasta_status check_outputs(const char *dir, const cJSON *manifest, struct pasta_err *err)
{
    const cJSON *outputs = cJSON_GetObjectItemCaseSensitive(manifest, "outputs"), *output;
    int n = 0;
    cJSON_ArrayForEach(output, outputs) {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(output, "path"));
        const char *wanted = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(output, "sha256"));
        if (!name || !wanted)
            return pasta_fail(err, PASTA_ERR_INPUT, "%s/manifest.json: outputs: expected path and sha256 in every entry", dir);
        char found[65];
        char *path = pasta_path_join(dir, name);
        pasta_status status = pasta_sha256_file(path, found, err);
        if (status == PASTA_OK && strcmp(found, wanted) != 0)
            status = pasta_fail(err, PASTA_ERR_CHECK, "'%s' has changed since its run: expected sha256 %.12s..., found %.12s...",
                                path, wanted, found);
        free(path);
        if (status != PASTA_OK)
            return status;
        n++;
    }
    printf("  %d outputs are as they were written\n", n);
    return PASTA_OK;
}

static pasta_status info_run(const char *dir, struct pasta_err *err)
{
    cJSON *manifest;
    pasta_status status = read_manifest(dir, &manifest, err);
    if (status != PASTA_OK)
        return status;
    printf("%s: finished run", dir);
    const cJSON *item;
    cJSON_ArrayForEach(item, manifest)
        if (cJSON_IsString(item) || cJSON_IsNumber(item)) {
            char *value = cJSON_PrintUnformatted(item);
            printf(", %s %s", item->string, value);
            cJSON_free(value);
        }
    putchar('\n');
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(manifest, "counts"))
        printf("  %-24s %.0f\n", item->string, item->valuedouble);
    if (check)
        status = check_outputs(dir, manifest, err);
    cJSON_Delete(manifest);
    return status;
}

static pasta_status info_features(const char *dir, struct pasta_err *err)
{
    struct pasta_features *features;
    pasta_status status = pasta_features_open(dir, &features, err);
    if (status != PASTA_OK)
        return status;
    printf("%s: feature pack, D = %d, encoder %.12s...\n", dir, pasta_features_dim(features), pasta_features_encoder(features));
    pasta_features_close(features);
    return PASTA_OK;
}

static bool holds(const char *dir, const char *name)
{
    char *path = pasta_path_join(dir, name);
    bool found = pasta_file_exists(path);
    free(path);
    return found;
}

static pasta_status info_folder(const char *dir, struct pasta_err *err)
{
    bool features = holds(dir, "index.jsonl");
    pasta_status status = PASTA_OK;
    if (features)
        status = info_features(dir, err);
    if (status == PASTA_OK && holds(dir, "manifest.json"))
        return info_run(dir, err);
    if (features)
        return status;
    if (pasta_weights_exist(dir))
        return info_model(dir, err);
    return pasta_fail(err, PASTA_ERR_INPUT,
                      "%s: expected a run, a feature pack or a model; there is no manifest.json (an unfinished run?), "
                      "index.jsonl or model.safetensors", dir);
}

static pasta_status info(const char *path, struct pasta_err *err)
{
    struct stat st;
    if (stat(path, &st))
        return pasta_fail_errno(err, "cannot read '%s'", path);
    if (S_ISDIR(st.st_mode))
        return info_folder(path, err);
    if (pasta_ends_with(path, ".safetensors"))
        return info_safetensors(path, err);
    for (int i = 0; pasta_image_endings[i]; i++)
        if (pasta_ends_with(path, pasta_image_endings[i]))
            return info_image(path, err);
    if (pasta_ends_with(path, ".jsonl") || pasta_ends_with(path, ".jsonl.gz"))
        return info_jsonl(path, err);
    return pasta_fail(err, PASTA_ERR_INPUT, "%s: expected a folder, .safetensors, .jsonl, .jsonl.gz or an image (.png, .jpg, .webp)", path);
}

static pasta_status run(struct pasta_context *context, struct pasta_err *err)
{
    if (!context->operands.count)
        return pasta_fail(err, PASTA_ERR_USAGE, "expected PATH..., found none; see --help");
    if (diff || tables) {
        char *end;
        const char *text = tolerance ? tolerance : "1.5";
        const double within = strtod(text, &end);
        if (context->operands.count != 2 || (diff && tables))
            return pasta_fail(err, PASTA_ERR_USAGE, "--%s: expected two folders, found %d", diff ? "diff" : "tables", context->operands.count);
        if (*end || end == text || !(within >= 0))
            return pasta_fail(err, PASTA_ERR_USAGE, "--tolerance: expected a number from 0, found '%s'", tolerance);
        const char *a = context->operands.items[0], *b = context->operands.items[1];
        return diff ? info_diff(a, b, err) : info_tables(a, b, within, err);
    }
    for (int i = 0; i < context->operands.count; i++) {
        pasta_status status = cache ? info_cache(context->operands.items[i], err) : info(context->operands.items[i], err);
        if (status != PASTA_OK)
            return status;
    }
    return PASTA_OK;
}

int main(int argc, char **argv)
{
    return pasta_command_main(&command, argc, argv, run);
}
