/* gemma.c: Gemma 1's folders and parameters. Where later generations would go: src/README.md, Gemma 2 and 3. */
#include "gemma_impl.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/model/weights.h"

/* --- configuration ------------------------------------------------------------------------------------------------ */

static pasta_status optional_num(const cJSON *json, const char *key, const char *where, double fallback, double *out, struct pasta_err *err)
{
    *out = fallback;
    return pasta_json_has(json, key) ? pasta_json_num(json, key, where, 0, 1e12, out, err) : PASTA_OK;
}

static pasta_status optional_int(const cJSON *json, const char *key, const char *where, int64_t fallback, int64_t *out,
                                 struct pasta_err *err)
{
    *out = fallback;
    return pasta_json_has(json, key) ? pasta_json_int(json, key, where, 0, 1 << 20, out, err) : PASTA_OK;
}

enum { MAX_SIZE = 1 << 22, MAX_LAYERS = 1 << 10 }; /* larger is a broken file */

/* What is Gemma by its model_type, but would have to be computed otherwise. */
static pasta_status check_kind(const cJSON *json, const char *where, struct pasta_err *err)
{
    const char *activation = "gelu_pytorch_tanh", *architecture = "Gemma";
    bool tied = true;
    pasta_status st = PASTA_OK;
    if (pasta_json_has(json, "architectures")) {
        const cJSON *list;
        if ((st = pasta_json_array(json, "architectures", where, &list, err)) != PASTA_OK)
            return st;
        architecture = cJSON_GetStringValue(cJSON_GetArrayItem(list, 0));
    }
    if (!architecture || !pasta_starts_with(architecture, "Gemma"))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: architectures: expected GemmaForCausalLM or another head on Gemma, found '%.60s'",
                          where, architecture ? architecture : "nothing");
    if (pasta_json_has(json, "hidden_activation")) /* hidden_act is ignored, as in the reference: published files have it wrong */
        st = pasta_json_str(json, "hidden_activation", where, &activation, err);
    if (st == PASTA_OK && strcmp(activation, "gelu_pytorch_tanh") != 0)
        st = pasta_fail(err, PASTA_ERR_INPUT, "%s: hidden_activation: expected gelu_pytorch_tanh, found '%.40s'", where, activation);
    if (st == PASTA_OK && pasta_json_has(json, "tie_word_embeddings"))
        st = pasta_json_bool(json, "tie_word_embeddings", where, &tied, err);
    if (st == PASTA_OK && !tied)
        st = pasta_fail(err, PASTA_ERR_INPUT, "%s: tie_word_embeddings: expected true, found false", where);
    return st;
}

