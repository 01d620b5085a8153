/* Gemma 1. A layer is x + attention(norm(x)), then x + mlp(norm(x)). Later generations differ in extra norms, soft caps and sliding
 * windows within the same skeleton: they would be further cases of read_config, of the table of names in build, and of attention below. */
#include "pasta/model/gemma.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/base/rng.h"
#include "pasta/io/file.h"
#include "pasta/model/weights.h"

static const float UNSEEN = -1e30f; /* added to the attention scores of tokens that are not seen */

struct layer {
    pt attn_norm;   /* [D] */
    pt q, k, v, o;  /* [h*d,D], [g*d,D], [g*d,D], [D,h*d] */
    pt mlp_norm;    /* [D] */
    pt gate, up;    /* [I,D] */
    pt down;        /* [D,I] */
};

struct pasta_gemma {
    struct pasta_gemma_config config;
    pt_dtype dtype;
    char *device;
    struct pasta_params params; /* owns the tensors named below */
    pt embed, norm;             /* [V,D], [D] */
    struct layer *layers;
    pt cos, sin;                /* [max positions, d/2], owned */
    double embed_scale;         /* sqrt(D), rounded to the dtype */
};

/* --- configuration ------------------------------------------------------------------------------------------------ */

static pasta_status optional_num(const cJSON *json, const char *key, const char *where, double fallback, double *out, struct pasta_err *err)
{
    *out = fallback;
    return pasta_json_has(json, key) ? pasta_json_num(json, key, where, 0, 1e12, out, err) : PASTA_OK;
}

static pasta_status optional_int(const cJSON *json, const char *key, const char *where, int64_t fallback, int64_t *out, struct pasta_err *err)
{
    *out = fallback;
    return pasta_json_has(json, key) ? pasta_json_int(json, key, where, 0, INT32_MAX, out, err) : PASTA_OK;
}

static pasta_status parse_config(const cJSON *json, const char *where, struct pasta_gemma_config *c, struct pasta_err *err)
{
    const struct { const char *key; int64_t *out; } sizes[] = {
        {"vocab_size", &c->vocab_size}, {"hidden_size", &c->hidden_size}, {"intermediate_size", &c->intermediate_size},
        {"num_hidden_layers", &c->num_hidden_layers}, {"num_attention_heads", &c->num_attention_heads}, {"num_key_value_heads", &c->num_key_value_heads},
        {"head_dim", &c->head_dim}};
    const char *type;
    pasta_status st = pasta_json_str(json, "model_type", where, &type, err);
    if (st != PASTA_OK)
        return st;
    if (strcmp(type, "gemma") != 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: model_type: expected \"gemma\", found \"%s\"", where, type);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if ((st = pasta_json_int(json, sizes[i].key, where, 1, INT32_MAX, sizes[i].out, err)) != PASTA_OK)
            return st;
    if (c->num_attention_heads % c->num_key_value_heads != 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: num_key_value_heads: expected a divisor of num_attention_heads (%lld), found %lld", where,
                          (long long)c->num_attention_heads, (long long)c->num_key_value_heads);
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
    if (c->max_position_embeddings < 1)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: max_position_embeddings: expected at least 1, found 0", where);
    return optional_int(json, "bos_token_id", where, 2, &c->bos_token_id, err);
}

static pasta_status read_config(const char *dir, struct pasta_gemma_config *config, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, "config.json");
    struct pasta_str text = {0};
    cJSON *json = NULL;
    pasta_status st = pasta_file_read(path, &text, err);
    if (st == PASTA_OK)
        st = pasta_json_parse(text.data, text.length, path, &json, err);
    if (st == PASTA_OK)
        st = parse_config(json, path, config, err);
    cJSON_Delete(json);
    pasta_str_release(&text);
    free(path);
    return st;
}

