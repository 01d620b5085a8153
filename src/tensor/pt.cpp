// pt.cpp: tensors from C, over libtorch's ATen (see pt.h for the contract).
//
// Each public function is one call of `apply` (makes a tensor), `run` (in place) or `look` (reads), which
// check the operands, call ATen and turn exceptions into the sticky error of the innermost scope. Builds against
// libtorch 1.13 and 2.x; the per-operator headers keep its compile time bearable.

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
#include <torch/csrc/autograd/custom_function.h>
#include <torch/version.h>

#include <malloc.h>
#include <climits>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "attention.h"
#include "pasta/tensor/pt.h"

struct pt_tensor {
    at::Tensor value;
    int depth;   // of the scope that owns it, from 1; 0: kept by the caller
    size_t slot; // in that scope's list
};

namespace {

using at::Tensor;

// --- scopes ---------------------------------------------------------------------------------------

struct Scope {
    std::vector<pt> owned; // a kept or yielded tensor leaves a null slot
    bool failed = false;
    std::string message; // of the first cause
};

struct Stack {
    std::vector<Scope> scopes; // those beyond `depth` are closed and keep their memory
    int depth = 0;
    Scope &top() { return scopes[depth - 1]; }
    void release(Scope &s)
    {
        for (size_t i = s.owned.size(); i-- > 0;)
            delete s.owned[i];
        s.owned.clear();
    }
    ~Stack()
    {
        while (depth > 0)
            release(scopes[--depth]);
    }
};

thread_local Stack stack;

// Freed memory stays with the process. By default glibc gives every block above 32 MB back at once, and the page faults of getting
// it again in the next step cost more than the arithmetic (attention over 128 tokens: 46 ms, with this 19 ms).
const bool memory_stays = mallopt(M_MMAP_MAX, 0) && mallopt(M_TRIM_THRESHOLD, INT_MAX);

[[noreturn]] void bug(const char *op, const char *what)
{
    std::fprintf(stderr, "%s: %s\n", op, what);
    std::abort();
}

pt own(Tensor value)
{
    Scope &s = stack.top();
    s.owned.push_back(nullptr);
    s.owned.back() = new pt_tensor{std::move(value), stack.depth, s.owned.size() - 1};
    return s.owned.back();
}

void disown(pt t, const char *op)
{
    if (t->depth == 0)
        bug(op, "the tensor is already kept");
    if (t->depth > stack.depth || stack.scopes[t->depth - 1].owned.at(t->slot) != t)
        bug(op, "the tensor belongs to no open scope of this thread");
    stack.scopes[t->depth - 1].owned[t->slot] = nullptr;
    t->depth = 0;
}

// --- dtypes ---------------------------------------------------------------------------------------

struct Dtype {
    at::ScalarType at;
    const char *name;
    int size;
};
const Dtype dtypes[] = {
    {at::kFloat, "f32", 4}, {at::kDouble, "f64", 8}, {at::kHalf, "f16", 2}, {at::kBFloat16, "bf16", 2},
    {at::kLong, "i64", 8},  {at::kInt, "i32", 4},    {at::kByte, "u8", 1},  {at::kBool, "bool", 1},
};
const int n_dtypes = sizeof dtypes / sizeof dtypes[0];

const Dtype &dtype_info(pt_dtype dtype)
{
    if ((int)dtype < 0 || (int)dtype >= n_dtypes)
        bug("pt_dtype", "not a dtype");
    return dtypes[dtype];
}

at::ScalarType to_at(pt_dtype dtype) { return dtype_info(dtype).at; }

at::TensorOptions options(pt_dtype dtype) { return at::TensorOptions().dtype(to_at(dtype)); }

at::IntArrayRef dims(int rank, const int64_t *shape) { return at::IntArrayRef(shape, (size_t)rank); }

// --- errors ---------------------------------------------------------------------------------------

struct Operand {
    pt tensor;
    bool optional;
    Operand(pt t) : tensor(t), optional(false) {}
    Operand(pt t, bool may_be_null) : tensor(t), optional(may_be_null) {}
};
using Operands = std::initializer_list<Operand>;

// "[2,3] f32"
std::string describe(const Tensor &t)
{
    std::string text = "[";
    for (int64_t i = 0; i < t.dim(); i++)
        text += (i ? "," : "") + std::to_string(t.size(i));
    text += "] ";
    for (const Dtype &d : dtypes)
        if (d.at == t.scalar_type())
            return text + d.name;
    return text + c10::toString(t.scalar_type());
}

void fail_scope(const char *op, std::string message)
{
    if (stack.depth == 0)
        bug(op, (message + " (and no scope is open)").c_str());
    Scope &s = stack.top();
    if (s.failed)
        return;
    s.failed = true;
    s.message = std::move(message);
}

void fail_op(const char *op, const pt *in, size_t n, std::string why)
{
    for (char &c : why)
        if (c == '\n')
            c = ' ';
    while (!why.empty() && (why.back() == ' ' || why.back() == '.'))
        why.pop_back();
    std::string message = std::string(op) + "(";
    const size_t shown = n < 8 ? n : 8;
    for (size_t i = 0; i < shown; i++)
        message += (i ? ", " : "") + (in[i] ? describe(in[i]->value) : std::string("NULL"));
    fail_scope(op, message + (shown < n ? ", ..." : "") + "): " + why);
}

void fail_op(const char *op, Operands in, const std::string &why)
{
    std::vector<pt> list;
    for (const Operand &o : in)
        if (o.tensor || !o.optional)
            list.push_back(o.tensor);
    fail_op(op, list.data(), list.size(), why);
}

// The text of the exception in flight; to be called from a catch-all handler.
std::string caught()
{
    try {
        throw;
    } catch (const c10::Error &e) {
        return e.what_without_backtrace();
    } catch (const std::exception &e) {
        return e.what();
    } catch (...) {
        return "unknown exception";
    }
}

bool ready(const char *op, Operands in)
{
    if (stack.depth == 0)
        bug(op, "no scope is open");
    if (stack.top().failed)
        return false;
    for (const Operand &o : in) {
        if (o.tensor || o.optional)
            continue;
        fail_op(op, in, "NULL operand");
        return false;
    }
    return true;
}

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
    if (stack.depth > 0 && stack.top().failed)
        return otherwise;
    try {
        TORCH_CHECK(t, "NULL operand");
        return body(t->value);
    } catch (...) {
        fail_op(op, &t, 1, caught());
        return otherwise;
    }
}

