// pt_ops.cpp: the operations, one ATen call each: shapes, arithmetic, reductions, layers, updates in place.

#include "pt_impl.h"

#include <cmath>

using namespace shim;

// --- shape ----------------------------------------------------------------------------------------

pt pt_reshape(pt t, int rank, const int64_t *shape)
{
    return apply("pt_reshape", {t}, [&] { return t->value.reshape(dims(rank, shape)); });
}

pt pt_transpose(pt t, int a, int b)
{
    return apply("pt_transpose", {t}, [&] { return t->value.transpose(a, b); });
}

pt pt_permute(pt t, int rank, const int64_t *order)
{
    return apply("pt_permute", {t}, [&] { return t->value.permute(dims(rank, order)); });
}

pt pt_contiguous(pt t)
{
    return apply("pt_contiguous", {t}, [&] { return t->value.contiguous(); });
}

pt pt_unsqueeze(pt t, int dim)
{
    return apply("pt_unsqueeze", {t}, [&] { return t->value.unsqueeze(dim); });
}

pt pt_squeeze(pt t, int dim)
{
    return apply("pt_squeeze", {t}, [&] { return t->value.squeeze(dim); });
}

pt pt_expand(pt t, int rank, const int64_t *shape)
{
    return apply("pt_expand", {t}, [&] { return t->value.expand(dims(rank, shape)); });
}

pt pt_narrow(pt t, int dim, int64_t start, int64_t length)
{
    return apply("pt_narrow", {t}, [&] { return t->value.narrow(dim, start, length); });
}

pt pt_select(pt t, int dim, int64_t index)
{
    return apply("pt_select", {t}, [&] { return t->value.select(dim, index); });
}

pt pt_cat(const pt *parts, int n, int dim)
{
    return apply_list("pt_cat", parts, n, [&](const std::vector<Tensor> &list) { return at::cat(list, dim); });
}

pt pt_stack(const pt *parts, int n, int dim)
{
    return apply_list("pt_stack", parts, n, [&](const std::vector<Tensor> &list) { return at::stack(list, dim); });
}

pt pt_index_select(pt t, int dim, pt index)
{
    return apply("pt_index_select", {t, index}, [&] { return t->value.index_select(dim, index->value); });
}

pt pt_gather(pt t, int dim, pt index)
{
    return apply("pt_gather", {t, index}, [&] { return t->value.gather(dim, index->value); });
}

// --- arithmetic -----------------------------------------------------------------------------------

static // A whole number stays one for integer tensors, as a Python scalar would.
at::Scalar scalar(const Tensor &t, double v)
{
    if (!at::isFloatingType(t.scalar_type()) && v == std::floor(v) && std::fabs(v) < 9007199254740992.0)
        return at::Scalar((int64_t)v);
    return at::Scalar(v);
}

