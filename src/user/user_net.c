/* user_net.c: the differentiable user model (user_net.h).
 *
 * Positive and bounded scalars are trained through smooth maps: scale = exp(x), temperature = tau_max sigmoid(x),
 * tie, rating gain and noise = a floor + softplus(x).
 */
#include "user_net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "pasta/base/mem.h"
#include "pasta/base/rng.h"

#define TIE_FLOOR 1e-3
#define GAIN_FLOOR 1e-4
#define NOISE_FLOOR 0.02
#define ADAPTER_UNIT 0.03
#define MASKED (-1e30)

/* --- parameters ---------------------------------------------------------------------------------------------------------------- */

static void add_param(struct user_net *net, const char *name, const float *values, int rank, const int64_t *shape)
{
    pt kept = pt_keep(pt_to_device(pt_from_f32(values, rank, shape), net->device));
    if (kept != NULL)
        pasta_params_add(&net->params, name, kept);
}

static void add_scalar(struct user_net *net, const char *name, double value)
{
    float x = (float)value;
    add_param(net, name, &x, PT_SHAPE(1));
}

static double softplus_inverse(double y)
{
    return y > 30 ? y : log(expm1(y));
}

static double logit(double p)
{
    return log(p / (1 - p));
}

/* The first matrix is random and the same for every type, the second zero. */
static void add_adapter(struct user_net *net, const char *name, uint64_t seed, uint32_t slot)
{
    size_t one = (size_t)net->width * net->dim, K = (size_t)net->n_types;
    int64_t shape[3] = {net->n_types, net->width, net->dim};
    float *values = pasta_malloc(K * one * sizeof *values);
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_INIT, 0, slot, 1);
    for (size_t i = 0; i < one; i++)
        values[i] = (float)pasta_rng_normal(&rng);
    for (size_t k = 1; k < K; k++)
        memcpy(values + k * one, values, one * sizeof *values);
    char *in = pasta_asprintf("%s.in", name), *out = pasta_asprintf("%s.out", name);
    add_param(net, in, values, 3, shape);
    memset(values, 0, K * one * sizeof *values);
    add_param(net, out, values, 3, shape);
    free(in);
    free(out);
    free(values);
}

void user_net_init(struct user_net *net, const struct pasta_user_model *start, pt taste_basis, const char *device, uint64_t seed)
{
    *net = (struct user_net){.n_types = start->n_types, .dim = start->dim, .width = start->width, .aggregate = start->aggregate,
                             .temperature_max = start->temperature_max, .device = device, .taste_basis = taste_basis};
    add_param(net, "taste", start->taste, PT_SHAPE(net->n_types, net->dim));
    if (net->width > 0) {
        add_adapter(net, "image_adapter", seed, 1);
        add_adapter(net, "text_adapter", seed, 2);
    }
    double ratio = start->temperature / start->temperature_max;
    add_scalar(net, "log_scale", log(start->scale));
    add_scalar(net, "temperature", logit(fmin(ratio, 0.999)));
    add_scalar(net, "tie", softplus_inverse(fmax(start->tie - TIE_FLOOR, 1e-6)));
    add_scalar(net, "rating.gain", softplus_inverse(fmax(start->rating_gain - GAIN_FLOOR, 1e-6)));
    add_scalar(net, "rating.offset", start->rating_offset);
    add_scalar(net, "rating.noise", softplus_inverse(fmax(start->rating_noise - NOISE_FLOOR, 1e-6)));
    pasta_params_requires_grad(&net->params, true);
}

void user_net_copy(struct user_net *net, const struct user_net *from)
{
    *net = *from;
    net->params = (struct pasta_params){0};
    for (int i = 0; i < from->params.n; i++) {
        pt kept = pt_keep(pt_clone(pt_detach(from->params.items[i].tensor)));
        if (kept != NULL)
            pasta_params_add(&net->params, from->params.items[i].name, kept);
    }
}

