/* user_net.h: the user model as a differentiable network, for training.
 *
 * The same mathematics as user_score.c and user_likelihood.c, batched over K types and N images. Images, which are many, are never adapted:
 * with h_a = silu(V_a e_I) in the adapter's width and b adapted once for each prompt,
 *
 *     <a, b> = <e_I, b> + h_a.(U_a b)
 *      |a|^2 = |e_I|^2 + 2 h_a.(U_a e_I) + h_a.(U_a U_a^T) h_a
 */
#ifndef PASTA_USER_NET_H
#define PASTA_USER_NET_H
#include "pasta/tensor/params.h"
#include "pasta/user/user_model.h"

struct user_net {
    int n_types, dim, width;         /* K, D, W */
    enum pasta_aggregate aggregate;
    double temperature_max;
    const char *device;              /* borrowed */
    pt taste_basis;                  /* [D,D] P, borrowed: tastes are trained as v with w = P v (whitening.h) */
    struct pasta_params params;
};

/* One batch, as rows of two feature tables and index lists. Absent kinds have length 0. */
struct user_batch {
    int n_images, n_texts;           /* N, P: entries of the three lists */
    int64_t *image, *text, *text_of; /* rows of the image table [N], of the text table [P]; index into `text` of each image [N] */
    int n_pairs, n_ratings;          /* images 0..2 n_pairs-1 are pairs (first, second), the next n_ratings are rated */
    float *label, *rating;           /* [n_pairs], [n_ratings] in [0,1] */
    int n_columns, n_slots;          /* C columns of at most n_slots images */
    int64_t *column_image;           /* [C, n_slots] index into `image`, 0 where empty */
    float *column_count;             /* [C] images of the column */
    int n_turns, n_choices;          /* T turns of at most n_choices columns */
    int64_t *turn_column;            /* [T, n_choices] index of a column, 0 where empty */
    float *turn_count;               /* [T] columns of the turn */
    int64_t *choice;                 /* [T] index within the turn */
    int64_t *now, *before;           /* [T] columns that are compared; 0 where none */
    int64_t *versus;                 /* [T] 0 worse, 1 same, 2 better; 1 where none */
    float *has_versus;               /* [T] 1 or 0 */
    int64_t *ints;                   /* the memory of all of the above */
    float *floats;
    size_t int_capacity, float_capacity;
};
/* Negative log-likelihoods of a batch under every type; NULL for absent kinds; 0 where a turn has no comparison. */
struct user_nll {
    pt pair, rating; /* [K,n_pairs], [K,n_ratings] */
    pt choice, versus; /* [K,T] */
};

/* Parameters at their starting values: tastes v and heads from `start`; the adapters' first matrix is random (the same for every type, so
 * that tastes alone tell types apart), the second zero. This and the copy are called inside a scope, which reports failures. */
void user_net_init(struct user_net *net, const struct pasta_user_model *start, pt taste_basis, const char *device, uint64_t seed);
/* The same sizes and values, without gradients. */
void user_net_copy(struct user_net *net, const struct user_net *from);
void user_net_release(struct user_net *net);
/* s [K,N]; image_table [Ni,D], text_table [Np,D]; inside a scope. */
pt user_net_scores(const struct user_net *net, pt image_table, pt text_table, const struct user_batch *batch);
struct user_nll user_net_nll(const struct user_net *net, pt image_table, pt text_table, const struct user_batch *batch);
/* The present values of four heads. */
void user_net_heads(const struct user_net *net, double *scale, double *temperature, double *tie, double *rating_noise);
/* Copies the parameters into a model of the same sizes (prior untouched). */
void user_net_export(const struct user_net *net, struct pasta_user_model *m);
#endif
