#include "pasta/model/clip_train.h"

#include <math.h>
#include <stdlib.h>

#include "clip_impl.h"
#include "pasta/tensor/optim.h"

pt pasta_clip_loss(pt images, pt texts, pt scale)
{
    pt logits = pt_mul(pt_matmul(images, pt_transpose(texts, 0, 1)), scale);    /* [B,B], images by texts */
    pt own = pt_arange(pt_size(images, 0));
    return pt_mul_scalar(pt_add(pt_cross_entropy(logits, own), pt_cross_entropy(pt_transpose(logits, 0, 1), own)), 0.5);
}

void pasta_clip_clamp_scale(struct pasta_clip *clip, double max_scale)
{
    if (pt_item(clip->logit_scale) > log(max_scale))
        pt_fill_(clip->logit_scale, log(max_scale));
}

static double dot(const float *a, const float *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

void pasta_clip_retrieval(const float *images, const float *texts, int n, int dim, int group, double *top1)
{
    for (int g = 0; g < n / group; g++) {
        const float *text = texts + (size_t)g * (size_t)group * (size_t)dim, *image = images + (size_t)g * (size_t)group * (size_t)dim;
        double hits = 0;
        for (int i = 0; i < group; i++) {
            double own = dot(image + (size_t)i * (size_t)dim, text + (size_t)i * (size_t)dim, dim);
            int better = 0, equal = 0; /* equal: captions that read the same among them */
            for (int j = 0; j < group; j++) {
                double other = dot(image + (size_t)i * (size_t)dim, text + (size_t)j * (size_t)dim, dim);
                better += other > own;
                equal += other == own;
            }
            hits += better == 0 ? 1.0 / equal : 0.0;
        }
        top1[g] = hits / group;
    }
}

/* Columns of embeds [n,dim] to mean 0 and variance 1 over the first n_train rows. */
static float *standardise(const float *embeds, int n, int n_train, int dim)
{
    float *out = pasta_malloc((size_t)n * (size_t)dim * sizeof *out);
    for (int j = 0; j < dim; j++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < n_train; i++)
            sum += embeds[(size_t)i * (size_t)dim + (size_t)j];
        double mean = sum / n_train;
        for (int i = 0; i < n_train; i++)
            squares += pow(embeds[(size_t)i * (size_t)dim + (size_t)j] - mean, 2);
        double sd = sqrt(squares / n_train);
        for (int i = 0; i < n; i++)
            out[(size_t)i * (size_t)dim + (size_t)j] = (float)((embeds[(size_t)i * (size_t)dim + (size_t)j] - mean) / (sd > 0 ? sd : 1));
    }
    return out;
}

/* Full-batch AdamW with a cosine schedule; the problem is convex and small. */
static void fit_probe(pt x /* [n,dim] */, pt target /* [n] */, struct pasta_params *probe)
{
    const struct pasta_train_settings settings = {.steps = 300, .learning_rate = 0.1, .cosine_period = 300};
    struct pasta_optim *optim = pasta_optim_adamw(probe, 1e-3);
    for (int step = 0; step < settings.steps && !pt_failed(); step++) {
        pt_scope_open();
        pt_backward(pt_cross_entropy(pt_linear(x, probe->items[0].tensor, probe->items[1].tensor), target));
        pasta_optim_step(optim, pasta_schedule(&settings, step));
        pasta_optim_zero_grad(optim);
        if (pt_scope_close(NULL) != PASTA_OK)
            break; /* the enclosing scope carries the cause */
    }
    pasta_optim_free(optim);
}

pasta_status pasta_clip_probe(const float *embeds, const int *labels, int n, int n_train, int dim, int n_classes, double *accuracy,
                              struct pasta_err *err)
{
    struct pasta_params probe = {0};
    float *x = standardise(embeds, n, n_train, dim);
    int64_t *target = pasta_malloc((size_t)n * sizeof *target), *found = pasta_calloc((size_t)(n - n_train), sizeof *found);
    for (int i = 0; i < n; i++)
        target[i] = labels[i];
    bool grad = pt_grad_enable(true);
    pt_scope_open();
    pasta_params_add(&probe, "weight", pt_keep(pt_zeros(PT_F32, PT_SHAPE(n_classes, dim))));
    pasta_params_add(&probe, "bias", pt_keep(pt_zeros(PT_F32, PT_SHAPE(n_classes))));
    pasta_params_requires_grad(&probe, true);
    fit_probe(pt_from_f32(x, PT_SHAPE(n_train, dim)), pt_from_i64(target, PT_SHAPE(n_train)), &probe);
    pt test = pt_from_f32(x + (size_t)n_train * (size_t)dim, PT_SHAPE(n - n_train, dim));
    pt_copy_i64(pt_argmax(pt_linear(test, probe.items[0].tensor, probe.items[1].tensor), 1), found);
    pasta_status status = pt_scope_close(err);
    pt_grad_enable(grad);
    int right = 0;
    for (int i = n_train; i < n; i++)
        right += found[i - n_train] == labels[i];
    if (status == PASTA_OK)
        *accuracy = (double)right / (n - n_train);
    pasta_params_release(&probe);
    free(x);
    free(target);
    free(found);
    return status;
}
