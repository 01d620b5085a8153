// pt.cpp: a tensor's beginning, what can be read of it, its gradient, and the library itself.

#include "pt_impl.h"

#include <cmath>
#include <cstring>
#include <memory>

using namespace shim;

// --- dtypes ---------------------------------------------------------------------------------------

namespace {

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

} // namespace

const char *shim::dtype_name(at::ScalarType dtype)
{
    for (const Dtype &d : dtypes)
        if (d.at == dtype)
            return d.name;
    return nullptr;
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

pt pt_borrow_held(const void *data, pt_dtype dtype, int rank, const int64_t *shape, void (*release)(void *), void *holder)
{
    const std::shared_ptr<void> held(holder, release); // ATen calls a deleter or not, by where it failed and whether data is NULL
    return apply("pt_borrow_held", {}, [&] {
        return at::from_blob(const_cast<void *>(data), dims(rank, shape), [held](void *) {}, options(dtype));
    });
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

static void copy_out(const char *op, pt t, at::ScalarType dtype, void *out)
{
    look(op, t, 0, [&](const Tensor &x) {
        at::NoGradGuard guard;
        Tensor flat = x.detach().to(at::TensorOptions().dtype(dtype).device(at::kCPU)).contiguous();
        if (flat.numel() > 0)
            std::memcpy(out, flat.data_ptr(), (size_t)flat.numel() * flat.element_size());
        return 0;
    });
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

// The back ends answer for themselves; a CUDA build on a machine without a driver counts no devices.
static int cuda_devices()
{
    try {
        return at::globalContext().hasCUDA() ? (int)c10::impl::VirtualGuardImpl(at::kCUDA).deviceCount() : 0;
    } catch (...) {
        return 0; // the back end is not linked
    }
}

pasta_status pt_device_check(const char *device, pasta_err *err)
{
    at::Device d(at::kMeta);
    try {
        d = at::Device(std::string(device));
    } catch (...) {
        // stays meta: computes nothing
    }
    if (d.is_cpu() && (!d.has_index() || d.index() == 0))
        return PASTA_OK;
    if (!d.is_cuda())
        return pasta_fail(err, PASTA_ERR_USAGE, "device: expected cpu or cuda:N, found '%s'", device);
    const int n = cuda_devices();
    if (n == 0)
        return pasta_fail(err, PASTA_ERR_USAGE, "device: expected cpu, found '%s': libtorch %s sees no CUDA device here", device,
                          pt_version());
    if (d.has_index() && d.index() >= n)
        return pasta_fail(err, PASTA_ERR_USAGE, "device: expected cpu or cuda:0 to cuda:%d, found '%s'", n - 1, device);
    return PASTA_OK;
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

// --- the library ----------------------------------------------------------------------------------

void pt_threads(int n)
{
    at::internal::lazy_init_num_threads(); // otherwise the thread's first parallel operation would undo the setting
    at::set_num_threads(n > 0 ? n : 1);
}

int pt_threads_get(void) { return at::get_num_threads(); }

const char *pt_version(void) { return TORCH_VERSION; }

bool pt_uses_mkl(void) { return at::hasMKL(); }