static void print_config(const struct pasta_gemma *g, const char *architecture, struct pasta_str *s)
{
    const struct pasta_gemma_config *c = &g->config;
    pasta_str_printf(s, "{\n  \"architectures\": [\"%s\"],\n  \"model_type\": \"gemma\",\n", architecture);
    const struct { const char *key; int64_t value; } sizes[] = {
        {"vocab_size", c->vocab_size}, {"hidden_size", c->hidden_size}, {"intermediate_size", c->intermediate_size},
        {"num_hidden_layers", c->num_hidden_layers}, {"num_attention_heads", c->num_attention_heads}, {"num_key_value_heads", c->num_key_value_heads},
        {"head_dim", c->head_dim}, {"max_position_embeddings", c->max_position_embeddings}, {"pad_token_id", c->pad_token_id},
        {"eos_token_id", c->eos_token_id}, {"bos_token_id", c->bos_token_id}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        pasta_str_printf(s, "  \"%s\": %lld,\n", sizes[i].key, (long long)sizes[i].value);
    const struct { const char *key; double value; } reals[] = {
        {"rms_norm_eps", c->rms_norm_eps}, {"rope_theta", c->rope_theta}, {"initializer_range", c->initializer_range}, {"attention_dropout", 0}};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        pasta_str_printf(s, "  \"%s\": ", reals[i].key);
        pasta_json_put_num(s, reals[i].value);
        pasta_str_add(s, ",\n");
    }
    pasta_str_add(s, "  \"hidden_act\": \"gelu_pytorch_tanh\",\n  \"hidden_activation\": \"gelu_pytorch_tanh\",\n  \"attention_bias\": false,\n"
                     "  \"tie_word_embeddings\": true,\n");
    if (strstr(architecture, "SequenceClassification"))
        pasta_str_add(s, "  \"id2label\": {\"0\": \"value\"},\n  \"label2id\": {\"value\": 0},\n  \"problem_type\": \"regression\",\n");
    pasta_str_printf(s, "  \"torch_dtype\": \"%s\"\n}\n", g->dtype == PT_BF16 ? "bfloat16" : g->dtype == PT_F16 ? "float16" : "float32");
}

/* --- building ----------------------------------------------------------------------------------------------------- */

enum { LAYER_TENSORS = 9 };

/* The tensors of a layer in the order of struct layer; norms have columns 0. */
static void layer_shapes(const struct pasta_gemma_config *c, const char *names[LAYER_TENSORS], int64_t shapes[LAYER_TENSORS][2])
{
    const int64_t D = c->hidden_size, I = c->intermediate_size, q = c->num_attention_heads * c->head_dim, kv = c->num_key_value_heads * c->head_dim;
    const struct { const char *name; int64_t rows, columns; } table[LAYER_TENSORS] = {
        {"input_layernorm", D, 0}, {"self_attn.q_proj", q, D}, {"self_attn.k_proj", kv, D}, {"self_attn.v_proj", kv, D}, {"self_attn.o_proj", D, q},
        {"post_attention_layernorm", D, 0}, {"mlp.gate_proj", I, D}, {"mlp.up_proj", I, D}, {"mlp.down_proj", D, I}};
    for (int i = 0; i < LAYER_TENSORS; i++) {
        names[i] = table[i].name;
        shapes[i][0] = table[i].rows;
        shapes[i][1] = table[i].columns;
    }
}

/* A random start: matrices N(0, initializer_range), norms 0 and the padding token's row 0, as transformers does. */
static pt random_tensor(const struct pasta_gemma *g, uint64_t seed, uint32_t index, int rank, const int64_t *shape)
{
    const int64_t count = rank == 2 ? shape[0] * shape[1] : shape[0];
    float *values = pasta_calloc((size_t)count, sizeof *values);
    if (rank == 2) {
        struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_INIT, index, 0, 0);
        for (int64_t i = 0; i < count; i++)
            values[i] = (float)(g->config.initializer_range * pasta_rng_normal(&rng));
        if (index == 0) /* the embedding */
            memset(values + g->config.pad_token_id * shape[1], 0, (size_t)shape[1] * sizeof *values);
    }
    pt t = pt_keep(pt_to_device(pt_to_dtype(pt_from_f32(values, rank, shape), g->dtype), g->device));
    free(values);
    return t;
}

/* One parameter from `weights`, or at random where that is NULL; stored under its published name. */
static pasta_status add_tensor(struct pasta_gemma *g, struct pasta_weights *weights, const char *prefix, uint64_t seed, const char *name, int64_t rows, int64_t columns, pt *out, struct pasta_err *err)
{
    const int64_t shape[2] = {rows, columns};
    const int rank = columns ? 2 : 1;
    char *as = pasta_asprintf("model.%s.weight", name), *stored = pasta_asprintf("%s%s.weight", prefix, name);
    pasta_status st = PASTA_OK;
    if (weights)
        st = pasta_weights_load(weights, stored, as, rank, shape, g->dtype, g->device, &g->params, err);
    else
        pasta_params_add(&g->params, as, random_tensor(g, seed, (uint32_t)g->params.n, rank, shape));
    if (st == PASTA_OK)
        *out = pasta_params_get(&g->params, as);
    free(stored);
    free(as);
    return st;
}

