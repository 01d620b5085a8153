// pt_row_dots.cpp: inner products of rows with the rows that an index names, as one operation with its own derivative.
//
// By ATen's operations the named rows would be gathered first, K times the size of x.

#define PT_IMPL_AUTOGRAD
#include "pt_impl.h"

using namespace shim;

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

namespace {

enum { LANES = 16 };

// Sixteen sums side by side, added up at the end.
FOR_EACH_PROCESSOR float dot(const float *a, const float *b, int64_t n)
{
    float lanes[LANES] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] += a[i + j] * b[i + j];
    for (int j = 0; j < LANES; j++)
        sum += lanes[j];
    for (; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

FOR_EACH_PROCESSOR void add_scaled(float *to, float factor, const float *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] += factor * from[i];
}

struct RowDots : public torch::autograd::Function<RowDots> {
    using Context = torch::autograd::AutogradContext;
    using List = torch::autograd::variable_list;

    static bool fits(const Tensor &x, const Tensor &y)
    {
        return x.is_cpu() && y.is_cpu() && x.scalar_type() == at::kFloat && y.scalar_type() == at::kFloat;
    }

    static Tensor result(const Tensor &x, const Tensor &y, const Tensor &of)
    {
        const Tensor rows = x.contiguous(), named = y.contiguous(), index = of.contiguous();
        const int64_t K = y.size(0), P = y.size(1), D = y.size(2), n = x.size(0);
        const Tensor out = at::empty({K, n}, x.options());
        const float *from = rows.data_ptr<float>(), *to = named.data_ptr<float>();
        const int64_t *at_row = index.data_ptr<int64_t>();
        float *values = out.data_ptr<float>();
        at::parallel_for(0, K * n, 256, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; i++)
                values[i] = dot(from + i % n * D, to + (i / n * P + at_row[i % n]) * D, D);
        });
        return out;
    }

    static Tensor forward(Context *ctx, const Tensor &x, const Tensor &y, const Tensor &of)
    {
        ctx->save_for_backward({x, y, of});
        return result(x, y, of);
    }

    // Each row of a derivative is added up by one thread, in the order of n: the bits do not depend on the number of threads.
    static List backward(Context *ctx, List gradients)
    {
        const List saved = ctx->get_saved_variables();
        const Tensor x = saved[0].contiguous(), y = saved[1].contiguous(), of = saved[2].contiguous(), g = gradients[0].contiguous();
        const int64_t K = y.size(0), P = y.size(1), D = y.size(2), n = x.size(0);
        const int64_t *at_row = of.data_ptr<int64_t>();
        const float *by = g.data_ptr<float>();
        Tensor dx, dy;
        if (ctx->needs_input_grad(0)) {
            dx = at::zeros_like(x);
            at::parallel_for(0, n, 16, [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; i++)
                    for (int64_t k = 0; k < K; k++)
                        add_scaled(dx.data_ptr<float>() + i * D, by[k * n + i], y.data_ptr<float>() + (k * P + at_row[i]) * D, D);
            });
        }
        if (ctx->needs_input_grad(1)) {
            dy = at::zeros_like(y);
            at::parallel_for(0, K, 1, [&](int64_t begin, int64_t end) {
                for (int64_t k = begin; k < end; k++)
                    for (int64_t i = 0; i < n; i++)
                        add_scaled(dy.data_ptr<float>() + (k * P + at_row[i]) * D, by[k * n + i], x.data_ptr<float>() + i * D, D);
            });
        }
        return {dx, dy, Tensor()};
    }
};

} // namespace

pt pt_row_dots(pt rows, pt named, pt index)
{
    return apply("pt_row_dots", {rows, named, index}, [&] {
        const Tensor &x = rows->value, &y = named->value, &of = index->value;
        TORCH_CHECK(x.dim() == 2 && y.dim() == 3 && of.dim() == 1 && x.size(1) == y.size(2) && of.size(0) == x.size(0),
                    "expected [n,D], [K,P,D] and [n]");
        TORCH_CHECK(of.scalar_type() == at::kLong &&
                        (of.numel() == 0 || (of.min().item<int64_t>() >= 0 && of.max().item<int64_t>() < y.size(1))),
                    "expected an i64 index of rows 0 to ", y.size(1) - 1);
        if (!RowDots::fits(x, y))
            return x.unsqueeze(0).mul(y.index_select(1, of)).sum(-1);
        if (at::GradMode::is_enabled() && (x.requires_grad() || y.requires_grad()))
            return RowDots::apply(x, y, of);
        return RowDots::result(x, y, of);
    });
}
