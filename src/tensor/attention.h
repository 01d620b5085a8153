/* attention.h: softmax(scale Q K^T + bias) V for many small matrices in main memory, and its derivative.
 *
 * The scores of a few rows at a time stay in the cache and are never stored; the derivative computes them again. Keys that the bias
 * hides from a whole block of rows (causal masks, padding, branches) cost nothing. Each (batch, key head) is one job, done in a fixed
 * order: results do not depend on the number of threads.
 *
 * Dimensions: B batch, h query heads, g key heads (h a multiple of g; query head i reads key head i / (h / g)), Tq, Tk, d, dv.
 * Source: Dao et al. 2022 (FlashAttention), whose idea of recomputing block by block this follows on the CPU.
 */
#ifndef PASTA_TENSOR_ATTENTION_PRIVATE_H
#define PASTA_TENSOR_ATTENTION_PRIVATE_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

/* A [B,heads,T,width] array: strides in elements, rows of `width` elements in one piece. */
struct attention_array { float *at; int64_t batch, head, row; };

struct attention {
    int64_t B, h, g, Tq, Tk, d, dv;
    float scale;
    struct attention_array q, k, v; /* read only */
    struct attention_array bias;    /* [B,h,Tq,Tk], strides 0 where it is broadcast; at NULL: none; -1e29 and less hide a key */
    int threads;
};

/* out [B,h,Tq,dv]; log_sum [B,h,Tq] in one piece: logarithm of the softmax's denominator, for the derivative; may be NULL. */
void attention_forward(const struct attention *a, struct attention_array out, float *log_sum);
/* Writes the derivatives in q, k and v, given what forward returned and the derivative in out. */
void attention_backward(const struct attention *a, struct attention_array out, const float *log_sum, struct attention_array dout,
                        struct attention_array dq, struct attention_array dk, struct attention_array dv);

#ifdef __cplusplus
}
#endif
#endif
