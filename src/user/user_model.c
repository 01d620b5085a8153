/* user_model.c: the parameters of the K user types as plain arrays, and their folder.
 *
 * DIR/config.json says the sizes and settings, DIR/user_model.safetensors holds the tensors (f32; the prior and the heads' scalars f64,
 * because a simulated user must not depend on rounding).
 */
#include "pasta/user/user_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "pasta/base/json.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/io/safetensors.h"

#define SCHEMA "pasta.user_model/1"
enum { N_HEADS = 6, N_TENSORS = 7, MAX_TYPES = 4096, MAX_DIM = 1 << 16 };

static const char *const aggregate_names[] = {"mean", "max", "logsumexp"};

pasta_status pasta_aggregate_parse(const char *name, enum pasta_aggregate *out, struct pasta_err *err)
{
    for (int i = 0; i < 3; i++)
        if (strcmp(name, aggregate_names[i]) == 0) {
            *out = (enum pasta_aggregate)i;
            return PASTA_OK;
        }
    return pasta_fail(err, PASTA_ERR_USAGE, "user_model.aggregate: expected mean, max or logsumexp, found '%s'", name);
}

const char *pasta_aggregate_name(enum pasta_aggregate aggregate)
{
    return aggregate_names[aggregate];
}

struct pasta_user_model *pasta_user_model_new(int n_types, int dim, int width, enum pasta_aggregate aggregate, double temperature_max,
                                              const char *encoder)
{
    struct pasta_user_model *m = pasta_calloc(1, sizeof *m);
    size_t K = (size_t)n_types, D = (size_t)dim, W = (size_t)width;
    m->n_types = n_types;
    m->dim = dim;
    m->width = width;
    m->aggregate = aggregate;
    m->temperature_max = temperature_max;
    m->encoder = pasta_strdup(encoder);
    m->prior = pasta_malloc(K * sizeof *m->prior);
    for (size_t k = 0; k < K; k++)
        m->prior[k] = 1.0 / n_types;
    m->taste = pasta_calloc(K * D, sizeof(float));
    float **adapters[] = {&m->image_in, &m->image_out, &m->text_in, &m->text_out};
    for (int i = 0; i < 4; i++)
        *adapters[i] = pasta_calloc(K * W * D, sizeof(float));
    m->scale = 10;
    m->temperature = temperature_max / 2 < 1 ? temperature_max / 2 : 1;
    m->tie = 0.5;
    m->rating_gain = 0.1;
    m->rating_offset = 0.5;
    m->rating_noise = 0.25;
    return m;
}

void pasta_user_model_free(struct pasta_user_model *m)
{
    if (m == NULL)
        return;
    free(m->encoder);
    free(m->prior);
    free(m->taste);
    free(m->image_in);
    free(m->image_out);
    free(m->text_in);
    free(m->text_out);
    free(m);
}

pasta_status pasta_user_model_fits(const struct pasta_user_model *m, const char *encoder, int dim, const char *where, struct pasta_err *err)
{
    if (strcmp(m->encoder, encoder) != 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected features of encoder %.16s, found %.16s; embed the images with the encoder "
                                                "the user model was trained on",
                          where, m->encoder, encoder);
    if (m->dim != dim)
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected features of dimension %d, found %d", where, m->dim, dim);
    return PASTA_OK;
}