void user_net_release(struct user_net *net)
{
    pasta_params_release(&net->params);
}

static pt param(const struct user_net *net, const char *name)
{
    return pasta_params_get(&net->params, name);
}

/* The trained maps of tastes and scalar heads; the heads are [1]. */
static pt tastes(const struct user_net *net) { return pt_matmul(param(net, "taste"), net->taste_basis); } /* w [K,D] */
static pt head_scale(const struct user_net *net) { return pt_exp(param(net, "log_scale")); }
static pt head_temperature(const struct user_net *net)
{
    return pt_mul_scalar(pt_sigmoid(param(net, "temperature")), net->temperature_max);
}
static pt head_tie(const struct user_net *net) { return pt_add_scalar(pt_softplus(param(net, "tie")), TIE_FLOOR); }
static pt head_gain(const struct user_net *net) { return pt_add_scalar(pt_softplus(param(net, "rating.gain")), GAIN_FLOOR); }
static pt head_noise(const struct user_net *net) { return pt_add_scalar(pt_softplus(param(net, "rating.noise")), NOISE_FLOOR); }

void user_net_heads(const struct user_net *net, double *scale, double *temperature, double *tie, double *rating_noise)
{
    *scale = pt_item(head_scale(net));
    *temperature = fmin(pt_item(head_temperature(net)), net->temperature_max);
    *tie = pt_item(head_tie(net));
    *rating_noise = pt_item(head_noise(net));
}

/* The second adapter matrix is trained in units in which entries of size 1 move an embedding (of length 1) by about ADAPTER_UNIT, at any W
 * and D. One learning rate then suits tastes and adapters: with units of 1 the adapters, which have 2 W times the parameters, learn the
 * training pairs by heart before the types are found. */
static double adapter_unit(const struct user_net *net)
{
    return ADAPTER_UNIT / sqrt((double)net->width * net->dim);
}

static void export_tensor(const struct user_net *net, const char *name, double unit, float *out)
{
    if (param(net, name) != NULL)
        pt_copy_f32(pt_mul_scalar(param(net, name), unit), out);
}

void user_net_export(const struct user_net *net, struct pasta_user_model *m)
{
    pt_copy_f32(tastes(net), m->taste);
    export_tensor(net, "image_adapter.in", 1, m->image_in);
    export_tensor(net, "image_adapter.out", adapter_unit(net), m->image_out);
    export_tensor(net, "text_adapter.in", 1, m->text_in);
    export_tensor(net, "text_adapter.out", adapter_unit(net), m->text_out);
    user_net_heads(net, &m->scale, &m->temperature, &m->tie, &m->rating_noise);
    m->rating_gain = pt_item(head_gain(net));
    m->rating_offset = pt_item(param(net, "rating.offset"));
}

/* --- scores ---------------------------------------------------------------------------------------------------------------------- */

static pt indices(const struct user_net *net, const int64_t *values, int n)
{
    return pt_to_device(pt_from_i64(values, PT_SHAPE(n)), net->device);
}

static pt floats(const struct user_net *net, const float *values, int rank, const int64_t *shape)
{
    return pt_to_device(pt_from_f32(values, rank, shape), net->device);
}

/* weight [K,W,D] applied to rows x [n,D]: [K,n,W]. */
static pt project(pt x, pt weight, int K, int W, int D)
{
    pt y = pt_matmul(x, pt_transpose(pt_reshape(weight, PT_SHAPE(K * W, D)), 0, 1)); /* [n,K*W] */
    return pt_permute(pt_reshape(y, PT_SHAPE(-1, K, W)), 3, (int64_t[]){1, 0, 2});
}

static pt row_dot(pt a, pt b)
{
    return pt_sum_dim(pt_mul(a, b), -1, false);
}

