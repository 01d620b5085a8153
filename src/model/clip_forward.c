/* clip_forward.c: CLIP's two towers.
 *
 *   image: patches -> linear -> [class; patches] + position -> norm -> blocks -> first token -> norm -> projection
 *   text:  token + position -> causal blocks -> norm -> token at the first end id -> projection
 *
 * Letters: B batch, T tokens, D width, h heads, d = D / h, p patch side, n patches on a side, P projection.
 * Source: transformers modeling_clip.py.
 */
#include <math.h>

#include "clip_impl.h"

static pt activation(const struct pasta_clip_tower *t, pt x)
{
    return t->quick_gelu ? pt_quick_gelu(x) : pt_gelu(x);
}

/* [B,T,D] -> [B,h,T,d] */
static pt split_heads(pt x, int64_t heads)
{
    return pt_transpose(pt_reshape(x, PT_SHAPE(pt_size(x, 0), pt_size(x, 1), heads, -1)), 1, 2);
}

/* x [B,T,D]; bias [T,T] additive, or NULL. Its own scope, so that inference holds one block's temporaries at a time. */
static pt block(const struct pasta_clip_tower *t, const struct clip_layer *l, pt x, pt bias)
{
    double scale = 1.0 / sqrt((double)(t->width / t->heads));
    pt_scope_open();
    pt h = pt_layer_norm(x, l->norm1_w, l->norm1_b, t->eps);
    pt q = split_heads(pt_linear(h, l->q_w, l->q_b), t->heads);                  /* [B,h,T,d] */
    pt k = split_heads(pt_linear(h, l->k_w, l->k_b), t->heads);
    pt v = split_heads(pt_linear(h, l->v_w, l->v_b), t->heads);
    pt a = pt_transpose(pt_attention(q, k, v, bias, scale), 1, 2);               /* [B,T,h,d] */
    a = pt_reshape(a, PT_SHAPE(pt_size(x, 0), pt_size(x, 1), t->width));
    x = pt_add(x, pt_linear(a, l->out_w, l->out_b));
    h = pt_layer_norm(x, l->norm2_w, l->norm2_b, t->eps);
    h = activation(t, pt_linear(h, l->fc1_w, l->fc1_b));                         /* [B,T,I] */
    x = pt_yield(pt_add(x, pt_linear(h, l->fc2_w, l->fc2_b)));
    return pt_scope_close(NULL) == PASTA_OK ? x : NULL; /* the enclosing scope carries the cause */
}

/* [B,3,S,S] -> [B,n*n,D]: the convolution with stride p, as one product over flattened patches. */
static pt patch_embed(const struct pasta_clip *clip, pt pixels)
{
    int64_t p = clip->shape.patch, n = clip->shape.image_size / p, batch = pt_size(pixels, 0);
    if (n * p != clip->shape.image_size) { /* a border that no patch covers */
        pixels = pt_narrow(pixels, 2, 0, n * p);
        pixels = pt_narrow(pixels, 3, 0, n * p);
    }
    pt x = pt_reshape(pixels, PT_SHAPE(batch, 3, n, p, n, p));
    x = pt_reshape(pt_permute(x, PT_SHAPE(0, 2, 4, 1, 3, 5)), PT_SHAPE(batch, n * n, 3 * p * p));
    return pt_linear(x, pt_reshape(clip->patch_w, PT_SHAPE(clip->shape.vision.width, -1)), NULL);
}

pt pasta_clip_image_features(const struct pasta_clip *clip, pt pixels)
{
    const struct pasta_clip_tower *t = &clip->shape.vision;
    pt patches = patch_embed(clip, pixels);                                              /* [B,n*n,D] */
    pt first = pt_expand(clip->class_w, PT_SHAPE(pt_size(patches, 0), 1, t->width));    /* [B,1,D] */
    pt x = pt_cat((pt[]){first, patches}, 2, 1);                                         /* [B,1+n*n,D] */
    x = pt_add(x, clip->vision_position_w);
    x = pt_layer_norm(x, clip->pre_norm_w, clip->pre_norm_b, t->eps);
    for (int64_t i = 0; i < t->layers; i++)
        x = block(t, &clip->vision[i], x, NULL);
    x = pt_layer_norm(pt_select(x, 1, 0), clip->post_norm_w, clip->post_norm_b, t->eps); /* [B,D] */
    return pt_linear(x, clip->visual_projection_w, NULL);                                /* [B,P] */
}

/* [T,T]: 0 where token i may look at token j <= i, else minus infinity. */
static pt causal_bias(int64_t n)
{
    pt place = pt_arange(n);
    pt later = pt_lt(pt_unsqueeze(place, 1), pt_unsqueeze(place, 0));
    return pt_masked_fill(pt_zeros(PT_F32, PT_SHAPE(n, n)), later, -INFINITY);
}

pt pasta_clip_text_features(const struct pasta_clip *clip, pt ids)
{
    const struct pasta_clip_tower *t = &clip->shape.text;
    int64_t batch = pt_size(ids, 0), n = pt_size(ids, 1);
    pt bias = pt_to_device(causal_bias(n), clip->device);
    pt x = pt_add(pt_embedding(clip->token_w, ids), pt_narrow(clip->text_position_w, 0, 0, n)); /* [B,T,D] */
    for (int64_t i = 0; i < t->layers; i++)
        x = block(t, &clip->text[i], x, bias);
    /* Only the pooled token goes on: the norm and the projection act on each token alone. */
    pt is_end = pt_to_dtype(pt_eq_scalar(ids, (double)clip->shape.end), PT_I64);         /* [B,T] */
    pt end = pt_argmax(is_end, 1);                                                       /* [B], the first one */
    end = pt_expand(pt_reshape(end, PT_SHAPE(batch, 1, 1)), PT_SHAPE(batch, 1, t->width));
    x = pt_squeeze(pt_gather(x, 1, end), 1);                                             /* [B,D] */
    x = pt_layer_norm(x, clip->final_norm_w, clip->final_norm_b, t->eps);
    return pt_linear(x, clip->text_projection_w, NULL);                                  /* [B,P] */
}

pt pasta_clip_scale(const struct pasta_clip *clip)
{
    return pt_exp(clip->logit_scale);
}