static pasta_status add_tensors(struct pasta_gemma *g, struct pasta_weights *weights, uint64_t seed, struct pasta_err *err)
{
    const char *names[LAYER_TENSORS];
    int64_t shapes[LAYER_TENSORS][2];
    /* a backbone saved alone lacks the prefix */
    const char *prefix = weights && pasta_weights_has(weights, "embed_tokens.weight") ? "" : "model.";
    layer_shapes(&g->config, names, shapes);
    pasta_status st = add_tensor(g, weights, prefix, seed, "embed_tokens", g->config.vocab_size, g->config.hidden_size, &g->embed, err);
    for (int64_t l = 0; l < g->config.num_hidden_layers && st == PASTA_OK; l++) {
        struct layer *layer = &g->layers[l];
        pt *const slots[LAYER_TENSORS] = {&layer->attn_norm, &layer->q, &layer->k, &layer->v, &layer->o, &layer->mlp_norm, &layer->gate, &layer->up, &layer->down};
        for (int i = 0; i < LAYER_TENSORS && st == PASTA_OK; i++) {
            char *name = pasta_asprintf("layers.%lld.%s", (long long)l, names[i]);
            st = add_tensor(g, weights, prefix, seed, name, shapes[i][0], shapes[i][1], slots[i], err);
            free(name);
        }
    }
    return st == PASTA_OK ? add_tensor(g, weights, prefix, seed, "norm", g->config.hidden_size, 0, &g->norm, err) : st;
}