static pasta_status parse_config(const cJSON *json, const char *where, struct pasta_gemma_config *c, struct pasta_err *err)
{
    const struct { const char *key; int64_t *out; } sizes[] = {
        {"vocab_size", &c->vocab_size}, {"hidden_size", &c->hidden_size}, {"intermediate_size", &c->intermediate_size},
        {"num_hidden_layers", &c->num_hidden_layers}, {"num_attention_heads", &c->num_attention_heads},
        {"num_key_value_heads", &c->num_key_value_heads},
        {"head_dim", &c->head_dim}};
    const char *type;
    pasta_status st = pasta_json_str(json, "model_type", where, &type, err);
    if (st != PASTA_OK)
        return st;
    if (strcmp(type, "gemma") != 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: model_type: expected \"gemma\", found \"%s\"", where, type);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if ((st = pasta_json_int(json, sizes[i].key, where, 1, MAX_SIZE, sizes[i].out, err)) != PASTA_OK)
            return st;
    if ((st = check_kind(json, where, err)) != PASTA_OK)
        return st;
    if (c->num_hidden_layers > MAX_LAYERS)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: num_hidden_layers: expected at most %d, found %lld", where, (int)MAX_LAYERS,
                          (long long)c->num_hidden_layers);
    if (c->num_attention_heads % c->num_key_value_heads != 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: num_key_value_heads: expected a divisor of num_attention_heads (%lld), found %lld",
                          where, (long long)c->num_attention_heads, (long long)c->num_key_value_heads);
    if (c->head_dim % 2 != 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: head_dim: expected an even number, found %lld", where, (long long)c->head_dim);
    /* transformers 5 moved rope_theta into rope_parameters */
    const cJSON *rope = json;
    if (pasta_json_has(json, "rope_parameters") && (st = pasta_json_object(json, "rope_parameters", where, &rope, err)) != PASTA_OK)
        return st;
    if ((st = optional_num(rope, "rope_theta", where, 10000, &c->rope_theta, err)) != PASTA_OK ||
        (st = optional_num(json, "rms_norm_eps", where, 1e-6, &c->rms_norm_eps, err)) != PASTA_OK ||
        (st = optional_num(json, "initializer_range", where, 0.02, &c->initializer_range, err)) != PASTA_OK ||
        (st = optional_int(json, "max_position_embeddings", where, 8192, &c->max_position_embeddings, err)) != PASTA_OK ||
        (st = optional_int(json, "pad_token_id", where, 0, &c->pad_token_id, err)) != PASTA_OK ||
        (st = optional_int(json, "eos_token_id", where, 1, &c->eos_token_id, err)) != PASTA_OK)
        return st;
    const char *start = "normal";
    if (pasta_json_has(json, "pasta_start") && (st = pasta_json_str(json, "pasta_start", where, &start, err)) != PASTA_OK)
        return st;
    if (strcmp(start, "normal") != 0 && strcmp(start, "matching") != 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: pasta_start: expected \"normal\" or \"matching\", found \"%s\"", where, start);
    c->matching_start = strcmp(start, "matching") == 0;
    if (c->max_position_embeddings < 1)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: max_position_embeddings: expected at least 1, found 0", where);
    return optional_int(json, "bos_token_id", where, 2, &c->bos_token_id, err);
}

static pasta_status read_config(const char *dir, struct pasta_gemma_config *config, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, "config.json");
    cJSON *json = NULL;
    pasta_status st = pasta_json_read(path, &json, err);
    if (st == PASTA_OK)
        st = parse_config(json, path, config, err);
    cJSON_Delete(json);
    free(path);
    return st;
}

static void print_config(const struct pasta_gemma *g, const char *architecture, struct pasta_str *s)
{
    const struct pasta_gemma_config *c = &g->config;
    pasta_str_printf(s, "{\n  \"architectures\": [\"%s\"],\n  \"model_type\": \"gemma\",\n", architecture);
    const struct { const char *key; int64_t value; } sizes[] = {
        {"vocab_size", c->vocab_size}, {"hidden_size", c->hidden_size}, {"intermediate_size", c->intermediate_size},
        {"num_hidden_layers", c->num_hidden_layers}, {"num_attention_heads", c->num_attention_heads},
        {"num_key_value_heads", c->num_key_value_heads},
        {"head_dim", c->head_dim}, {"max_position_embeddings", c->max_position_embeddings}, {"pad_token_id", c->pad_token_id},
        {"eos_token_id", c->eos_token_id}, {"bos_token_id", c->bos_token_id}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        pasta_str_printf(s, "  \"%s\": %lld,\n", sizes[i].key, (long long)sizes[i].value);
    const struct { const char *key; double value; } reals[] = {
        {"rms_norm_eps", c->rms_norm_eps}, {"rope_theta", c->rope_theta}, {"initializer_range", c->initializer_range},
        {"attention_dropout", 0}};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        pasta_str_printf(s, "  \"%s\": ", reals[i].key);
        pasta_json_put_num(s, reals[i].value);
        pasta_str_add(s, ",\n");
    }
    pasta_str_add(s, "  \"hidden_act\": \"gelu_pytorch_tanh\",\n  \"hidden_activation\": \"gelu_pytorch_tanh\",\n"
                     "  \"attention_bias\": false,\n"
                     "  \"tie_word_embeddings\": true,\n");
    if (strstr(architecture, "SequenceClassification"))
        pasta_str_add(s, "  \"id2label\": {\"0\": \"value\"},\n  \"label2id\": {\"value\": 0},\n  \"problem_type\": \"regression\",\n");
    pasta_str_printf(s, "  \"torch_dtype\": \"%s\"\n}\n", g->dtype == PT_BF16 ? "bfloat16" : g->dtype == PT_F16 ? "float16" : "float32");
}