/* The file's tensors: where each lies in the struct, and its shape. heads: [6] scale, temperature, tie, gain, offset, noise. */
static void describe(const struct pasta_user_model *m, double *heads, struct pasta_st_tensor out[N_TENSORS])
{
    int64_t K = m->n_types, D = m->dim, W = m->width;
    const struct pasta_st_tensor all[N_TENSORS] = {
        {.name = "heads", .dtype = PASTA_ST_F64, .rank = 1, .shape = {N_HEADS}, .data = heads},
        {.name = "image_adapter.in", .dtype = PASTA_ST_F32, .rank = 3, .shape = {K, W, D}, .data = m->image_in},
        {.name = "image_adapter.out", .dtype = PASTA_ST_F32, .rank = 3, .shape = {K, W, D}, .data = m->image_out},
        {.name = "prior", .dtype = PASTA_ST_F64, .rank = 1, .shape = {K}, .data = m->prior},
        {.name = "taste", .dtype = PASTA_ST_F32, .rank = 2, .shape = {K, D}, .data = m->taste},
        {.name = "text_adapter.in", .dtype = PASTA_ST_F32, .rank = 3, .shape = {K, W, D}, .data = m->text_in},
        {.name = "text_adapter.out", .dtype = PASTA_ST_F32, .rank = 3, .shape = {K, W, D}, .data = m->text_out},
    };
    memcpy(out, all, sizeof all);
    for (int i = 0; i < N_TENSORS; i++)
        out[i].bytes = (size_t)pasta_st_numel(&out[i]) * pasta_st_dtype_size(out[i].dtype);
}

pasta_status pasta_user_model_save(const struct pasta_user_model *m, const char *dir, struct pasta_err *err)
{
    double heads[N_HEADS] = {m->scale, m->temperature, m->tie, m->rating_gain, m->rating_offset, m->rating_noise};
    struct pasta_st_tensor tensors[N_TENSORS];
    describe(m, heads, tensors);
    const char *const meta[][2] = {{"schema", SCHEMA}, {"encoder", m->encoder}};
    char *weights = pasta_path_join(dir, "user_model.safetensors"), *config = pasta_path_join(dir, "config.json");
    struct pasta_str text = {0};
    pasta_str_printf(&text, "{\n  \"schema\": \"" SCHEMA "\",\n  \"types\": %d,\n  \"dim\": %d,\n  \"adapter_width\": %d,\n"
                             "  \"aggregate\": \"%s\",\n  \"temperature_max\": ",
                     m->n_types, m->dim, m->width, pasta_aggregate_name(m->aggregate));
    pasta_json_put_num(&text, m->temperature_max);
    pasta_str_add(&text, ",\n  \"encoder\": ");
    pasta_json_put_str(&text, m->encoder);
    pasta_str_add(&text, "\n}\n");
    pasta_status status = pasta_safetensors_write(weights, tensors, N_TENSORS, meta, 2, err);
    if (status == PASTA_OK)
        status = pasta_file_write(config, text.data, text.length, err);
    pasta_str_release(&text);
    free(weights);
    free(config);
    return status;
}

static pasta_status read_config(const char *path, struct pasta_user_model **out, struct pasta_err *err)
{
    cJSON *json = NULL;
    const char *schema, *aggregate_name, *encoder;
    int64_t types, dim, width;
    double temperature_max;
    enum pasta_aggregate aggregate;
    pasta_status status = pasta_json_read(path, &json, err);
    if (status != PASTA_OK)
        return status;
    if ((status = pasta_json_str(json, "schema", path, &schema, err)) != PASTA_OK)
        goto out;
    if (strcmp(schema, SCHEMA) != 0) {
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: schema: expected \"" SCHEMA "\", found \"%s\"", path, schema);
        goto out;
    }
    if ((status = pasta_json_int(json, "types", path, 1, MAX_TYPES, &types, err)) != PASTA_OK ||
        (status = pasta_json_int(json, "dim", path, 1, MAX_DIM, &dim, err)) != PASTA_OK ||
        (status = pasta_json_int(json, "adapter_width", path, 0, MAX_DIM, &width, err)) != PASTA_OK ||
        (status = pasta_json_str(json, "aggregate", path, &aggregate_name, err)) != PASTA_OK ||
        (status = pasta_json_num(json, "temperature_max", path, 1e-6, 1e6, &temperature_max, err)) != PASTA_OK ||
        (status = pasta_json_str(json, "encoder", path, &encoder, err)) != PASTA_OK)
        goto out;
    if (pasta_aggregate_parse(aggregate_name, &aggregate, NULL) != PASTA_OK) {
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: aggregate: expected mean, max or logsumexp, found \"%s\"", path, aggregate_name);
        goto out;
    }
    if (types * width * dim > INT64_C(1) << 33) {
        status = pasta_fail(err, PASTA_ERR_INPUT,
                            "%s: expected at most 2^33 adapter weights, found %lld types of width %lld and dimension %lld", path,
                            (long long)types, (long long)width, (long long)dim);
        goto out;
    }
    *out = pasta_user_model_new((int)types, (int)dim, (int)width, aggregate, temperature_max, encoder);
