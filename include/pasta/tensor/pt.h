/* pt.h: tensors from C, over libtorch's ATen.
 *
 * Plain C11; the implementation (src/tensor/pt*.cpp) is C++, as is spm_module.cpp, and nothing else. Two rules keep networks readable:
 *
 *   Scopes own temporaries. Every tensor that an operation returns belongs to the innermost open scope of the calling
 *   thread and is released when that scope closes. pt_keep moves a tensor out (the caller frees it with pt_free);
 *   pt_yield hands it to the enclosing scope.
 *
 *   Errors are sticky. After the first failure every further operation of the thread returns NULL until the scope in which
 *   it happened is closed (and enclosing scopes fail in turn); pt_scope_close returns the status, with the operation's
 *   name, shapes and dtypes. A NULL operand is never dereferenced. C++ exceptions do not cross this header.
 *
 *     pt_scope_open();
 *     pt h = pt_gelu(pt_linear(x, w1, b1));         // [B,I]
 *     pt y = pt_keep(pt_linear(h, w2, b2));         // [B,D]
 *     if (pt_scope_close(&err) != PASTA_OK) { pt_free(y); return err.status; }
 *
 * Results are always new references; views share storage as in PyTorch. Dimensions may be negative (-1 = last).
 * Source of semantics: the ATen operator of the same name.
 */
#ifndef PASTA_TENSOR_PT_H
#define PASTA_TENSOR_PT_H
#include <stdbool.h>
#include <stdint.h>
#include "pasta/base/err.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct pt_tensor *pt; /* opaque */
typedef enum pt_dtype { PT_F32, PT_F64, PT_F16, PT_BF16, PT_I64, PT_I32, PT_U8, PT_BOOL } pt_dtype;

/* --- scopes, ownership --- */
void pt_scope_open(void);
pasta_status pt_scope_close(struct pasta_err *err); /* PASTA_OK, or the first failure inside */
pt pt_keep(pt t);   /* out of its scope: the caller owns it */
pt pt_yield(pt t);  /* to the enclosing scope */
void pt_free(pt t); /* a kept tensor; NULL is legal */
bool pt_failed(void);
int pt_scope_depth(void); /* number of open scopes of this thread */
/* Makes the current scope fail with the caller's own message. */
void pt_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* --- gradients --- */
bool pt_grad_enable(bool on);            /* thread-local; returns the former setting; off at thread start is NOT implied */
void pt_requires_grad(pt t, bool on);
void pt_backward(pt loss);               /* scalar; accumulates into leaves */
pt pt_grad(pt t);                        /* the accumulated gradient, or NULL without being an error if there is none */
void pt_zero_grad(pt t);
void pt_grad_set(pt t, pt grad);         /* replaces the accumulated gradient; NULL removes it */
pt pt_detach(pt t);

/* --- creation; every one copies from C memory --- */
pt pt_from_f32(const float *data, int rank, const int64_t *shape);
pt pt_from_i64(const int64_t *data, int rank, const int64_t *shape);
pt pt_from_bytes(const void *data, pt_dtype dtype, int rank, const int64_t *shape);
/* Wraps memory that outlives the tensor (a mapped file); never written to. */
pt pt_borrow(const void *data, pt_dtype dtype, int rank, const int64_t *shape);
/* The same for memory that has holders: calls release(holder) when the last tensor on it is gone, at once after a failure. Written to as
 * any other tensor. */
pt pt_borrow_held(const void *data, pt_dtype dtype, int rank, const int64_t *shape, void (*release)(void *), void *holder);
pt pt_zeros(pt_dtype dtype, int rank, const int64_t *shape);
pt pt_full(double value, pt_dtype dtype, int rank, const int64_t *shape);
pt pt_zeros_like(pt t);                  /* of t's dtype, shape and device */
pt pt_arange(int64_t end);               /* i64 0..end-1 */
pt pt_clone(pt t);
#define PT_SHAPE(...) (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__}

/* --- inspection --- */
int pt_rank(pt t);
int64_t pt_size(pt t, int dim);
int64_t pt_numel(pt t);
pt_dtype pt_dtype_of(pt t);
int64_t pt_dtype_size(pt_dtype dtype);   /* bytes of an element */
const char *pt_dtype_name(pt_dtype dtype); /* "f32" */
double pt_item(pt t);                    /* the value of a one-element tensor; NAN after a failure */
void pt_copy_f32(pt t, float *out);      /* numel values, row-major; converts */
void pt_copy_i64(pt t, int64_t *out);
void pt_copy_bytes(pt t, void *out);     /* numel * size of dtype, row-major, no conversion */
/* The elements in place, row-major, valid as long as t: for a contiguous tensor in main memory; anything else fails. */
const void *pt_data(pt t);

/* --- dtype, device --- */
pt pt_to_dtype(pt t, pt_dtype dtype);
pt pt_to_device(pt t, const char *device); /* "cpu", "cuda:0" */
/* PASTA_ERR_USAGE unless tensors can be put on `device`: what is no device, and a CUDA device that libtorch does not see here. */
pasta_status pt_device_check(const char *device, struct pasta_err *err) PASTA_MUST_CHECK;

