/* optim.c: AdamW, Adafactor, the cosine schedule, gradient clipping.
 *
 * State lives in the parameter's dtype, in f32 for half-precision parameters, whose update is computed in f32 and rounded once.
 */
#include "pasta/tensor/optim.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include "pasta/base/mem.h"

enum kind { ADAMW, ADAFACTOR };

/* One parameter and its state, both borrowed: AdamW's first and second moment; Adafactor's row and column means of the squared
 * gradient, or for vectors and scalars the whole second moment and NULL. */
struct slot {
    pt w;
    pt first, second;
    double rate; /* times the step's learning rate */
};

struct pasta_optim {
    enum kind kind;
    double weight_decay;
    int64_t steps;
    struct { struct pasta_params *params; double rate; } *lists;
    int n_lists;
    size_t lists_capacity;
    struct pasta_params state; /* owns what the slots borrow */
    struct slot *slots;        /* NULL until the first use */
    pt *norms;                 /* room for one temporary per slot */
    int n_slots;
};

static const double ADAMW_BETA1 = 0.9, ADAMW_BETA2 = 0.999, ADAMW_EPS = 1e-8;
static const double ADAFACTOR_DECAY = 0.8, ADAFACTOR_EPS = 1e-30;

static struct pasta_optim *optim_new(enum kind kind, struct pasta_params *params, double weight_decay)
{
    struct pasta_optim *o = pasta_calloc(1, sizeof *o);
    o->kind = kind;
    o->weight_decay = weight_decay;
    pasta_optim_add(o, params, 1);
    return o;
}

struct pasta_optim *pasta_optim_adamw(struct pasta_params *params, double weight_decay)
{
    return optim_new(ADAMW, params, weight_decay);
}

struct pasta_optim *pasta_optim_adafactor(struct pasta_params *params, double weight_decay)
{
    return optim_new(ADAFACTOR, params, weight_decay);
}

void pasta_optim_add(struct pasta_optim *o, struct pasta_params *params, double rate)
{
    assert(!o->slots && "lists are added before the first step");
    PASTA_GROW(o->lists, (size_t)o->n_lists + 1, o->lists_capacity);
    o->lists[o->n_lists].params = params;
    o->lists[o->n_lists++].rate = rate;
}

/* --- state --- */

static pt_dtype state_dtype(pt w)
{
    return pt_dtype_of(w) == PT_F64 ? PT_F64 : PT_F32;
}

/* Adds a zero tensor named KIND.PART.NAME; lists after the first put their number before NAME. */
static pt state_add(struct pasta_optim *o, const char *part, int list, const char *name, pt zeros)
{
    char *full = list == 0 ? pasta_asprintf("%s.%s", part, name) : pasta_asprintf("%s.%d/%s", part, list, name);
    pt kept = pt_keep(zeros);
    pasta_params_add(&o->state, full, kept);
    free(full);
    return kept;
}

static struct slot slot_new(struct pasta_optim *o, int list, const struct pasta_param *param)
{
    struct slot s = {.w = param->tensor, .rate = o->lists[list].rate};
    pt_scope_open();
    pt zeros = pt_zeros_like(pt_detach(pt_to_dtype(s.w, state_dtype(s.w))));
    if (o->kind == ADAMW) {
        s.first = state_add(o, "adamw.m", list, param->name, zeros);
        s.second = state_add(o, "adamw.v", list, param->name, pt_zeros_like(zeros));
    } else if (pt_rank(s.w) >= 2) {
        s.first = state_add(o, "adafactor.row", list, param->name, pt_mean_dim(zeros, -1, false));
        s.second = state_add(o, "adafactor.col", list, param->name, pt_mean_dim(zeros, -2, false));
    } else {
        s.first = state_add(o, "adafactor.v", list, param->name, zeros);
    }
    (void)pt_scope_close(NULL); /* a failure stays with the caller's scope */
    return s;
}

static void slots_make(struct pasta_optim *o)
{
    if (o->slots)
        return;
    for (int l = 0; l < o->n_lists; l++)
        o->n_slots += o->lists[l].params->n;
    o->slots = pasta_calloc((size_t)o->n_slots, sizeof *o->slots);
    o->norms = pasta_calloc((size_t)o->n_slots, sizeof *o->norms);
    int n = 0;
    for (int l = 0; l < o->n_lists; l++)
        for (int i = 0; i < o->lists[l].params->n; i++)
            o->slots[n++] = slot_new(o, l, &o->lists[l].params->items[i]);
}

const struct pasta_params *pasta_optim_state(struct pasta_optim *o)
{
    slots_make(o);
    return &o->state;
}

int64_t pasta_optim_steps(const struct pasta_optim *o)
{
    return o->steps;
}

void pasta_optim_steps_set(struct pasta_optim *o, int64_t steps)
{
    o->steps = steps;
}

void pasta_optim_free(struct pasta_optim *o)
{
    if (!o)
        return;
    pasta_params_release(&o->state);
    free(o->slots);
    free(o->norms);
    free(o->lists);
    free(o);
}

/* --- one step --- */

