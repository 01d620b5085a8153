/* clip_params.c: CLIP's parameters by their published names, and their random initialisation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clip_impl.h"
#include "pasta/base/mem.h"
#include "pasta/base/rng.h"

struct builder { struct clip_param *items; size_t n, capacity; };

#define ONES (-1.0)
#define ZEROS 0.0

static void put(struct builder *b, double init_std, int rank, const int64_t *shape, char *name)
{
    PASTA_GROW(b->items, b->n + 1, b->capacity);
    struct clip_param *p = &b->items[b->n++];
    *p = (struct clip_param){.name = name, .rank = rank, .init_std = init_std};
    memcpy(p->shape, shape, (size_t)rank * sizeof *shape);
}
#define PUT(b, std, shape, ...) put(b, std, shape, pasta_asprintf(__VA_ARGS__))

static void put_linear(struct builder *b, const char *name, double std, int64_t out, int64_t in)
{
    PUT(b, std, PT_SHAPE(out, in), "%s.weight", name);
    PUT(b, ZEROS, PT_SHAPE(out), "%s.bias", name);
}

static void put_norm(struct builder *b, const char *name, int64_t width)
{
    PUT(b, ONES, PT_SHAPE(width), "%s.weight", name);
    PUT(b, ZEROS, PT_SHAPE(width), "%s.bias", name);
}

static void put_layers(struct builder *b, const char *tower, const struct pasta_clip_tower *t)
{
    double d = (double)t->width, narrow = 1 / sqrt(d), in = narrow / sqrt(2.0 * (double)t->layers), wide = 1 / sqrt(2 * d);
    const struct { const char *name; bool norm; double std; int64_t out, in; } parts[] = {
        {"self_attn.k_proj", false, in, t->width, t->width},       {"self_attn.v_proj", false, in, t->width, t->width},
        {"self_attn.q_proj", false, in, t->width, t->width},       {"self_attn.out_proj", false, narrow, t->width, t->width},
        {"layer_norm1", true, 0, t->width, 0},                     {"mlp.fc1", false, wide, t->mlp, t->width},
        {"mlp.fc2", false, in, t->width, t->mlp},                  {"layer_norm2", true, 0, t->width, 0},
    };
    for (int64_t i = 0; i < t->layers; i++)
        for (size_t j = 0; j < sizeof parts / sizeof *parts; j++) {
            char *name = pasta_asprintf("%s.encoder.layers.%lld.%s", tower, (long long)i, parts[j].name);
            if (parts[j].norm)
                put_norm(b, name, parts[j].out);
            else
                put_linear(b, name, parts[j].std, parts[j].out, parts[j].in);
            free(name);
        }
}

struct clip_param *clip_param_list(const struct pasta_clip_shape *s, int *n)
{
    struct builder b = {0};
    int64_t side = s->image_size / s->patch, dt = s->text.width, dv = s->vision.width;
    put(&b, ZEROS, 0, &s->projection, pasta_strdup("logit_scale")); /* rank 0: no sizes are read */
    PUT(&b, 0.02, PT_SHAPE(s->vocab, dt), "text_model.embeddings.token_embedding.weight");
    PUT(&b, 0.02, PT_SHAPE(s->context, dt), "text_model.embeddings.position_embedding.weight");
    put_layers(&b, "text_model", &s->text);
    put_norm(&b, "text_model.final_layer_norm", dt);
    PUT(&b, 1 / sqrt((double)dv), PT_SHAPE(dv), "vision_model.embeddings.class_embedding");
    PUT(&b, 0.02, PT_SHAPE(dv, 3, s->patch, s->patch), "vision_model.embeddings.patch_embedding.weight");
    PUT(&b, 0.02, PT_SHAPE(side * side + 1, dv), "vision_model.embeddings.position_embedding.weight");
    put_norm(&b, "vision_model.pre_layrnorm", dv); /* misspelt in every published checkpoint */
    put_layers(&b, "vision_model", &s->vision);
    put_norm(&b, "vision_model.post_layernorm", dv);
    PUT(&b, 1 / sqrt((double)dv), PT_SHAPE(s->projection, dv), "visual_projection.weight");
    PUT(&b, 1 / sqrt((double)dt), PT_SHAPE(s->projection, dt), "text_projection.weight");
    *n = (int)b.n;
    return b.items;
}

