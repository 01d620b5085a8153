/* clip_impl.h: CLIP's weights as the forward pass uses them. */
#ifndef PASTA_SRC_CLIP_H
#define PASTA_SRC_CLIP_H
#include "pasta/base/json.h"
#include "pasta/model/clip.h"

/* One pre-norm block. Linear weights are [out,in]; D width, I mlp. All borrowed from the parameter list. */
struct clip_layer {
    pt norm1_w, norm1_b;                 /* [D] */
    pt q_w, q_b, k_w, k_b, v_w, v_b;     /* [D,D], [D] */
    pt out_w, out_b;
    pt norm2_w, norm2_b;
    pt fc1_w, fc1_b;                     /* [I,D], [I] */
    pt fc2_w, fc2_b;                     /* [D,I], [D] */
};

struct pasta_clip {
    struct pasta_clip_shape shape;
    struct pasta_bpe *bpe;
    struct pasta_preprocess preprocess;
    struct pasta_params params;          /* owns every tensor below */
    struct clip_layer *text, *vision;    /* [layers] */
    pt token_w, text_position_w;         /* [V,Dt], [T,Dt] */
    pt final_norm_w, final_norm_b;
    pt text_projection_w;                /* [P,Dt] */
    pt class_w, patch_w;                 /* [Dv], [Dv,3,p,p] */
    pt vision_position_w;                /* [1+patches,Dv] */
    pt pre_norm_w, pre_norm_b, post_norm_w, post_norm_b;
    pt visual_projection_w;              /* [P,Dv] */
    pt logit_scale;                      /* [] */
    char *device;                        /* "cpu", "cuda:0"; owned */
    pt_dtype dtype;                      /* of all but logit_scale, which is f32 */
    char hash[65];
};

/* Every parameter's name, shape and initialisation, in the order of the published network's modules. */
struct clip_param { char *name; int rank; int64_t shape[4]; double init_std; /* 0: zeros, below 0: ones */ };
struct clip_param *clip_param_list(const struct pasta_clip_shape *shape, int *n);
void clip_param_list_free(struct clip_param *list, int n);
/* Where a checkpoint has a parameter: its name there (owned), which part of that tensor (parts 0: all of it), or its transpose. */
struct clip_source { char *name; int part, parts; bool transposed; };
struct pasta_weights;
bool clip_openclip_is(const struct pasta_weights *w); /* OpenCLIP's names instead of Hugging Face's */
struct clip_source clip_openclip_source(const char *name);
/* Adds all of them to `params`, at random. */
pasta_status clip_init_params(const struct pasta_clip_shape *shape, uint64_t seed, const char *device, struct pasta_params *params,
                              struct pasta_err *err) PASTA_MUST_CHECK;
/* Looks every parameter up in clip->params once. */
void clip_bind(struct pasta_clip *clip);

pasta_status clip_config_read(const char *dir, struct pasta_clip_shape *out, struct pasta_err *err) PASTA_MUST_CHECK;
void clip_config_print(const struct pasta_clip *clip, struct pasta_str *out);
/* What no config.json may hold: sizes that do not fit each other. `where` names the source. */
pasta_status clip_shape_check(const struct pasta_clip_shape *s, const char *where, pasta_status kind,
                              struct pasta_err *err) PASTA_MUST_CHECK;
#endif