/* m <- b1 m + (1-b1) g;  v <- b2 v + (1-b2) g^2;  w <- w - lr (m/c1) / (sqrt(v/c2) + eps), with c = 1 - b^t; sqrt(c2) is moved into
 * the scalars, which saves a pass over the parameters. */
static void adamw_update(const struct slot *s, pt w, pt g, double rate, int64_t t)
{
    const double c1 = 1 - pow(ADAMW_BETA1, (double)t), root2 = sqrt(1 - pow(ADAMW_BETA2, (double)t));
    pt_lerp_(s->first, g, 1 - ADAMW_BETA1);
    pt_scale_(s->second, ADAMW_BETA2);
    pt_addcmul_(s->second, g, g, 1 - ADAMW_BETA2);
    pt denominator = pt_add_scalar(pt_sqrt(s->second), ADAMW_EPS * root2);
    pt_addcdiv_(w, s->first, denominator, -rate * root2 / c1);
}

/* V = row col / mean(row), or the plain running mean of g^2 for vectors;  u = g / sqrt(V);  w <- w - lr u / max(1, RMS(u)). */
static void adafactor_update(const struct slot *s, pt w, pt g, double rate, int64_t t)
{
    const double fresh = pow((double)t, -ADAFACTOR_DECAY); /* 1 - beta2_t; 1 in the first step */
    pt g2 = pt_add_scalar(pt_square(g), ADAFACTOR_EPS);
    pt u;
    if (s->second) { /* [..., R, C] */
        pt_lerp_(s->first, pt_mean_dim(g2, -1, false), fresh);
        pt_lerp_(s->second, pt_mean_dim(g2, -2, false), fresh);
        pt row = pt_unsqueeze(pt_rsqrt(pt_div(s->first, pt_mean_dim(s->first, -1, true))), -1); /* [..., R, 1] */
        pt column = pt_unsqueeze(pt_rsqrt(s->second), -2);                                      /* [..., 1, C] */
        u = pt_mul(pt_mul(g, row), column);
    } else {
        pt_lerp_(s->first, g2, fresh);
        u = pt_mul(g, pt_rsqrt(s->first));
    }
    pt rms = pt_mul_scalar(pt_norm(u), 1 / sqrt((double)pt_numel(u)));
    pt_addcdiv_(w, u, pt_clamp(rms, 1, INFINITY), -rate);
}

static void slot_step(const struct pasta_optim *o, const struct slot *s, double rate)
{
    pt_scope_open();
    pt g = pt_grad(s->w);
    if (g) {
        pt w = pt_to_dtype(s->w, state_dtype(s->w)); /* itself, unless half precision */
        g = pt_to_dtype(g, state_dtype(s->w));
        if (o->weight_decay != 0)
            pt_scale_(w, 1 - rate * o->weight_decay);
        if (o->kind == ADAMW)
            adamw_update(s, w, g, rate, o->steps);
        else
            adafactor_update(s, w, g, rate, o->steps);
        if (pt_dtype_of(s->w) != state_dtype(s->w))
            pt_set(s->w, w);
    }
    (void)pt_scope_close(NULL);
}

void pasta_optim_step(struct pasta_optim *o, double learning_rate)
{
    assert(pt_scope_depth() > 0 && "failures need a scope to stay in");
    slots_make(o);
    const bool recording = pt_grad_enable(false);
    o->steps++;
    for (int i = 0; i < o->n_slots; i++)
        slot_step(o, &o->slots[i], learning_rate * o->slots[i].rate);
    pt_grad_enable(recording);
}

void pasta_optim_zero_grad(struct pasta_optim *o)
{
    for (int l = 0; l < o->n_lists; l++)
        pasta_params_zero_grad(o->lists[l].params);
}

double pasta_optim_clip(struct pasta_optim *o, double max_norm)
{
    assert(pt_scope_depth() > 0 && "failures need a scope to stay in");
    slots_make(o);
    pt_scope_open();
    const bool recording = pt_grad_enable(false);
    int n = 0;
    for (int i = 0; i < o->n_slots; i++) {
        pt g = pt_grad(o->slots[i].w);
        if (g)
            o->norms[n++] = pt_to_dtype(pt_norm(g), PT_F64);
    }
    const double norm = n || pt_failed() ? pt_item(pt_norm(pt_stack(o->norms, n, 0))) : 0; /* NAN after a failure */
    const double factor = max_norm / (norm + 1e-6);
    if (max_norm > 0 && !(factor >= 1)) /* a NaN spreads, as in PyTorch */
        for (int i = 0; i < o->n_slots; i++) {
            pt g = pt_grad(o->slots[i].w);
            if (g)
                pt_scale_(g, factor);
        }
    pt_grad_enable(recording);
    (void)pt_scope_close(NULL);
    return norm;
}

double pasta_schedule(const struct pasta_train_settings *s, int64_t step)
{
    if (step < s->warmup)
        return s->learning_rate * (double)(step + 1) / (double)s->warmup;
    if (s->cosine_period == 0)
        return s->learning_rate;
    const int64_t t = (step - s->warmup) % (2 * s->cosine_period);
    return s->learning_rate * 0.5 * (1 + cos(M_PI * (double)t / (double)s->cosine_period));
}