void clip_param_list_free(struct clip_param *list, int n)
{
    for (int i = 0; i < n; i++)
        free(list[i].name);
    free(list);
}

static struct clip_layer *bind_layers(const struct pasta_params *params, const char *tower, int64_t layers)
{
    struct clip_layer *list = pasta_calloc((size_t)layers, sizeof *list);
    for (int64_t i = 0; i < layers; i++) {
        struct clip_layer *l = &list[i];
        const struct { const char *name; pt *weight, *bias; } parts[] = {
            {"layer_norm1", &l->norm1_w, &l->norm1_b},     {"layer_norm2", &l->norm2_w, &l->norm2_b},
            {"self_attn.q_proj", &l->q_w, &l->q_b},        {"self_attn.k_proj", &l->k_w, &l->k_b},
            {"self_attn.v_proj", &l->v_w, &l->v_b},        {"self_attn.out_proj", &l->out_w, &l->out_b},
            {"mlp.fc1", &l->fc1_w, &l->fc1_b},             {"mlp.fc2", &l->fc2_w, &l->fc2_b},
        };
        for (size_t j = 0; j < sizeof parts / sizeof *parts; j++) {
            char *weight = pasta_asprintf("%s.encoder.layers.%lld.%s.weight", tower, (long long)i, parts[j].name);
            char *bias = pasta_asprintf("%s.encoder.layers.%lld.%s.bias", tower, (long long)i, parts[j].name);
            *parts[j].weight = pasta_params_get(params, weight);
            *parts[j].bias = pasta_params_get(params, bias);
            free(weight);
            free(bias);
        }
    }
    return list;
}

void clip_bind(struct pasta_clip *c)
{
    const struct pasta_params *p = &c->params;
    c->text = bind_layers(p, "text_model", c->shape.text.layers);
    c->vision = bind_layers(p, "vision_model", c->shape.vision.layers);
    c->token_w = pasta_params_get(p, "text_model.embeddings.token_embedding.weight");
    c->text_position_w = pasta_params_get(p, "text_model.embeddings.position_embedding.weight");
    c->final_norm_w = pasta_params_get(p, "text_model.final_layer_norm.weight");
    c->final_norm_b = pasta_params_get(p, "text_model.final_layer_norm.bias");
    c->text_projection_w = pasta_params_get(p, "text_projection.weight");
    c->class_w = pasta_params_get(p, "vision_model.embeddings.class_embedding");
    c->patch_w = pasta_params_get(p, "vision_model.embeddings.patch_embedding.weight");
    c->vision_position_w = pasta_params_get(p, "vision_model.embeddings.position_embedding.weight");
    c->pre_norm_w = pasta_params_get(p, "vision_model.pre_layrnorm.weight");
    c->pre_norm_b = pasta_params_get(p, "vision_model.pre_layrnorm.bias");
    c->post_norm_w = pasta_params_get(p, "vision_model.post_layernorm.weight");
    c->post_norm_b = pasta_params_get(p, "vision_model.post_layernorm.bias");
    c->visual_projection_w = pasta_params_get(p, "visual_projection.weight");
    c->logit_scale = pasta_params_get(p, "logit_scale");
}

/* --- the vision tower's first layers, started from what is known of images --- */

/* One two-dimensional cosine over a patch in one of three colour directions, and its expected size in natural and drawn images, which
 * falls as 1 / frequency. */
struct wave { int colour, u, v; double size; };

static int compare_waves(const void *a, const void *b)
{
    const struct wave *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    int order = x->colour - y->colour;
    order = order ? order : x->u - y->u;
    return order ? order : x->v - y->v;
}