out:
    cJSON_Delete(json);
    return status;
}

static pasta_status bad_value(const char *path, const char *name, double value, const char *expected, struct pasta_err *err)
{
    return pasta_fail(err, PASTA_ERR_INPUT, "%s: %s: expected %s, found %g", path, name, expected, value);
}

static pasta_status set_heads(struct pasta_user_model *m, const char *path, const double heads[N_HEADS], struct pasta_err *err)
{
    for (int i = 0; i < N_HEADS; i++)
        if (!isfinite(heads[i]) || (i != 3 && i != 4 && heads[i] <= 0))
            return bad_value(path, "heads", heads[i], i == 3 || i == 4 ? "a finite number" : "a positive number", err);
    if (heads[1] > m->temperature_max * (1 + 1e-9))
        return bad_value(path, "heads: temperature", heads[1], "at most temperature_max of config.json", err);
    m->scale = heads[0];
    m->temperature = heads[1];
    m->tie = heads[2];
    m->rating_gain = heads[3];
    m->rating_offset = heads[4];
    m->rating_noise = heads[5];
    return PASTA_OK;
}

static pasta_status read_weights(const char *path, struct pasta_user_model *m, struct pasta_err *err)
{
    struct pasta_safetensors *file = NULL;
    double heads[N_HEADS], sum = 0;
    struct pasta_st_tensor tensors[N_TENSORS];
    describe(m, heads, tensors);
    pasta_status status = pasta_safetensors_open(path, &file, err);
    for (int i = 0; i < N_TENSORS && status == PASTA_OK; i++) {
        const struct pasta_st_tensor *found;
        status = pasta_safetensors_want(file, tensors[i].name, tensors[i].dtype, tensors[i].rank, tensors[i].shape, &found, err);
        if (status == PASTA_OK)
            memcpy((void *)(uintptr_t)tensors[i].data, found->data, tensors[i].bytes);
    }
    if (status == PASTA_OK)
        status = set_heads(m, path, heads, err);
    for (int i = 0; i < N_TENSORS && status == PASTA_OK; i++) {
        const float *values = tensors[i].data;
        for (size_t j = 0; tensors[i].dtype == PASTA_ST_F32 && j < tensors[i].bytes / sizeof(float) && status == PASTA_OK; j++)
            if (!isfinite(values[j]))
                status = bad_value(path, tensors[i].name, values[j], "finite numbers", err);
    }
    for (int k = 0; k < m->n_types && status == PASTA_OK; k++) {
        if (!(m->prior[k] >= 0 && m->prior[k] <= 1 + 1e-6))
            status = bad_value(path, "prior", m->prior[k], "probabilities", err);
        sum += m->prior[k];
    }
    if (status == PASTA_OK && fabs(sum - 1) > 1e-6)
        status = bad_value(path, "prior", sum, "a sum of 1", err);
    pasta_safetensors_close(file);
    return status;
}

pasta_status pasta_user_model_load(const char *dir, const struct pasta_features *features, struct pasta_user_model **out,
                                   struct pasta_err *err)
{
    struct pasta_user_model *m = NULL;
    char *config = pasta_path_join(dir, "config.json"), *weights = pasta_path_join(dir, "user_model.safetensors");
    pasta_status status = read_config(config, &m, err);
    if (status == PASTA_OK)
        status = read_weights(weights, m, err);
    if (status == PASTA_OK && features != NULL)
        status = pasta_user_model_fits(m, pasta_features_encoder(features), pasta_features_dim(features), dir, err);
    if (status == PASTA_OK)
        *out = m;
    else
        pasta_user_model_free(m);
    free(config);
    free(weights);
    return status;
}