/* --- building ----------------------------------------------------------------------------------------------------- */

/* The tensors of a layer in the order of struct layer; norms have columns 0. */
static void layer_shapes(const struct pasta_gemma_config *c, const char *names[LAYER_TENSORS], int64_t shapes[LAYER_TENSORS][2])
{
    const int64_t D = c->hidden_size, I = c->intermediate_size;
    const int64_t q = c->num_attention_heads * c->head_dim, kv = c->num_key_value_heads * c->head_dim;
    const struct { const char *name; int64_t rows, columns; } table[LAYER_TENSORS] = {
        {"input_layernorm", D, 0}, {"self_attn.q_proj", q, D}, {"self_attn.k_proj", kv, D}, {"self_attn.v_proj", kv, D},
        {"self_attn.o_proj", D, q}, {"post_attention_layernorm", D, 0}, {"mlp.gate_proj", I, D}, {"mlp.up_proj", I, D},
        {"mlp.down_proj", D, I}};
    for (int i = 0; i < LAYER_TENSORS; i++) {
        names[i] = table[i].name;
        shapes[i][0] = table[i].rows;
        shapes[i][1] = table[i].columns;
    }
}

static pt random_tensor(const struct pasta_gemma *g, uint64_t seed, int64_t layer, int which, int64_t rows, int64_t columns)
{
    const int64_t shape[2] = {rows, columns};
    float *values = pasta_calloc((size_t)(rows * (columns ? columns : 1)), sizeof *values); /* norms start at 0 */
    if (layer < 0 && columns)
        pasta_gemma_start_embedding(&g->config, seed, values);
    else if (columns)
        pasta_gemma_start_matrix(&g->config, seed, layer, (enum layer_tensor)which, rows, columns, values);
    pt t = pt_keep(pt_to_device(pt_to_dtype(pt_from_f32(values, columns ? 2 : 1, shape), g->dtype), g->device));
    free(values);
    return t;
}

/* Where a parameter belongs: layer -1 is outside the layers; columns 0 is a vector. */
struct place { const char *name; int64_t layer; int which; int64_t rows, columns; };

/* One parameter from `weights`, or at random where that is NULL; stored under its published name. */
static pasta_status add_tensor(struct pasta_gemma *g, struct pasta_weights *weights, const char *prefix, uint64_t seed, struct place p,
                               pt *out, struct pasta_err *err)
{
    const int64_t shape[2] = {p.rows, p.columns};
    char *as = pasta_asprintf("model.%s.weight", p.name), *stored = pasta_asprintf("%s%s.weight", prefix, p.name);
    pasta_status st = PASTA_OK;
    if (weights)
        st = pasta_weights_load(weights, stored, as, p.columns ? 2 : 1, shape, g->dtype, g->device, &g->params, err);
    else
        pasta_params_add(&g->params, as, random_tensor(g, seed, p.layer, p.which, p.rows, p.columns));
    if (st == PASTA_OK)
        *out = pasta_params_get(&g->params, as);
    free(stored);
    free(as);
    return st;
}

