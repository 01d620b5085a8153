/* gemma_impl.h: what is inside a Gemma network; shared by gemma.c (folders), gemma_init.c (random starts) and gemma_forward.c. */
#ifndef PASTA_SRC_MODEL_GEMMA_IMPL_H
#define PASTA_SRC_MODEL_GEMMA_IMPL_H
#include "pasta/model/gemma.h"

struct layer {
    pt attn_norm;   /* [D] */
    pt q, k, v, o;  /* [h*d,D], [g*d,D], [g*d,D], [D,h*d] */
    pt mlp_norm;    /* [D] */
    pt gate, up;    /* [I,D] */
    pt down;        /* [D,I] */
};
enum { LAYER_TENSORS = 9 };
enum layer_tensor { ATTN_NORM, Q, K, V, O, MLP_NORM, GATE, UP, DOWN }; /* the order of struct layer */

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

/* Random values of the embedding [V,D]; of a matrix of a layer [rows,columns], row-major. Pure functions of their arguments. */
void pasta_gemma_start_embedding(const struct pasta_gemma_config *c, uint64_t seed, float *values);
void pasta_gemma_start_matrix(const struct pasta_gemma_config *c, uint64_t seed, int64_t layer, enum layer_tensor which, int64_t rows,
                              int64_t columns, float *values);
#endif