// A whole number stays one for integer tensors, as a Python scalar would.
at::Scalar scalar(const Tensor &t, double v)
{
    if (!at::isFloatingType(t.scalar_type()) && v == std::floor(v) && std::fabs(v) < 9007199254740992.0)
        return at::Scalar((int64_t)v);
    return at::Scalar(v);
}

// The dtype in which normalisations and softmax are computed: at least f32.
at::ScalarType wide(const Tensor &t) { return t.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

void copy_out(const char *op, pt t, at::ScalarType dtype, void *out)
{
    look(op, t, 0, [&](const Tensor &x) {
        at::NoGradGuard guard;
        Tensor flat = x.detach().to(at::TensorOptions().dtype(dtype).device(at::kCPU)).contiguous();
        if (flat.numel() > 0)
            std::memcpy(out, flat.data_ptr(), (size_t)flat.numel() * flat.element_size());
        return 0;
    });
}

} // namespace

// --- scopes, ownership ----------------------------------------------------------------------------

void pt_scope_open(void)
{
    if ((size_t)stack.depth == stack.scopes.size())
        stack.scopes.emplace_back();
    Scope &s = stack.scopes[stack.depth++];
    s.failed = stack.depth > 1 && stack.scopes[stack.depth - 2].failed;
    s.message = s.failed ? stack.scopes[stack.depth - 2].message : std::string();
}