/* Heads, and what old files carry besides, are not the trunk's; all else that stands in its layers must be known. */
static bool known(const void *ctx, const char *name)
{
    const struct pasta_gemma *g = ctx;
    const bool prefixed = pasta_starts_with(name, "model.");
    if ((!prefixed && !pasta_starts_with(name, "layers.")) || pasta_ends_with(name, ".rotary_emb.inv_freq"))
        return true;
    char *published = pasta_asprintf("%s%s", prefixed ? "" : "model.", name);
    const bool found = pasta_params_get(&g->params, published) != NULL;
    free(published);
    return found;
}

static pasta_status add_tensors(struct pasta_gemma *g, struct pasta_weights *weights, uint64_t seed, struct pasta_err *err)
{
    const char *names[LAYER_TENSORS];
    int64_t shapes[LAYER_TENSORS][2];
    /* a backbone saved alone lacks the prefix */
    const char *prefix = weights && pasta_weights_has(weights, "embed_tokens.weight") ? "" : "model.";
    layer_shapes(&g->config, names, shapes);
    pasta_status st = add_tensor(g, weights, prefix, seed,
                                 (struct place){"embed_tokens", -1, 0, g->config.vocab_size, g->config.hidden_size}, &g->embed, err);
    for (int64_t l = 0; l < g->config.num_hidden_layers && st == PASTA_OK; l++) {
        struct layer *layer = &g->layers[l];
        pt *const slots[LAYER_TENSORS] = {&layer->attn_norm, &layer->q, &layer->k, &layer->v, &layer->o, &layer->mlp_norm, &layer->gate,
                                          &layer->up, &layer->down};
        for (int i = 0; i < LAYER_TENSORS && st == PASTA_OK; i++) {
            char *name = pasta_asprintf("layers.%lld.%s", (long long)l, names[i]);
            st = add_tensor(g, weights, prefix, seed, (struct place){name, l, i, shapes[i][0], shapes[i][1]}, slots[i], err);
            free(name);
        }
    }
    if (st == PASTA_OK)
        st = add_tensor(g, weights, prefix, seed, (struct place){"norm", -1, 0, g->config.hidden_size, 0}, &g->norm, err);
    return st == PASTA_OK && weights ? pasta_weights_expect(weights, known, g, err) : st;
}

/* Tables of cos and sin of position * theta^(-2j/d), angles in float32 as transformers computes them. */
static void add_rope_tables(struct pasta_gemma *g)
{
    const int64_t half = g->config.head_dim / 2, positions = g->config.max_position_embeddings, shape[2] = {positions, half};
    float *cosines = pasta_malloc((size_t)(positions * half) * sizeof *cosines);
    float *sines = pasta_malloc((size_t)(positions * half) * sizeof *sines);
    for (int64_t j = 0; j < half; j++) {
        const float frequency = (float)(1.0 / pow(g->config.rope_theta, (double)(2 * j) / (double)g->config.head_dim));
        for (int64_t p = 0; p < positions; p++) {
            const float angle = (float)p * frequency;
            cosines[p * half + j] = (float)cos(angle);
            sines[p * half + j] = (float)sin(angle);
        }
    }
    g->cos = pt_keep(pt_to_device(pt_to_dtype(pt_from_f32(cosines, 2, shape), g->dtype), g->device));
    g->sin = pt_keep(pt_to_device(pt_to_dtype(pt_from_f32(sines, 2, shape), g->dtype), g->device));
    free(sines);
    free(cosines);
}

static struct pasta_gemma *new_shell(const struct pasta_gemma_config *config, pt_dtype dtype, const char *device)
{
    struct pasta_gemma *g = pasta_calloc(1, sizeof *g);
    g->config = *config;
    g->dtype = dtype;
    g->device = pasta_strdup(device);
    g->layers = pasta_calloc((size_t)config->num_hidden_layers, sizeof *g->layers);
    return g;
}

