/* gemma_forward.c: the network, in one packed pass. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "gemma_impl.h"
#include "pasta/base/mem.h"

static const float UNSEEN = -1e30f; /* added to the attention scores of tokens that are not seen */

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

/* --- packed forward ----------------------------------------------------------------------------------------------- */

/* What the tokens of one packed pass see; shared by all layers. T = P + N*W. */
struct view {
    const struct pasta_gemma_config *config;
    const struct pasta_gemma_pack *pack;
    struct rope rope;        /* of all tokens [B,1,T,d/2] */
    struct rope read_rope;   /* of the tokens read out [B,1,R,d/2] */
    pt read_index;           /* i64 [B*R], into the rows of [B*T,...]; NULL: all tokens are read out, and no read_* is used */
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

/* What the tokens read out see; positions [B,T]. */
static void add_reads(struct view *view, const struct pasta_gemma *g, const struct pasta_gemma_pack *p, const int64_t *positions)
{
    const int64_t B = p->rows, R = p->reads, T = p->prefix + p->branches * p->width, last = g->config.max_position_embeddings - 1;
    int64_t *reads = pasta_malloc((size_t)(B * R) * sizeof *reads);
    int64_t *read_positions = pasta_malloc((size_t)(B * R) * sizeof *read_positions);
    float *read = pasta_malloc((size_t)(B * R * T) * sizeof *read);
    for (int64_t b = 0; b < B; b++)
        for (int64_t r = 0; r < R; r++) {
            const int64_t at = p->read[b * R + r];
            int64_t seen, own;
            assert(at >= 0 && at < T);
            token_view(p, b, at, &seen, &own);
            assert(seen + at - own <= last);
            for (int64_t t = 0; t < T; t++)
                read[(b * R + r) * T + t] = t < seen || (t >= own && t <= at) ? 0 : UNSEEN;
            reads[b * R + r] = b * T + at;
            read_positions[b * R + r] = positions[b * T + at];
        }
    view->read_rope = rope_at(g, i64_tensor(g, read_positions, PT_SHAPE(B, R)));
    view->read_index = i64_tensor(g, reads, PT_SHAPE(B * R));
    view->read_bias = pt_to_device(pt_from_f32(read, PT_SHAPE(B, 1, R, T)), g->device);
    free(read);
    free(read_positions);
    free(reads);
}

static struct view make_view(const struct pasta_gemma *g, const struct pasta_gemma_pack *p)
{
    const int64_t B = p->rows, P = p->prefix, N = p->branches, W = p->width, T = P + N * W;
    const int64_t last = g->config.max_position_embeddings - 1;
    int64_t *positions = pasta_malloc((size_t)(B * T) * sizeof *positions);
    float *fork = pasta_malloc((size_t)(B * N * P) * sizeof *fork);
    for (int64_t b = 0; b < B; b++) {
        for (int64_t t = 0; t < P; t++)
            positions[b * T + t] = t;
        for (int64_t n = 0; n < N; n++) {
            const int64_t seen = p->fork[b * N + n];
            assert(seen >= 1 && seen <= P);
            for (int64_t w = 0; w < W; w++)
                positions[b * T + P + n * W + w] = seen + w < last ? seen + w : last; /* beyond it there is padding alone */
            for (int64_t t = 0; t < P; t++)
                fork[(b * N + n) * P + t] = t < seen ? 0 : UNSEEN;
        }
    }
    struct view view = {
        .config = &g->config,
        .pack = p,
        .rope = rope_at(g, i64_tensor(g, positions, PT_SHAPE(B, T))),
        .prefix_bias = causal_bias(g, P),
        .fork_bias = N ? pt_to_device(pt_from_f32(fork, PT_SHAPE(B, 1, N, 1, P)), g->device) : NULL,
        .branch_bias = N ? causal_bias(g, W) : NULL,
    };
    if (p->read)
        add_reads(&view, g, p, positions);
    free(fork);
    free(positions);
    return view;
}

/* Branches -> prefix and themselves, one softmax over both, without the scores between different branches.
 * q [B,h,N*W,d]; prefix k, v [B,g,P,d]; own k, v [B,g,N*W,d]; result [B,h,N*W,d]. */
static pt branch_attention(const struct view *view, pt q, pt prefix_k, pt prefix_v, pt own_k, pt own_v, double scale)
{
    const struct pasta_gemma_config *c = view->config; /* not the tensors' sizes: after a failure they are 0 */
    const int64_t h = c->num_attention_heads, kv = c->num_key_value_heads, G = h / kv, d = c->head_dim;
    const int64_t B = view->pack->rows, P = view->pack->prefix, N = view->pack->branches, W = view->pack->width;
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
    pt scores[2] = {pt_add(pt_to_dtype(to_prefix, PT_F32), view->fork_bias),
                    pt_add(pt_to_dtype(to_own, PT_F32), pt_unsqueeze(view->branch_bias, 2))};
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
    pt branches = branch_attention(view, pt_narrow(q, 2, P, tail), prefix_k, prefix_v, pt_narrow(k, 2, P, tail), pt_narrow(v, 2, P, tail),
                                   scale);
    pt parts[2] = {prefix, branches};
    return pt_cat(parts, 2, 2);
}

/* The rows of x [B,T,n] that are read out [B,R,n]. */
static pt read_rows(const struct view *view, pt x)
{
    const int64_t n = pt_size(x, -1);
    return pt_reshape(pt_index_select(pt_reshape(x, PT_SHAPE(-1, n)), 0, view->read_index),
                      PT_SHAPE(view->pack->rows, view->pack->reads, n));
}

/* x [B,T,D] -> [B,T,D]; where `reading`, of the tokens read out only, [B,R,D]. Its own scope, so that inference holds one layer's
 * temporaries at a time. */
static pt run_layer(const struct view *view, const struct layer *layer, pt x, bool reading)
{
    const struct pasta_gemma_config *c = view->config;
    const int64_t d = c->head_dim;
    const double scale = 1 / sqrt((double)d);
    pt_scope_open();
    pt h = pt_rms_norm(x, layer->attn_norm, c->rms_norm_eps);
    pt k = rotate(split_heads(pt_linear(h, layer->k, NULL), d), view->rope); /* [B,g,T,d] */
    pt v = split_heads(pt_linear(h, layer->v, NULL), d);
    if (reading) { /* from here on only the tokens read out matter */
        x = read_rows(view, x);
        h = read_rows(view, h);
    }
    pt q = rotate(split_heads(pt_linear(h, layer->q, NULL), d), reading ? view->read_rope : view->rope);
    pt mixed = reading ? pt_attention(q, k, v, view->read_bias, scale) : packed_attention(view, q, k, v, scale);
    x = pt_add(x, pt_linear(join_heads(mixed), layer->o, NULL));
    x = pt_yield(pt_add(x, mlp(layer, pt_rms_norm(x, layer->mlp_norm, c->rms_norm_eps))));
    return pt_scope_close(NULL) == PASTA_OK ? x : NULL; /* the enclosing scope carries the cause */
}

pt pasta_gemma_packed(const struct pasta_gemma *g, const struct pasta_gemma_pack *pack)
{
    const struct view view = make_view(g, pack);
    const int64_t layers = g->config.num_hidden_layers;
    pt x = embed(g, i64_tensor(g, pack->ids, PT_SHAPE(pack->rows, pack->prefix + pack->branches * pack->width))); /* [B,T,D] */
    for (int64_t l = 0; l < layers; l++)
        x = run_layer(&view, &g->layers[l], x, l == layers - 1 && pack->read);
    return pt_rms_norm(x, g->norm, g->config.rms_norm_eps); /* [B,R,D] */
}