pt user_net_scores(const struct user_net *net, pt image_table, pt text_table, const struct user_batch *batch)
{
    int K = net->n_types, W = net->width, D = net->dim;
    pt of = indices(net, batch->text_of, batch->n_images);                                           /* [N] */
    pt image = pt_index_select(image_table, 0, indices(net, batch->image, batch->n_images));         /* [N,D] */
    pt prompt = pt_index_select(text_table, 0, indices(net, batch->text, batch->n_texts));           /* [P,D] */
    pt b = pt_unsqueeze(prompt, 0);                                                                  /* [1,P,D] */
    pt dot = pt_row_dots(image, b, of);                                                              /* [1,N] <a, b> */
    pt aa = row_dot(image, image);                                                                   /* [N] |a|^2 */
    if (W > 0) {
        double unit = adapter_unit(net);
        pt u_a = pt_mul_scalar(param(net, "image_adapter.out"), unit), u_b = pt_mul_scalar(param(net, "text_adapter.out"), unit);
        pt h_a = pt_silu(project(image, param(net, "image_adapter.in"), K, W, D));                   /* [K,N,W] */
        pt h_b = pt_silu(project(prompt, param(net, "text_adapter.in"), K, W, D));                   /* [K,P,W] */
        pt u_a_t = pt_transpose(u_a, 1, 2);
        pt u_a_b = pt_add(project(prompt, u_a, K, W, D), pt_matmul(h_b, pt_matmul(u_b, u_a_t)));     /* [K,P,W] U_a b */
        pt cross = row_dot(h_a, project(image, u_a, K, W, D)), own = row_dot(pt_matmul(h_a, pt_matmul(u_a, u_a_t)), h_a);
        b = pt_add(b, pt_matmul(h_b, u_b));                                                          /* [K,P,D] */
        dot = pt_add(pt_row_dots(image, b, of), row_dot(h_a, pt_index_select(u_a_b, 1, of)));        /* [K,N] */
        aa = pt_add(pt_add(pt_mul_scalar(cross, 2), own), aa);                                       /* [K,N] */
    }
    pt squares = pt_mul(aa, pt_index_select(row_dot(b, b), 1, of));                                  /* |a|^2 |b|^2 */
    pt taste = pt_matmul(tastes(net), pt_transpose(image, 0, 1));                                    /* [K,N] */
    return pt_add(pt_mul(pt_mul(dot, pt_rsqrt(squares)), head_scale(net)), taste);
}

/* --- likelihoods ------------------------------------------------------------------------------------------------------------------- */

/* 1 where slot < count[row], else 0; as floats [rows,slots]. Caller frees. */
static float *mask_of(const float *count, int rows, int slots)
{
    float *mask = pasta_malloc((size_t)rows * slots * sizeof *mask);
    for (int r = 0; r < rows; r++)
        for (int s = 0; s < slots; s++)
            mask[(size_t)r * slots + s] = s < (int)count[r];
    return mask;
}

/* Values at the index lists: x [K,n] -> [K,rows,slots], empty slots filled with `fill`. */
static pt gather_slots(const struct user_net *net, pt x, const int64_t *index, const float *count, int rows, int slots, double fill)
{
    float *mask = mask_of(count, rows, slots);
    pt empty = pt_lt_scalar(floats(net, mask, PT_SHAPE(rows, slots)), 0.5);
    pt values = pt_reshape(pt_index_select(x, 1, indices(net, index, rows * slots)), PT_SHAPE(net->n_types, rows, slots));
    free(mask);
    return pt_masked_fill(values, empty, fill);
}

/* Utilities of columns: s [K,N] -> [K,C]. */
static pt column_utilities(const struct user_net *net, pt s, const struct user_batch *b)
{
    bool mean = net->aggregate == PASTA_AGG_MEAN;
    pt values = gather_slots(net, s, b->column_image, b->column_count, b->n_columns, b->n_slots, mean ? 0 : MASKED);
    pt count = floats(net, b->column_count, PT_SHAPE(b->n_columns));
    if (mean)
        return pt_div(pt_sum_dim(values, -1, false), count);
    if (net->aggregate == PASTA_AGG_MAX)
        return pt_max_dim(values, -1, false);
    return pt_sub(pt_logsumexp(values, -1, false), pt_log(count));
}