pasta_status pt_scope_close(struct pasta_err *err)
{
    if (stack.depth == 0)
        bug("pt_scope_close", "no scope is open");
    Scope &s = stack.top();
    stack.release(s);
    stack.depth--;
    if (!s.failed)
        return PASTA_OK;
    if (stack.depth > 0)
        fail_scope("pt_scope_close", s.message);
    return pasta_fail(err, PASTA_ERR_FAILED, "%s", s.message.c_str());
}

pt pt_keep(pt t)
{
    if (t)
        disown(t, "pt_keep");
    return t;
}

pt pt_yield(pt t)
{
    if (!t)
        return nullptr;
    if (t->depth < 2)
        bug("pt_yield", "the tensor's scope has no enclosing scope");
    const int outer = t->depth - 1;
    disown(t, "pt_yield");
    std::vector<pt> &owned = stack.scopes[outer - 1].owned;
    owned.push_back(t);
    t->depth = outer;
    t->slot = owned.size() - 1;
    return t;
}

void pt_free(pt t)
{
    if (t && t->depth != 0)
        bug("pt_free", "the tensor belongs to a scope");
    delete t;
}

bool pt_failed(void) { return stack.depth > 0 && stack.top().failed; }

int pt_scope_depth(void) { return stack.depth; }

void pt_fail(const char *fmt, ...)
{
    char message[sizeof(((struct pasta_err *)nullptr)->message)];
    va_list args;
    va_start(args, fmt);
    std::vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    fail_scope("pt_fail", message);
}

// --- gradients ------------------------------------------------------------------------------------

bool pt_grad_enable(bool on)
{
    const bool before = at::GradMode::is_enabled();
    at::GradMode::set_enabled(on);
    return before;
}

void pt_requires_grad(pt t, bool on)
{
    look("pt_requires_grad", t, 0, [&](const Tensor &x) {
        x.set_requires_grad(on);
        return 0;
    });
}

void pt_backward(pt loss)
{
    if (!ready("pt_backward", {loss}))
        return;
    try {
        loss->value.backward();
    } catch (...) {
        fail_op("pt_backward", {loss}, caught());
    }
}

pt pt_grad(pt t)
{
    if (!ready("pt_grad", {t}) || !t->value.is_leaf() || !t->value.grad().defined())
        return nullptr;
    return apply("pt_grad", {t}, [&] { return t->value.grad(); });
}

void pt_grad_set(pt t, pt grad)
{
    run("pt_grad_set", {t, {grad, true}}, [&] {
        TORCH_CHECK(!grad || grad->value.sizes() == t->value.sizes(), "shapes differ");
        t->value.mutable_grad() = grad ? grad->value.detach() : Tensor();
    });
}

void pt_zero_grad(pt t)
{
    look("pt_zero_grad", t, 0, [&](const Tensor &x) {
        x.mutable_grad().reset();
        return 0;
    });
}

pt pt_detach(pt t)
{
    return apply("pt_detach", {t}, [&] { return t->value.detach(); });
}

// --- creation -------------------------------------------------------------------------------------

pt pt_from_bytes(const void *data, pt_dtype dtype, int rank, const int64_t *shape)
{
    return apply("pt_from_bytes", {}, [&] {
        Tensor t = at::empty(dims(rank, shape), options(dtype));
        if (t.numel() > 0)
            std::memcpy(t.data_ptr(), data, (size_t)t.numel() * t.element_size());
        return t;
    });
}

pt pt_from_f32(const float *data, int rank, const int64_t *shape) { return pt_from_bytes(data, PT_F32, rank, shape); }

pt pt_from_i64(const int64_t *data, int rank, const int64_t *shape) { return pt_from_bytes(data, PT_I64, rank, shape); }

pt pt_borrow(const void *data, pt_dtype dtype, int rank, const int64_t *shape)
{
    return apply("pt_borrow", {}, [&] { return at::from_blob(const_cast<void *>(data), dims(rank, shape), options(dtype)); });
}

pt pt_zeros(pt_dtype dtype, int rank, const int64_t *shape)
{
    return apply("pt_zeros", {}, [&] { return at::zeros(dims(rank, shape), options(dtype)); });
}

