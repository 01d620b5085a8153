/* What earlier fidelity reports say of a user model. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/eval/table.h"
#include "pasta/io/file.h"
#include "pasta/io/sha256.h"
#include "simulate_fidelity.h"

static pasta_status number(const cJSON *obj, const char *key, const char *where, double *out, struct pasta_err *err)
{
    *out = NAN;
    return pasta_json_has(obj, key) ? pasta_json_num(obj, key, where, -INFINITY, INFINITY, out, err) : PASTA_OK;
}

static pasta_status estimate(const cJSON *headline, const char *key, const char *where, struct pasta_estimate *out, struct pasta_err *err)
{
    const cJSON *obj;
    pasta_status status = pasta_json_object(headline, key, where, &obj, err);
    *out = (struct pasta_estimate){NAN, NAN, NAN, 0, 0};
    if (status == PASTA_OK && (status = number(obj, "value", where, &out->value, err)) == PASTA_OK &&
        (status = number(obj, "lo", where, &out->lo, err)) == PASTA_OK)
        status = number(obj, "hi", where, &out->hi, err);
    return status;
}

static pasta_status put_line(const cJSON *headline, const char *where, struct pasta_str *out, struct pasta_err *err)
{
    static const struct { const char *key, *name, *unit; enum pasta_format format; int digits; } parts[] = {
        {"choice_calibration_error", "choice calibration error", "", PASTA_FORMAT_NUMBER, 3},
        {"rating", ", rating", "", PASTA_FORMAT_CHANGE, 2},
        {"better", ", share of better", " points", PASTA_FORMAT_CHANGE_PERCENT, 1}};
    int64_t turns, people;
    const cJSON *position;
    bool held_out;
    double p;
    pasta_status status;
    pasta_str_add(out, "fidelity      ");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct pasta_estimate e;
        if ((status = estimate(headline, parts[i].key, where, &e, err)) != PASTA_OK)
            return status;
        pasta_str_printf(out, "%s ", parts[i].name);
        pasta_estimate_print(e, parts[i].format, parts[i].digits, out);
        pasta_str_add(out, parts[i].unit);
    }
    if ((status = pasta_json_object(headline, "position", where, &position, err)) != PASTA_OK ||
        (status = number(position, "p", where, &p, err)) != PASTA_OK ||
        (status = pasta_json_bool(headline, "held_out", where, &held_out, err)) != PASTA_OK ||
        (status = pasta_json_int(headline, "turns", where, 0, INT64_C(1) << 53, &turns, err)) != PASTA_OK ||
        (status = pasta_json_int(headline, "people", where, 0, INT64_C(1) << 53, &people, err)) != PASTA_OK)
        return status;
    pasta_str_printf(out, ", positions p = %.2g; simulated less real, %lld turns of %lld people%s\n", p, (long long)turns, (long long)people,
                     held_out ? "" : ", whether trained on or not");
    return PASTA_OK;
}

static pasta_status put_object(const cJSON *headline, struct pasta_str *out)
{
    char *text = cJSON_PrintUnformatted(headline);
    pasta_str_add(out, text);
    free(text);
    return PASTA_OK;
}

pasta_status fidelity_headline(const char *user_model, bool json, struct pasta_str *out, struct pasta_err *err)
{
    char *path = pasta_path_join(user_model, "fidelity/fidelity.json"), *weights = pasta_path_join(user_model, "user_model.safetensors");
    char hex[65];
    const char *of = "";
    cJSON *report = NULL;
    const cJSON *headline;
    const bool measured = pasta_file_exists(path);
    pasta_status status = PASTA_OK;
    if (measured && (status = pasta_json_read(path, &report, err)) == PASTA_OK &&
        (status = pasta_json_str(report, "user_model", path, &of, err)) == PASTA_OK &&
        (status = pasta_json_object(report, "headline", path, &headline, err)) == PASTA_OK)
        status = pasta_sha256_file(weights, hex, err);
    if (status == PASTA_OK && measured && strcmp(of, hex) == 0)
        status = json ? put_object(headline, out) : put_line(headline, path, out, err);
    else if (status == PASTA_OK)
        pasta_str_add(out, json ? "null" : measured ? "fidelity      not measured: the report in the user model's folder is of another model\n"
                                                    : "fidelity      not measured\n");
    cJSON_Delete(report);
    free(path);
    free(weights);
    return status;
}