/* --- shape --- */
pt pt_reshape(pt t, int rank, const int64_t *shape); /* pt_reshape(x, PT_SHAPE(B, -1)) */
pt pt_transpose(pt t, int a, int b);
pt pt_permute(pt t, int rank, const int64_t *order);
pt pt_contiguous(pt t);
pt pt_unsqueeze(pt t, int dim);
pt pt_squeeze(pt t, int dim);
pt pt_expand(pt t, int rank, const int64_t *shape);
pt pt_narrow(pt t, int dim, int64_t start, int64_t length);
pt pt_select(pt t, int dim, int64_t index);
pt pt_cat(const pt *parts, int n, int dim);
pt pt_stack(const pt *parts, int n, int dim);
pt pt_index_select(pt t, int dim, pt index /* i64 [n] */);
pt pt_gather(pt t, int dim, pt index /* i64 */);

/* --- arithmetic, broadcasting; an integer tensor and a whole-numbered scalar stay integer --- */
pt pt_add(pt a, pt b);
pt pt_sub(pt a, pt b);
pt pt_mul(pt a, pt b);
pt pt_div(pt a, pt b);
pt pt_add_scalar(pt a, double b);
pt pt_mul_scalar(pt a, double b);
pt pt_neg(pt a);
pt pt_abs(pt a);
pt pt_exp(pt a);
pt pt_log(pt a);
pt pt_sqrt(pt a);
pt pt_rsqrt(pt a);
pt pt_square(pt a);
pt pt_sigmoid(pt a);
pt pt_log_sigmoid(pt a);
pt pt_softplus(pt a);
pt pt_silu(pt a);
pt pt_gelu(pt a);        /* exact, erf */
pt pt_gelu_tanh(pt a);
pt pt_quick_gelu(pt a);  /* x * sigmoid(1.702 x) */
pt pt_clamp(pt a, double lo, double hi);
pt pt_lt_scalar(pt a, double b); /* bool */
pt pt_eq_scalar(pt a, double b);
pt pt_lt(pt a, pt b);
pt pt_masked_fill(pt a, pt mask /* bool */, double value);

/* --- reductions --- */
pt pt_sum(pt a);                 /* all elements, rank 0 */
pt pt_mean(pt a);
pt pt_sum_dim(pt a, int dim, bool keep);
pt pt_mean_dim(pt a, int dim, bool keep);
pt pt_max_dim(pt a, int dim, bool keep);   /* values */
pt pt_argmax(pt a, int dim);               /* i64 */
pt pt_norm(pt a);                          /* L2 of all elements */
pt pt_logsumexp(pt a, int dim, bool keep);
pt pt_softmax(pt a, int dim);
pt pt_normalize(pt a, int dim);            /* a / ||a||_2 along dim, without epsilon */

/* --- linear algebra, networks --- */
pt pt_matmul(pt a, pt b);
/* <x_n, y_k,of(n)> [K,n] of rows x [n,D] and y [K,P,D]; of i64 [n]. y is not gathered. */
pt pt_row_dots(pt x, pt y, pt of);
pt pt_linear(pt x, pt weight /* [out,in] */, pt bias /* [out] or NULL */);
pt pt_embedding(pt weight /* [V,D] */, pt ids /* i64 [...] */);
pt pt_layer_norm(pt x, pt weight, pt bias, double eps); /* over the last dimension */
pt pt_rms_norm(pt x, pt weight, double eps);  /* x / rms(x) * (1 + weight), in f32, cast back (Gemma) */
/* softmax(q k^T * scale + bias) v; q [B,h,Tq,d], k and v [B,h_kv,Tk,d] with h a multiple of h_kv, bias additive f32
 * broadcastable to [B,h,Tq,Tk] or NULL; result [B,h,Tq,d]. Softmax in f32. In main memory, f32 and d <= 128 it is one fused operation:
 * operands may be transposed views of [B,T,h,d], scores are not stored, keys whose bias is -1e29 or less cost nothing where whole
 * blocks of rows do not see them, and the result does not depend on the number of threads. */
pt pt_attention(pt q, pt k, pt v, pt bias, double scale);
pt pt_cross_entropy(pt logits /* [B,n] */, pt target /* i64 [B] */); /* mean */

/* --- in place, for optimisers and target networks; never recorded for gradients --- */
void pt_set(pt dst, pt src);                        /* dst = src */
void pt_fill_(pt t, double value);
void pt_lerp_(pt dst, pt src, double weight);       /* dst += weight * (src - dst) */
void pt_scale_(pt t, double factor);
void pt_add_(pt t, pt other, double factor);        /* t += factor * other */
void pt_addcmul_(pt t, pt a, pt b, double factor);  /* t += factor * a * b */
void pt_addcdiv_(pt t, pt a, pt b, double factor);  /* t += factor * a / b */

/* --- the library --- */
/* Threads of operations started from this thread. Some results change with it in the last bits (pt_sum of more than 32,768 elements,
 * the parameter gradients of pt_layer_norm, products with OpenBLAS's AVX2 kernels): for equal bytes on any machine, work on fixed
 * shards, each on one thread. */
void pt_threads(int n);
int pt_threads_get(void);
const char *pt_version(void);    /* "1.13.1" */
bool pt_uses_mkl(void);          /* products go through MKL, not OpenBLAS (a PyTorch wheel) */
#ifdef __cplusplus
}
#endif
#endif