/* The patch embedding as the largest `width` waves, each scaled to the same size: then a patch's structure is not drowned by its mean
 * colour, as it is with random filters, and the first norm sees a whitened patch. Further filters, if any, stay as they are. values
 * [width,3,p,p]. */
static void init_patches(float *values, int64_t width, int64_t p)
{
    static const double colours[3][3] = {{0.57735, 0.57735, 0.57735}, {0.70711, 0, -0.70711}, {0.40825, -0.8165, 0.40825}};
    static const double strength[3] = {1, 0.27, 0.15};
    int64_t n = 3 * p * p;
    struct wave *waves = pasta_malloc((size_t)n * sizeof *waves);
    for (int64_t i = 0; i < n; i++) {
        struct wave *w = &waves[i];
        *w = (struct wave){(int)(i / (p * p)), (int)(i / p % p), (int)(i % p), 0};
        double frequency = hypot(w->u, w->v);
        w->size = strength[w->colour] * (frequency > 0 ? 2.9 / frequency : 12.6) * (double)p / 8;
    }
    qsort(waves, (size_t)n, sizeof *waves, compare_waves);
    for (int64_t i = 0; i < width && i < n; i++)
        for (int64_t c = 0; c < 3; c++)
            for (int64_t y = 0; y < p; y++)
                for (int64_t x = 0; x < p; x++) {
                    double wave = cos(M_PI * ((double)y + 0.5) * waves[i].u / (double)p) *
                                  cos(M_PI * ((double)x + 0.5) * waves[i].v / (double)p);
                    double norm = sqrt((waves[i].u ? 2.0 : 1.0) * (waves[i].v ? 2.0 : 1.0)) / (double)p;
                    values[((i * 3 + c) * p + y) * p + x] = (float)(colours[waves[i].colour][c] * wave * norm / waves[i].size);
                }
    free(waves);
}

/* Positions as sines and cosines of the place's row and column. values [1 + n * n,width]; the class token's row stays as it is. */
static void init_positions(float *values, int64_t width, int64_t n)
{
    int64_t quarter = width / 4;
    for (int64_t i = 0; i < n * n; i++)
        for (int64_t j = 0; j < 4 * quarter; j++) {
            double place = (double)(j < 2 * quarter ? i / n : i % n), rate = pow(100.0, -(double)(j % quarter) / (double)quarter);
            values[(1 + i) * width + j] = (float)(j / quarter % 2 ? cos(place * rate) : sin(place * rate));
        }
}

/* Source: transformers CLIPPreTrainedModel._init_weights with initializer_factor 1, the vision tower's patches and positions apart. */
pasta_status clip_init_params(const struct pasta_clip_shape *shape, uint64_t seed, const char *device, struct pasta_params *params,
                              struct pasta_err *err)
{
    int n;
    struct clip_param *list = clip_param_list(shape, &n);
    pt_scope_open();
    for (int i = 0; i < n; i++) {
        const struct clip_param *p = &list[i];
        struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_INIT, (uint32_t)i, 0, 0);
        int64_t count = 1;
        for (int d = 0; d < p->rank; d++)
            count *= p->shape[d];
        float *values = pasta_malloc((size_t)count * sizeof *values);
        for (int64_t j = 0; j < count; j++)
            values[j] = p->init_std > 0 ? (float)(p->init_std * pasta_rng_normal(&rng)) : p->init_std < 0 ? 1.0f : 0.0f;
        if (strcmp(p->name, "logit_scale") == 0)
            values[0] = (float)shape->logit_scale_init;
        if (strcmp(p->name, "vision_model.embeddings.patch_embedding.weight") == 0)
            init_patches(values, p->shape[0], p->shape[2]);
        if (strcmp(p->name, "vision_model.embeddings.position_embedding.weight") == 0)
            init_positions(values, p->shape[1], shape->image_size / shape->patch);
        pasta_params_add(params, p->name, pt_keep(pt_to_device(pt_from_f32(values, p->rank, p->shape), device)));
        free(values);
    }
    clip_param_list_free(list, n);
    return pt_scope_close(err);
}
