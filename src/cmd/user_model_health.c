/* Whether the types that were found are worth their names: fit.json, and its words. */
#include "user_model_fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "pasta/base/json.h"
#include "pasta/base/log.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"

#define SCHEMA "pasta.user_model_fit/1"

/* --- writing --------------------------------------------------------------------------------------------------------------------- */

static void put_field(struct pasta_str *s, const char *name, double value)
{
    pasta_str_printf(s, ",\"%s\":", name);
    if (isfinite(value))
        pasta_json_put_num(s, round(value * 1e6) / 1e6);
    else
        pasta_str_add(s, "null");
}

static void put_restarts(struct pasta_str *s, const struct user_model_fits *fits)
{
    pasta_str_add(s, ",\n\"restarts\":[");
    for (int i = 0; i < fits->n; i++) {
        pasta_str_printf(s, "%s\n{\"fit\":%d", i > 0 ? "," : "", i);
        put_field(s, "loglik_train", fits->train[i]);
        put_field(s, "loglik_held_out", fits->held_out[i]);
        pasta_str_add(s, "}");
    }
    pasta_str_add(s, "]");
}

static void put_types(struct pasta_str *s, const struct pasta_em_type *types, int K)
{
    pasta_str_add(s, ",\n\"types\":[");
    for (int k = 0; k < K; k++) {
        pasta_str_printf(s, "%s\n{\"type\":%d", k > 0 ? "," : "", k);
        put_field(s, "share", types[k].share);
        put_field(s, "users", types[k].users);
        put_field(s, "nearest", types[k].nearest >= 0 ? types[k].nearest : NAN);
        put_field(s, "difference", types[k].difference);
        pasta_str_printf(s, ",\"dead\":%s", types[k].dead ? "true" : "false");
        put_field(s, "duplicate_of", types[k].duplicate_of >= 0 ? types[k].duplicate_of : NAN);
        pasta_str_add(s, "}");
    }
    pasta_str_add(s, "]");
}

/* --- the words --------------------------------------------------------------------------------------------------------------------- */

static void warn(struct pasta_str *s, int *n, const char *text)
{
    pasta_str_add(s, (*n)++ > 0 ? ",\n" : "\n");
    pasta_json_put_str(s, text);
}

static void list(struct pasta_str *s, int k)
{
    pasta_str_printf(s, "%s%d", s->length > 0 ? ", " : "", k);
}

static void put_warnings(struct pasta_str *s, const struct pasta_user_model_settings *settings, const struct pasta_em_type *types,
                         const double *prior, int K)
{
    struct pasta_str dead = {0}, twins = {0}, few = {0}, text = {0};
    double entropy = 0;
    int n = 0;
    for (int k = 0; k < K; k++) {
        entropy -= prior[k] > 0 ? prior[k] * log(prior[k]) : 0;
        if (types[k].dead)
            list(&dead, k);
        else if (types[k].duplicate_of >= 0)
            pasta_str_printf(&twins, "%s%d of %d (%.3f)", twins.length > 0 ? ", " : "", k, types[k].duplicate_of, types[k].difference);
        if (!types[k].dead && types[k].users < (double)settings->least_users)
            list(&few, k);
    }
    pasta_str_add(s, ",\n\"warnings\":[");
    if (dead.length > 0) {
        pasta_str_printf(&text, "dead types, whose share of the users is below %g of an even one: %s", settings->dead, dead.data);
        warn(s, &n, text.data);
        text.length = 0;
    }
    if (twins.length > 0) {
        pasta_str_printf(&text, "duplicate types, whose predictions differ by less than %g on average: %s", settings->duplicate, twins.data);
        warn(s, &n, text.data);
        text.length = 0;
    }
    if (few.length > 0) {
        pasta_str_printf(&text, "types of fewer than %lld %s in training: %s", (long long)settings->least_users,
                         settings->responsibilities[0] == 'u' ? "users" : "observations", few.data);
        warn(s, &n, text.data);
        text.length = 0;
    }
    if (n > 0 || 2 * exp(entropy) < K) {
        pasta_str_printf(&text, "K = %d may be too large for these data (effectively %.1f types): compare the held-out likelihood with that of a "
                         "smaller user_model.types", K, exp(entropy));
        warn(s, &n, text.data);
    }
    pasta_str_add(s, n > 0 ? "\n]" : "]");
    struct pasta_str *all[] = {&dead, &twins, &few, &text};
    for (int i = 0; i < 4; i++)
        pasta_str_release(all[i]);
}