static pt nll_pair(const struct user_net *net, pt s, const struct user_batch *b)
{
    pt both = pt_reshape(pt_narrow(s, 1, 0, 2 * b->n_pairs), PT_SHAPE(net->n_types, b->n_pairs, 2));
    pt d = pt_sub(pt_select(both, 2, 0), pt_select(both, 2, 1)); /* [K,n_pairs] */
    pt label = floats(net, b->label, PT_SHAPE(b->n_pairs));
    /* -y log sigmoid(d) - (1-y) log sigmoid(-d) = softplus(d) - y d */
    return pt_sub(pt_softplus(d), pt_mul(d, label));
}

static pt nll_rating(const struct user_net *net, pt s, const struct user_batch *b)
{
    pt score = pt_narrow(s, 1, 2 * b->n_pairs, b->n_ratings);
    pt noise = head_noise(net);
    pt mean = pt_add(pt_mul(score, head_gain(net)), param(net, "rating.offset"));
    pt z = pt_div(pt_sub(mean, floats(net, b->rating, PT_SHAPE(b->n_ratings))), noise);
    return pt_add_scalar(pt_add(pt_mul_scalar(pt_square(z), 0.5), pt_log(noise)), 0.5 * log(2 * M_PI));
}

static pt nll_choice(const struct user_net *net, pt utilities, const struct user_batch *b)
{
    int K = net->n_types, T = b->n_turns;
    pt logits = gather_slots(net, pt_mul(utilities, head_temperature(net)), b->turn_column, b->turn_count, T, b->n_choices, MASKED);
    pt choice = pt_expand(pt_reshape(indices(net, b->choice, T), PT_SHAPE(1, T, 1)), PT_SHAPE(K, T, 1));
    pt chosen = pt_squeeze(pt_gather(logits, 2, choice), 2); /* [K,T] */
    return pt_sub(pt_logsumexp(logits, 2, false), chosen);
}

static pt nll_versus(const struct user_net *net, pt utilities, const struct user_batch *b)
{
    int K = net->n_types, T = b->n_turns;
    pt d = pt_sub(pt_index_select(utilities, 1, indices(net, b->now, T)), pt_index_select(utilities, 1, indices(net, b->before, T)));
    pt tie = head_tie(net);
    pt less = pt_sub(d, tie), more = pt_add(d, tie);
    pt width = pt_log(pt_add_scalar(pt_neg(pt_exp(pt_mul_scalar(tie, -2))), 1)); /* log(1 - exp(-2 delta)) */
    pt outcomes[3] = {pt_log_sigmoid(pt_neg(more)), pt_add(pt_add(pt_log_sigmoid(more), pt_log_sigmoid(pt_neg(less))), width),
                      pt_log_sigmoid(less)};
    pt index = pt_expand(pt_reshape(indices(net, b->versus, T), PT_SHAPE(1, T, 1)), PT_SHAPE(K, T, 1));
    pt nll = pt_neg(pt_squeeze(pt_gather(pt_stack(outcomes, 3, 2), 2, index), 2)); /* [K,T] */
    return pt_mul(nll, floats(net, b->has_versus, PT_SHAPE(T)));
}

struct user_nll user_net_nll(const struct user_net *net, pt image_table, pt text_table, const struct user_batch *batch)
{
    struct user_nll nll = {0};
    pt s = user_net_scores(net, image_table, text_table, batch);
    if (batch->n_pairs > 0)
        nll.pair = nll_pair(net, s, batch);
    if (batch->n_ratings > 0)
        nll.rating = nll_rating(net, s, batch);
    if (batch->n_turns > 0) {
        pt utilities = column_utilities(net, s, batch);
        nll.choice = nll_choice(net, utilities, batch);
        nll.versus = nll_versus(net, utilities, batch);
    }
    return nll;
}