pt pt_full(double value, pt_dtype dtype, int rank, const int64_t *shape)
{
    return apply("pt_full", {}, [&] { return at::full(dims(rank, shape), value, options(dtype)); });
}

pt pt_zeros_like(pt t)
{
    return apply("pt_zeros_like", {t}, [&] { return at::zeros_like(t->value, t->value.options(), at::MemoryFormat::Contiguous); });
}

pt pt_arange(int64_t end)
{
    return apply("pt_arange", {}, [&] { return at::arange(end, options(PT_I64)); });
}

pt pt_clone(pt t)
{
    return apply("pt_clone", {t}, [&] { return t->value.clone(); });
}

// --- inspection -----------------------------------------------------------------------------------

int pt_rank(pt t)
{
    return look("pt_rank", t, 0, [](const Tensor &x) { return (int)x.dim(); });
}

int64_t pt_size(pt t, int dim)
{
    return look("pt_size", t, (int64_t)0, [&](const Tensor &x) { return x.size(dim); });
}

int64_t pt_numel(pt t)
{
    return look("pt_numel", t, (int64_t)0, [](const Tensor &x) { return x.numel(); });
}

pt_dtype pt_dtype_of(pt t)
{
    return look("pt_dtype_of", t, PT_F32, [](const Tensor &x) {
        for (int i = 0; i < n_dtypes; i++)
            if (dtypes[i].at == x.scalar_type())
                return (pt_dtype)i;
        TORCH_CHECK(false, "a dtype without a name in pt.h");
    });
}

int64_t pt_dtype_size(pt_dtype dtype) { return dtype_info(dtype).size; }

const char *pt_dtype_name(pt_dtype dtype) { return dtype_info(dtype).name; }

double pt_item(pt t)
{
    return look("pt_item", t, (double)NAN, [](const Tensor &x) { return x.item().to<double>(); });
}

void pt_copy_f32(pt t, float *out) { copy_out("pt_copy_f32", t, at::kFloat, out); }

void pt_copy_i64(pt t, int64_t *out) { copy_out("pt_copy_i64", t, at::kLong, out); }

void pt_copy_bytes(pt t, void *out)
{
    if (t)
        copy_out("pt_copy_bytes", t, t->value.scalar_type(), out);
    else
        copy_out("pt_copy_bytes", t, at::kByte, out);
}

const void *pt_data(pt t)
{
    return look("pt_data", t, (const void *)nullptr, [](const Tensor &x) {
        TORCH_CHECK(x.device().is_cpu() && x.is_contiguous(), "expected a contiguous tensor in main memory");
        return (const void *)x.data_ptr();
    });
}

// --- dtype, device --------------------------------------------------------------------------------

pt pt_to_dtype(pt t, pt_dtype dtype)
{
    return apply("pt_to_dtype", {t}, [&] { return t->value.to(to_at(dtype)); });
}

pt pt_to_device(pt t, const char *device)
{
    return apply("pt_to_device", {t}, [&] { return t->value.to(at::Device(std::string(device))); });
}

bool pt_device_available(const char *device)
{
    try {
        const at::Device d{std::string(device)};
        if (d.is_cpu())
            return true;
        if (d.is_cuda() && !at::globalContext().hasCUDA())
            return false;
        const c10::impl::VirtualGuardImpl guard(d.type());
        return (d.has_index() ? d.index() : 0) < guard.deviceCount();
    } catch (...) {
        return false; // not a device, or its back end is not linked
    }
}

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

pt pt_log_softmax(pt a, int dim)
{
    return apply("pt_log_softmax", {a}, [&] { return a->value.log_softmax((int64_t)dim); });
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

// --- the library ----------------------------------------------------------------------------------

void pt_threads(int n)
{
    at::internal::lazy_init_num_threads(); // otherwise the thread's first parallel operation would undo the setting
    at::set_num_threads(n > 0 ? n : 1);
}

int pt_threads_get(void) { return at::get_num_threads(); }

const char *pt_version(void) { return TORCH_VERSION; }

bool pt_uses_mkl(void) { return at::hasMKL(); }