pasta_status user_model_health_write(const struct pasta_context *context, const struct user_model_fits *fits, struct pasta_manifest *manifest,
                                     struct pasta_err *err)
{
    const struct pasta_user_model_settings *settings = &context->config.user_model;
    int K = (int)settings->types, dead = 0, duplicate = 0;
    struct pasta_em_type *types = pasta_calloc((size_t)K, sizeof *types);
    struct pasta_str text = {0};
    char *path = pasta_path_join(context->out, USER_MODEL_FIT);
    pasta_status status = pasta_em_types(fits->best, types, err);
    for (int k = 0; k < K; k++) {
        dead += types[k].dead;
        duplicate += !types[k].dead && types[k].duplicate_of >= 0;
    }
    pasta_str_printf(&text, "{\"schema\":\"" SCHEMA "\",\"kept\":%d,\"reseeded\":%lld,\"dead\":%d,\"duplicate\":%d", fits->kept,
                     (long long)pasta_em_reseeded(fits->best), dead, duplicate);
    put_restarts(&text, fits);
    put_types(&text, types, K);
    put_warnings(&text, settings, types, pasta_em_prior(fits->best), K);
    pasta_str_add(&text, "}\n");
    if (status == PASTA_OK)
        status = pasta_file_write(path, text.data, text.length, err);
    if (status == PASTA_OK)
        status = pasta_manifest_output(manifest, context->out, USER_MODEL_FIT, err);
    pasta_manifest_count(manifest, "restarts", fits->n);
    pasta_manifest_count(manifest, "dead_types", dead);
    pasta_manifest_count(manifest, "duplicate_types", duplicate);
    pasta_manifest_count(manifest, "reseeded_types", pasta_em_reseeded(fits->best));
    pasta_str_release(&text);
    free(types);
    free(path);
    return status;
}

/* --- reading ----------------------------------------------------------------------------------------------------------------------- */

static double number(const cJSON *object, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(value) ? value->valuedouble : NAN;
}

static void put_loglik(struct pasta_str *s, const cJSON *fit)
{
    double held_out = number(fit, "loglik_held_out");
    pasta_str_printf(s, "%.4f", number(fit, "loglik_train"));
    if (isfinite(held_out))
        pasta_str_printf(s, ", held out %.4f", held_out);
}

static void put_lines(const cJSON *fit, struct pasta_str *out)
{
    const cJSON *restarts = cJSON_GetObjectItemCaseSensitive(fit, "restarts"), *each;
    int kept = (int)number(fit, "kept"), n = cJSON_GetArraySize(restarts), i = 0;
    pasta_str_add(out, "likelihood   ");
    put_loglik(out, cJSON_GetArrayItem(restarts, kept));
    pasta_str_add(out, " (log, an observation)\n");
    cJSON_ArrayForEach(each, restarts) {
        if (n < 2)
            break;
        pasta_str_printf(out, "  fit %-7d", i);
        put_loglik(out, each);
        pasta_str_add(out, i++ == kept ? "; kept\n" : "\n");
    }
    if (number(fit, "dead") + number(fit, "duplicate") + number(fit, "reseeded") > 0)
        pasta_str_printf(out, "of the types %g dead, %g duplicate; %g started anew\n", number(fit, "dead"), number(fit, "duplicate"),
                         number(fit, "reseeded"));
}

pasta_status user_model_loglik(const struct pasta_context *context, double *train, double *held_out, struct pasta_err *err)
{
    char *path = pasta_path_join(context->out, USER_MODEL_FIT);
    cJSON *fit = NULL;
    const cJSON *restarts;
    pasta_status status = pasta_json_read(path, &fit, err);
    if (status == PASTA_OK)
        status = pasta_json_array(fit, "restarts", path, &restarts, err);
    if (status == PASTA_OK) {
        const cJSON *kept = cJSON_GetArrayItem(restarts, (int)number(fit, "kept"));
        *train = number(kept, "loglik_train");
        *held_out = number(kept, "loglik_held_out");
    }
    cJSON_Delete(fit);
    free(path);
    return status;
}

pasta_status user_model_health_report(const struct pasta_context *context, struct pasta_str *out, struct pasta_err *err)
{
    char *path = pasta_path_join(context->out, USER_MODEL_FIT);
    cJSON *fit = NULL;
    const cJSON *warnings, *warning;
    pasta_status status = pasta_json_read(path, &fit, err);
    if (status == PASTA_OK)
        status = pasta_json_array(fit, "warnings", path, &warnings, err);
    if (status == PASTA_OK) {
        cJSON_ArrayForEach(warning, warnings)
            pasta_warn("%s", cJSON_IsString(warning) ? warning->valuestring : "");
        if (context->json) {
            char *text = cJSON_PrintUnformatted(fit);
            pasta_str_printf(out, ",\"fit\":%s", text);
            cJSON_free(text);
        } else {
            put_lines(fit, out);
        }
    }
    cJSON_Delete(fit);
    free(path);
    return status;
}
