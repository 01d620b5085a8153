// pt_attention.cpp: attention as one operation with its own derivative, or by ATen's products.

#define PT_IMPL_AUTOGRAD
#include "pt_impl.h"

#include "attention.h"

using namespace shim;

// Attention by ATen's own products. The query heads of one key head are rows of the same product, so keys are never repeated.
static Tensor plain_attention(const Tensor &q, const Tensor &k, const Tensor &v, const Tensor &bias, double scale)
{
    const int64_t n = k.size(0) * k.size(1), tk = k.size(2), tq = q.size(2);
    const Tensor rows = q.mul(scale).reshape({n, -1, q.size(3)});
    Tensor scores = rows.bmm(k.reshape({n, tk, k.size(3)}).transpose(1, 2)).to(wide(q)).view({q.size(0), q.size(1), tq, tk});
    if (bias.defined())
        scores = scores.add_(bias);
    const Tensor weights = scores.softmax((int64_t)-1).to(v.scalar_type()).view({n, -1, tk});
    return weights.bmm(v.reshape({n, tk, v.size(3)})).view({q.size(0), q.size(1), tq, v.size(3)});
}

// The same by the kernels of attention.c.
struct FusedAttention : public torch::autograd::Function<FusedAttention> {
    using Context = torch::autograd::AutogradContext;
    using List = torch::autograd::variable_list;

    // Large heads are as fast by ATen's products, which also use the threads better when the batch is small.
    static bool fits(const Tensor &q, const Tensor &k, const Tensor &v, const Tensor &bias)
    {
        const bool plain_bias = !bias.defined() || (bias.is_cpu() && bias.scalar_type() == at::kFloat &&
                                                    !(bias.requires_grad() && at::GradMode::is_enabled()));
        return q.is_cpu() && k.is_cpu() && v.is_cpu() && q.scalar_type() == at::kFloat && q.size(3) <= 128 && v.size(3) <= 128 &&
               q.numel() > 0 && k.numel() > 0 && v.numel() > 0 && plain_bias;
    }
    static struct attention_array array(const Tensor &x) { return {x.data_ptr<float>(), x.stride(0), x.stride(1), x.stride(2)}; }
    static Tensor rows(const Tensor &x) { return x.stride(3) == 1 ? x : x.contiguous(); }

    // A [B,h,T,d] tensor in the memory order of [B,T,h,d], the order in which a linear layer makes and takes it.
    static Tensor like_linear(const Tensor &q, int64_t width)
    {
        return at::empty({q.size(0), q.size(2), q.size(1), width}, q.options()).transpose(1, 2);
    }
    static struct attention problem(const Tensor &q, const Tensor &k, const Tensor &v, const Tensor &bias, double scale)
    {
        return {q.size(0), q.size(1), k.size(1), q.size(2), k.size(2), q.size(3), v.size(3), (float)scale, array(q), array(k), array(v),
                bias.defined() ? array(bias) : attention_array{}, at::in_parallel_region() ? 1 : at::get_num_threads()};
    }
    // Broadcast to [B,h,Tq,Tk] without a copy.
    static Tensor expand(const Tensor &bias, const Tensor &q, const Tensor &k)
    {
        return bias.defined() ? rows(bias.expand({q.size(0), q.size(1), q.size(2), k.size(2)})) : bias;
    }
    static Tensor result(const Tensor &q, const Tensor &k, const Tensor &v, const Tensor &bias, double scale, float *log_sum)
    {
        const Tensor q_rows = rows(q), k_rows = rows(k), v_rows = rows(v), bias_rows = expand(bias, q, k);
        const struct attention a = problem(q_rows, k_rows, v_rows, bias_rows, scale);
        Tensor out = like_linear(q, v.size(3));
        attention_forward(&a, array(out), log_sum);
        return out;
    }

    // Without a bias (`biased` false) q stands in its place: libtorch 1.13 accepts no undefined input.
    static Tensor forward(Context *ctx, const Tensor &q, const Tensor &k, const Tensor &v, const Tensor &bias, bool biased, double scale)
    {
        const Tensor log_sum = at::empty({q.size(0), q.size(1), q.size(2)}, q.options());
        const Tensor out = result(q, k, v, biased ? bias : Tensor(), scale, log_sum.data_ptr<float>());
        ctx->save_for_backward({q, k, v, biased ? bias : Tensor(), out, log_sum});
        ctx->saved_data["scale"] = scale;
        return out;
    }

    static List backward(Context *ctx, List gradients)
    {
        const List saved = ctx->get_saved_variables();
        const Tensor q = rows(saved[0]), k = rows(saved[1]), v = rows(saved[2]), bias = expand(saved[3], q, k), dout = rows(gradients[0]);
        const struct attention a = problem(q, k, v, bias, ctx->saved_data["scale"].toDouble());
        const Tensor dq = like_linear(q, q.size(3)), dk = like_linear(k, k.size(3)), dv = like_linear(v, v.size(3));
        attention_backward(&a, array(saved[4]), saved[5].data_ptr<float>(), array(dout), array(dq), array(dk), array(dv));
        return {dq, dk, dv, Tensor(), Tensor(), Tensor()};
    }
};

pt pt_attention(pt query, pt key, pt value, pt bias, double scale)
{
    return apply("pt_attention", {query, key, value, {bias, true}}, [&] {
        const Tensor &q = query->value, &k = key->value, &v = value->value, b = bias ? bias->value : Tensor();
        TORCH_CHECK(q.dim() == 4 && k.dim() == 4 && v.dim() == 4, "expected rank 4");
        TORCH_CHECK(k.size(1) > 0 && q.size(1) % k.size(1) == 0, q.size(1), " query heads for ", k.size(1), " key heads");
        TORCH_CHECK(q.size(0) == k.size(0) && k.size(0) == v.size(0) && k.size(1) == v.size(1) && k.size(2) == v.size(2) &&
                        q.size(3) == k.size(3),
                    "batch, key heads, key positions or widths differ");
        TORCH_CHECK(q.scalar_type() == k.scalar_type() && k.scalar_type() == v.scalar_type(), "dtypes differ");
        if (!FusedAttention::fits(q, k, v, b))
            return plain_attention(q, k, v, b, scale);
        if (at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad()))
            return FusedAttention::apply(q, k, v, bias ? b : q, bias != nullptr, scale);
        return FusedAttention::result(q, k, v, b, scale, nullptr);
    });
}
