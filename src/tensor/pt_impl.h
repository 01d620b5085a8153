// pt_impl.h: what the files of the tensor shim share, and the one place where libtorch's headers are included.
//
// Each public function is one call of `apply` (makes a tensor), `run` (in place) or `look` (reads), which check the operands, call
// ATen and turn exceptions into the sticky error of the innermost scope. Builds against libtorch 1.13 and 2.x. The per-operator
// headers keep the time to compile bearable; those of autograd add a third to it and are read only where PT_IMPL_AUTOGRAD is defined.
#ifndef PASTA_TENSOR_PT_IMPL_H
#define PASTA_TENSOR_PT_IMPL_H

#define AT_PER_OPERATOR_HEADERS
#include <ATen/core/Tensor.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/version.h>
#ifdef PT_IMPL_AUTOGRAD
#include <torch/csrc/autograd/custom_function.h>
#endif

#include <initializer_list>
#include <string>
#include <vector>

#include "pasta/tensor/pt.h"

struct pt_tensor {
    at::Tensor value;
    int depth;   // of the scope that owns it, from 1; 0: kept by the caller
    size_t slot; // in that scope's list
};

namespace shim {

using at::Tensor;

struct Operand {
    pt tensor;
    bool optional;
    Operand(pt t) : tensor(t), optional(false) {}
    Operand(pt t, bool may_be_null) : tensor(t), optional(may_be_null) {}
};
using Operands = std::initializer_list<Operand>;

// Misuse of the shim, as opposed to bad data: says so and aborts.
[[noreturn]] void bug(const char *op, const char *what);
// Hands a new tensor to the innermost scope.
pt own(Tensor value);
// True when a scope is open, it has not failed, and no operand is NULL; the last is recorded as a failure.
bool ready(const char *op, Operands in);
// Records "OP(operands): WHY" as the failure of the innermost scope.
void fail_op(const char *op, const pt *in, size_t n, std::string why);
void fail_op(const char *op, Operands in, const std::string &why);
// The text of the exception in flight; to be called from a catch-all handler.
std::string caught();
// Name of a dtype, "f32"; NULL when pt.h has none.
const char *dtype_name(at::ScalarType dtype);

inline at::IntArrayRef dims(int rank, const int64_t *shape) { return at::IntArrayRef(shape, (size_t)rank); }

// The dtype in which normalisations and softmax are computed: at least f32.
inline at::ScalarType wide(const Tensor &t) { return t.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

// An operation that makes a tensor.
template <class Body> pt apply(const char *op, Operands in, Body body)
{
    if (!ready(op, in))
        return nullptr;
    try {
        return own(body());
    } catch (...) {
        fail_op(op, in, caught());
        return nullptr;
    }
}

// The same for a list of operands.
template <class Body> pt apply_list(const char *op, const pt *parts, int n, Body body)
{
    if (!ready(op, {}))
        return nullptr;
    try {
        std::vector<Tensor> list;
        list.reserve((size_t)n);
        for (int i = 0; i < n; i++) {
            TORCH_CHECK(parts[i], "NULL operand");
            list.push_back(parts[i]->value);
        }
        return own(body(list));
    } catch (...) {
        fail_op(op, parts, (size_t)n, caught());
        return nullptr;
    }
}

// An operation that writes in place and is not recorded for gradients.
template <class Body> void run(const char *op, Operands in, Body body)
{
    if (!ready(op, in))
        return;
    try {
        at::NoGradGuard guard;
        body();
    } catch (...) {
        fail_op(op, in, caught());
    }
}

// Inspection: needs a scope only to report a failure.
template <class T, class Body> T look(const char *op, pt t, T otherwise, Body body)
{
    if (pt_failed())
        return otherwise;
    try {
        TORCH_CHECK(t, "NULL operand");
        return body(t->value);
    } catch (...) {
        fail_op(op, &t, 1, caught());
        return otherwise;
    }
}

} // namespace shim
#endif