pasta_status pasta_gemma_load(const char *dir, const char *device, pt_dtype dtype, uint64_t seed, bool *initialised,
                              struct pasta_gemma **out, struct pasta_err *err)
{
    struct pasta_gemma_config config;
    struct pasta_weights *weights = NULL;
    pasta_status st = read_config(dir, &config, err);
    if (st != PASTA_OK || (pasta_weights_exist(dir) && (st = pasta_weights_open(dir, &weights, err)) != PASTA_OK))
        return st;
    struct pasta_gemma *g = new_shell(&config, dtype, device);
    pt_scope_open();
    st = add_tensors(g, weights, seed, err);
    if (st == PASTA_OK)
        add_rope_tables(g);
    const double root = sqrt((double)config.hidden_size);
    g->embed_scale = pt_item(pt_full(root, dtype, 0, NULL));
    const pasta_status scope = pt_scope_close(err);
    if (st == PASTA_OK)
        st = scope;
    if (st == PASTA_OK) {
        *initialised = weights == NULL;
        *out = g;
    } else {
        pasta_gemma_free(g);
    }
    pasta_weights_close(weights);
    return st;
}

struct pasta_gemma *pasta_gemma_copy(const struct pasta_gemma *g)
{
    struct pasta_gemma *copy = new_shell(&g->config, g->dtype, g->device);
    copy->embed_scale = g->embed_scale;
    pt_scope_open();
    for (int i = 0; i < g->params.n; i++)
        pasta_params_add(&copy->params, g->params.items[i].name, pt_keep(pt_clone(pt_detach(g->params.items[i].tensor))));
    copy->cos = pt_keep(pt_clone(g->cos));
    copy->sin = pt_keep(pt_clone(g->sin));
    const pasta_status st = pt_scope_close(NULL);
    assert(st == PASTA_OK && "cloning cannot fail");
    (void)st;
    copy->embed = copy->params.items[0].tensor;
    copy->norm = copy->params.items[copy->params.n - 1].tensor;
    for (int64_t l = 0; l < g->config.num_hidden_layers; l++) {
        const struct pasta_param *p = copy->params.items + 1 + l * LAYER_TENSORS;
        copy->layers[l] = (struct layer){p[0].tensor, p[1].tensor, p[2].tensor, p[3].tensor, p[4].tensor, p[5].tensor, p[6].tensor,
                                         p[7].tensor, p[8].tensor};
    }
    return copy;
}

void pasta_gemma_free(struct pasta_gemma *g)
{
    if (!g)
        return;
    pt_free(g->cos);
    pt_free(g->sin);
    pasta_params_release(&g->params);
    free(g->layers);
    free(g->device);
    free(g);
}

pasta_status pasta_gemma_save(const struct pasta_gemma *g, const char *dir, const char *architecture, const struct pasta_params *extra,
                              struct pasta_err *err)
{
    struct pasta_params all = {0}; /* the list is ours, the tensors are borrowed */
    struct pasta_str config = {0};
    char *config_path = pasta_path_join(dir, "config.json"), *weights_path = pasta_path_join(dir, "model.safetensors");
    for (int i = 0; i < g->params.n; i++)
        pasta_params_add(&all, g->params.items[i].name, g->params.items[i].tensor);
    for (int i = 0; extra && i < extra->n; i++)
        pasta_params_add(&all, extra->items[i].name, extra->items[i].tensor);
    print_config(g, architecture, &config);
    pasta_status st = pasta_params_save(&all, weights_path, g->dtype, err);
    if (st == PASTA_OK)
        st = pasta_file_write(config_path, config.data, config.length, err);
    for (int i = 0; i < all.n; i++)
        all.items[i].tensor = NULL;
    pasta_params_release(&all);
    pasta_str_release(&config);
    free(weights_path);
    free(config_path);
    return st;
}

const struct pasta_gemma_config *pasta_gemma_shape(const struct pasta_gemma *g)
{
    return &g->config;
}

const char *pasta_gemma_device(const struct pasta_gemma *g)
{
    return g->device;
}

struct pasta_params *pasta_gemma_params(struct pasta_gemma *g)
{
    return &g->params;
}