/* Tables of cos and sin of position * theta^(-2j/d), angles in float32 as transformers computes them. */
static void add_rope_tables(struct pasta_gemma *g)
{
    const int64_t half = g->config.head_dim / 2, positions = g->config.max_position_embeddings, shape[2] = {positions, half};
    float *cosines = pasta_malloc((size_t)(positions * half) * sizeof *cosines), *sines = pasta_malloc((size_t)(positions * half) * sizeof *sines);
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

static bool has_weights(const char *dir)
{
    char *single = pasta_path_join(dir, "model.safetensors"), *index = pasta_path_join(dir, "model.safetensors.index.json");
    const bool found = pasta_file_exists(single) || pasta_file_exists(index);
    free(index);
    free(single);
    return found;
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

pasta_status pasta_gemma_load(const char *dir, const char *device, pt_dtype dtype, uint64_t seed, bool *initialised, struct pasta_gemma **out, struct pasta_err *err)
{
    struct pasta_gemma_config config;
    struct pasta_weights *weights = NULL;
    pasta_status st = read_config(dir, &config, err);
    if (st != PASTA_OK || (has_weights(dir) && (st = pasta_weights_open(dir, &weights, err)) != PASTA_OK))
        return st;
    struct pasta_gemma *g = new_shell(&config, dtype, device);
    pt_scope_open();
    st = add_tensors(g, weights, seed, err);
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
        copy->layers[l] = (struct layer){p[0].tensor, p[1].tensor, p[2].tensor, p[3].tensor, p[4].tensor, p[5].tensor, p[6].tensor, p[7].tensor, p[8].tensor};
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

pasta_status pasta_gemma_save(const struct pasta_gemma *g, const char *dir, const char *architecture, const struct pasta_params *extra, struct pasta_err *err)
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

/* --- forward ------------------------------------------------------------------------------------------------------ */

/* The rotation of one pass, [B or 1,1,T,d/2]. */
struct rope { pt cos, sin; };

static struct rope rope_at(const struct pasta_gemma *g, pt positions /* i64 [B or 1,T] */)
{
    return (struct rope){pt_unsqueeze(pt_embedding(g->cos, positions), 1), pt_unsqueeze(pt_embedding(g->sin, positions), 1)};
}

/* (a, b), the halves of a head's width, turn into (a cos - b sin, b cos + a sin). */
static pt rotate(pt x /* [B,h,T,d] */, struct rope rope)
{
    const int64_t half = pt_size(x, -1) / 2;
    pt a = pt_narrow(x, -1, 0, half), b = pt_narrow(x, -1, half, half);
    pt parts[2] = {pt_sub(pt_mul(a, rope.cos), pt_mul(b, rope.sin)), pt_add(pt_mul(b, rope.cos), pt_mul(a, rope.sin))};
    return pt_cat(parts, 2, -1);
}

static pt split_heads(pt x /* [B,T,n*d] */, int64_t d)
{
    return pt_transpose(pt_reshape(x, PT_SHAPE(pt_size(x, 0), pt_size(x, 1), -1, d)), 1, 2); /* [B,n,T,d] */
}

static pt join_heads(pt x /* [B,n,T,d] */)
{
    return pt_reshape(pt_transpose(x, 1, 2), PT_SHAPE(pt_size(x, 0), pt_size(x, 2), -1)); /* [B,T,n*d] */
}

static pt mlp(const struct layer *layer, pt x)
{
    return pt_linear(pt_mul(pt_gelu_tanh(pt_linear(x, layer->gate, NULL)), pt_linear(x, layer->up, NULL)), layer->down, NULL);
}

static pt embed(const struct pasta_gemma *g, pt ids)
{
    return pt_mul_scalar(pt_embedding(g->embed, ids), g->embed_scale);
}

static pt i64_tensor(const struct pasta_gemma *g, const int64_t *data, int rank, const int64_t *shape)
{
    return pt_to_device(pt_from_i64(data, rank, shape), g->device);
}

static pt causal_bias(const struct pasta_gemma *g, int64_t T)
{
    float *bias = pasta_malloc((size_t)(T * T) * sizeof *bias);
    for (int64_t i = 0; i < T; i++)
        for (int64_t j = 0; j < T; j++)
            bias[i * T + j] = j <= i ? 0 : UNSEEN;
    pt result = pt_to_device(pt_from_f32(bias, PT_SHAPE(1, 1, T, T)), g->device);
    free(bias);
    return result;
}

pt pasta_gemma_hidden(const struct pasta_gemma *g, pt ids, pt positions, pt bias)
{
    const int64_t d = g->config.head_dim, T = ids ? pt_size(ids, 1) : 0;
    const double eps = g->config.rms_norm_eps, scale = 1 / sqrt((double)d);
    const struct rope rope = rope_at(g, positions ? positions : pt_to_device(pt_unsqueeze(pt_arange(T), 0), g->device));
    if (!bias)
        bias = causal_bias(g, T);
    pt x = embed(g, ids); /* [B,T,D] */
    for (int64_t l = 0; l < g->config.num_hidden_layers; l++) {
        const struct layer *layer = &g->layers[l];
        pt h = pt_rms_norm(x, layer->attn_norm, eps);
        pt q = rotate(split_heads(pt_linear(h, layer->q, NULL), d), rope); /* [B,h,T,d] */
        pt k = rotate(split_heads(pt_linear(h, layer->k, NULL), d), rope); /* [B,g,T,d] */
        pt v = split_heads(pt_linear(h, layer->v, NULL), d);
        x = pt_add(x, pt_linear(join_heads(pt_attention(q, k, v, bias, scale)), layer->o, NULL));
        x = pt_add(x, mlp(layer, pt_rms_norm(x, layer->mlp_norm, eps)));
    }
    return pt_rms_norm(x, g->norm, eps);
}

pt pasta_gemma_logits(const struct pasta_gemma *g, pt hidden)
{
    return pt_linear(hidden, g->embed, NULL);
}

/* --- packed forward ----------------------------------------------------------------------------------------------- */

/* What the tokens of one packed pass see; shared by all layers. T = P + N*W. */
struct view {
    const struct pasta_gemma_pack *pack;
    struct rope rope;        /* of all tokens [B,1,T,d/2] */
    struct rope read_rope;   /* of the tokens read out [B,1,R,d/2] */
    pt read_index;           /* i64 [B*R], into the rows of [B*T,...] */
    pt prefix_bias;          /* [1,1,P,P], prefix -> prefix */
    pt fork_bias;            /* [B,1,N,1,P], branch -> prefix */
    pt branch_bias;          /* [1,1,W,W], branch -> itself */
    pt read_bias;            /* [B,1,R,T], tokens read out -> all */
};

/* Which tokens of its row token t sees: [0, *seen) of the prefix, and [*own, t] of its branch where it is in one (else *own = t + 1). */
static void token_view(const struct pasta_gemma_pack *p, int64_t row, int64_t t, int64_t *seen, int64_t *own)
{
    if (t < p->prefix) {
        *seen = t + 1;
        *own = t + 1;
    } else {
        const int64_t branch = (t - p->prefix) / p->width;
        *seen = p->fork[row * p->branches + branch];
        *own = p->prefix + branch * p->width;
    }
}

static struct view make_view(const struct pasta_gemma *g, const struct pasta_gemma_pack *p)
{
    const int64_t B = p->rows, P = p->prefix, N = p->branches, W = p->width, R = p->reads, T = P + N * W;
    int64_t *positions = pasta_malloc((size_t)(B * T) * sizeof *positions), *reads = pasta_malloc((size_t)(B * R) * sizeof *reads);
    int64_t *read_positions = pasta_malloc((size_t)(B * R) * sizeof *read_positions);
    float *fork = pasta_malloc((size_t)(B * N * P) * sizeof *fork), *read = pasta_malloc((size_t)(B * R * T) * sizeof *read);
    for (int64_t b = 0; b < B; b++) {
        for (int64_t t = 0; t < P; t++)
            positions[b * T + t] = t;
        for (int64_t n = 0; n < N; n++) {
            const int64_t seen = p->fork[b * N + n];
            assert(seen >= 1 && seen <= P);
            for (int64_t w = 0; w < W; w++)
                positions[b * T + P + n * W + w] = seen + w;
            for (int64_t t = 0; t < P; t++)
                fork[(b * N + n) * P + t] = t < seen ? 0 : UNSEEN;
        }
        for (int64_t r = 0; r < R; r++) {
            const int64_t at = p->read[b * R + r];
            int64_t seen, own;
            assert(at >= 0 && at < T);
            token_view(p, b, at, &seen, &own);
            for (int64_t t = 0; t < T; t++)
                read[(b * R + r) * T + t] = t < seen || (t >= own && t <= at) ? 0 : UNSEEN;
            reads[b * R + r] = b * T + at;
            read_positions[b * R + r] = positions[b * T + at];
        }
    }
    struct view view = {
        .pack = p,
        .rope = rope_at(g, i64_tensor(g, positions, PT_SHAPE(B, T))),
        .read_rope = rope_at(g, i64_tensor(g, read_positions, PT_SHAPE(B, R))),
        .read_index = i64_tensor(g, reads, PT_SHAPE(B * R)),
        .prefix_bias = causal_bias(g, P),
        .fork_bias = N ? pt_to_device(pt_from_f32(fork, PT_SHAPE(B, 1, N, 1, P)), g->device) : NULL,
        .branch_bias = N ? causal_bias(g, W) : NULL,
        .read_bias = pt_to_device(pt_from_f32(read, PT_SHAPE(B, 1, R, T)), g->device),
    };
    free(read);
    free(fork);
    free(read_positions);
    free(reads);
    free(positions);
    return view;
}

/* Branches -> prefix and themselves, one softmax over both, without the scores between different branches.
 * q [B,h,N*W,d]; prefix k, v [B,g,P,d]; own k, v [B,g,N*W,d]; result [B,h,N*W,d]. */
static pt branch_attention(const struct view *view, pt q, pt prefix_k, pt prefix_v, pt own_k, pt own_v, double scale)
{
    const int64_t B = pt_size(q, 0), h = pt_size(q, 1), kv = pt_size(prefix_k, 1), G = h / kv, d = pt_size(q, 3);
    const int64_t P = view->pack->prefix, N = view->pack->branches, W = view->pack->width;
    const pt_dtype dtype = pt_dtype_of(q);
    q = pt_reshape(pt_mul_scalar(q, scale), PT_SHAPE(B, kv, G * N * W, d));
    pt to_prefix = pt_reshape(pt_matmul(q, pt_transpose(prefix_k, 2, 3)), PT_SHAPE(B, h, N, W, P));
    /* group the queries of one branch over the heads that share a key head: one small product a branch */
    const int64_t by_branch[6] = {0, 1, 3, 2, 4, 5};
    pt own_q = pt_reshape(pt_permute(pt_reshape(q, PT_SHAPE(B, kv, G, N, W, d)), 6, by_branch), PT_SHAPE(B, kv, N, G * W, d));
    own_k = pt_reshape(own_k, PT_SHAPE(B, kv, N, W, d));
    own_v = pt_reshape(own_v, PT_SHAPE(B, kv, N, W, d));
    pt to_own = pt_reshape(pt_matmul(own_q, pt_transpose(own_k, 3, 4)), PT_SHAPE(B, kv, N, G, W, W));
    to_own = pt_reshape(pt_permute(to_own, 6, by_branch), PT_SHAPE(B, h, N, W, W)); /* the permutation is its own inverse */
    pt scores[2] = {pt_add(pt_to_dtype(to_prefix, PT_F32), view->fork_bias), pt_add(pt_to_dtype(to_own, PT_F32), pt_unsqueeze(view->branch_bias, 2))};
    pt weights = pt_to_dtype(pt_softmax(pt_cat(scores, 2, -1), -1), dtype); /* [B,h,N,W,P+W] */
    pt from_prefix = pt_matmul(pt_reshape(pt_narrow(weights, -1, 0, P), PT_SHAPE(B, kv, G * N * W, P)), prefix_v);
    pt own_weights = pt_reshape(pt_narrow(weights, -1, P, W), PT_SHAPE(B, kv, G, N, W, W));
    own_weights = pt_reshape(pt_permute(own_weights, 6, by_branch), PT_SHAPE(B, kv, N, G * W, W));
    pt from_own = pt_permute(pt_reshape(pt_matmul(own_weights, own_v), PT_SHAPE(B, kv, N, G, W, d)), 6, by_branch);
    return pt_add(pt_reshape(from_prefix, PT_SHAPE(B, h, N * W, d)), pt_reshape(from_own, PT_SHAPE(B, h, N * W, d)));
}

static pt packed_attention(const struct view *view, pt q, pt k, pt v, double scale)
{
    const int64_t P = view->pack->prefix, tail = view->pack->branches * view->pack->width;
    pt prefix_k = pt_narrow(k, 2, 0, P), prefix_v = pt_narrow(v, 2, 0, P);
    pt prefix = pt_attention(pt_narrow(q, 2, 0, P), prefix_k, prefix_v, view->prefix_bias, scale);
    if (!tail)
        return prefix;
    pt branches = branch_attention(view, pt_narrow(q, 2, P, tail), prefix_k, prefix_v, pt_narrow(k, 2, P, tail), pt_narrow(v, 2, P, tail), scale);
    pt parts[2] = {prefix, branches};
    return pt_cat(parts, 2, 2);
}

/* The rows of x [B,T,n] that are read out [B,R,n]. */
static pt read_rows(const struct view *view, pt x)
{
    const int64_t n = pt_size(x, -1);
    return pt_reshape(pt_index_select(pt_reshape(x, PT_SHAPE(-1, n)), 0, view->read_index), PT_SHAPE(view->pack->rows, view->pack->reads, n));
}

pt pasta_gemma_packed(const struct pasta_gemma *g, const struct pasta_gemma_pack *pack)
{
    const int64_t d = g->config.head_dim, T = pack->prefix + pack->branches * pack->width;
    const double eps = g->config.rms_norm_eps, scale = 1 / sqrt((double)d);
    const struct view view = make_view(g, pack);
    pt x = embed(g, i64_tensor(g, pack->ids, PT_SHAPE(pack->rows, T))); /* [B,T,D] */
    for (int64_t l = 0; l < g->config.num_hidden_layers; l++) {
        const struct layer *layer = &g->layers[l];
        const bool last = l == g->config.num_hidden_layers - 1;
        pt h = pt_rms_norm(x, layer->attn_norm, eps);
        pt k = rotate(split_heads(pt_linear(h, layer->k, NULL), d), view.rope); /* [B,g,T,d] */
        pt v = split_heads(pt_linear(h, layer->v, NULL), d);
        if (last) { /* from here on only the tokens read out matter */
            x = read_rows(&view, x);
            h = read_rows(&view, h);
        }
        pt q = rotate(split_heads(pt_linear(h, layer->q, NULL), d), last ? view.read_rope : view.rope);
        pt mixed = last ? pt_attention(q, k, v, view.read_bias, scale) : packed_attention(&view, q, k, v, scale);
        x = pt_add(x, pt_linear(join_heads(mixed), layer->o, NULL));
        x = pt_add(x, mlp(layer, pt_rms_norm(x, layer->mlp_norm, eps)));
    }
    return pt_rms_norm(x, g->norm, eps); /* [B,R,D] */
}