#define UNARY(name, expression) \
    pt name(pt a) \
    { \
        return apply(#name, {a}, [&] { const Tensor &x = a->value; return expression; }); \
    }
#define BINARY(name, expression) \
    pt name(pt a, pt b) \
    { \
        return apply(#name, {a, b}, [&] { const Tensor &x = a->value, &y = b->value; return expression; }); \
    }
#define WITH_SCALAR(name, expression) \
    pt name(pt a, double b) \
    { \
        return apply(#name, {a}, [&] { const Tensor &x = a->value; const at::Scalar s = scalar(x, b); return expression; }); \
    }

BINARY(pt_add, x.add(y))
BINARY(pt_sub, x.sub(y))
BINARY(pt_mul, x.mul(y))
BINARY(pt_div, x.div(y))
WITH_SCALAR(pt_add_scalar, x.add(s))
WITH_SCALAR(pt_mul_scalar, x.mul(s))
UNARY(pt_neg, x.neg())
UNARY(pt_abs, x.abs())
UNARY(pt_exp, x.exp())
UNARY(pt_log, x.log())
UNARY(pt_sqrt, x.sqrt())
UNARY(pt_rsqrt, x.rsqrt())
UNARY(pt_square, x.square())
UNARY(pt_sigmoid, x.sigmoid())
UNARY(pt_log_sigmoid, at::log_sigmoid(x))
UNARY(pt_softplus, at::softplus(x))
UNARY(pt_silu, at::silu(x))
UNARY(pt_gelu, at::gelu(x))
UNARY(pt_gelu_tanh, at::gelu(x, "tanh"))
UNARY(pt_quick_gelu, x.mul(x.mul(1.702).sigmoid()))
WITH_SCALAR(pt_lt_scalar, x.lt(s))
WITH_SCALAR(pt_eq_scalar, x.eq(s))
BINARY(pt_lt, x.lt(y))

pt pt_clamp(pt a, double lo, double hi)
{
    return apply("pt_clamp", {a}, [&] { return a->value.clamp(scalar(a->value, lo), scalar(a->value, hi)); });
}

pt pt_masked_fill(pt a, pt mask, double value)
{
    return apply("pt_masked_fill", {a, mask}, [&] { return a->value.masked_fill(mask->value, scalar(a->value, value)); });
}

// --- reductions -----------------------------------------------------------------------------------

#define REDUCE(name, expression) \
    pt name(pt a, int dim, bool keep) \
    { \
        return apply(#name, {a}, [&] { const Tensor &x = a->value; const int64_t d = dim; return expression; }); \
    }

UNARY(pt_sum, x.sum())
UNARY(pt_mean, x.mean())
UNARY(pt_norm, x.norm())
REDUCE(pt_sum_dim, x.sum(at::IntArrayRef(&d, 1), keep))
REDUCE(pt_mean_dim, x.mean(at::IntArrayRef(&d, 1), keep))
REDUCE(pt_max_dim, std::get<0>(x.max(d, keep)))
REDUCE(pt_logsumexp, x.logsumexp(at::IntArrayRef(&d, 1), keep))

pt pt_argmax(pt a, int dim)
{
    return apply("pt_argmax", {a}, [&] { return a->value.argmax((int64_t)dim); });
}

pt pt_softmax(pt a, int dim)
{
    return apply("pt_softmax", {a}, [&] { return a->value.softmax((int64_t)dim); });
}

pt pt_normalize(pt a, int dim)
{
    return apply("pt_normalize", {a}, [&] {
        const int64_t d = dim;
        return a->value.div(at::linalg_vector_norm(a->value, 2, at::IntArrayRef(&d, 1), true));
    });
}

// --- linear algebra, networks ---------------------------------------------------------------------

BINARY(pt_matmul, x.matmul(y))

pt pt_linear(pt x, pt weight, pt bias)
{
    return apply("pt_linear", {x, weight, {bias, true}}, [&] {
        return bias ? at::linear(x->value, weight->value, bias->value) : at::linear(x->value, weight->value);
    });
}

pt pt_embedding(pt weight, pt ids)
{
    return apply("pt_embedding", {weight, ids}, [&] { return at::embedding(weight->value, ids->value); });
}

pt pt_layer_norm(pt x, pt weight, pt bias, double eps)
{
    return apply("pt_layer_norm", {x, weight, bias}, [&] {
        const int64_t width = x->value.size(-1);
        return at::layer_norm(x->value, at::IntArrayRef(&width, 1), weight->value, bias->value, eps);
    });
}

pt pt_rms_norm(pt x, pt weight, double eps)
{
    return apply("pt_rms_norm", {x, weight}, [&] {
        const int64_t last = -1;
        const at::ScalarType narrow = x->value.scalar_type();
        const Tensor wide_x = x->value.to(wide(x->value));
        const Tensor scale = wide_x.square().mean(at::IntArrayRef(&last, 1), true).add(eps).rsqrt();
        return wide_x.mul(scale).mul(weight->value.to(wide(x->value)).add(1.0)).to(narrow);
    });
}

pt pt_cross_entropy(pt logits, pt target)
{
    return apply("pt_cross_entropy", {logits, target}, [&] { return at::cross_entropy_loss(logits->value, target->value); });
}

// --- in place -------------------------------------------------------------------------------------

void pt_set(pt dst, pt src)
{
    run("pt_set", {dst, src}, [&] { dst->value.copy_(src->value); });
}

void pt_fill_(pt t, double value)
{
    run("pt_fill_", {t}, [&] { t->value.fill_(value); });
}

void pt_lerp_(pt dst, pt src, double weight)
{
    run("pt_lerp_", {dst, src}, [&] { dst->value.lerp_(src->value, weight); });
}

void pt_scale_(pt t, double factor)
{
    run("pt_scale_", {t}, [&] { t->value.mul_(scalar(t->value, factor)); });
}

void pt_add_(pt t, pt other, double factor)
{
    run("pt_add_", {t, other}, [&] { t->value.add_(other->value, scalar(t->value, factor)); });
}

void pt_addcmul_(pt t, pt a, pt b, double factor)
{
    run("pt_addcmul_", {t, a, b}, [&] { t->value.addcmul_(a->value, b->value, factor); });
}

void pt_addcdiv_(pt t, pt a, pt b, double factor)
{
    run("pt_addcdiv_", {t, a, b}, [&] { t->value.addcdiv_(a->value, b->value, factor); });
}
