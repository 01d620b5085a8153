/* whitening.h: coordinates in which image embeddings spread alike in every direction.
 *
 * Contrastive encoders use few directions: most of an embedding's variance lies in some ten of them, and what else is told apart (light,
 * mood) in directions of a thousandth of that. A taste <w, e> is therefore trained as w = P v with P = M^(-1/2) / sqrt(D), M = mean e e^T:
 * then every entry of v weighs an equally spread coordinate of length 1 / sqrt(D), so that one learning rate and one prior suit all. Where
 * M = I / D, P is the identity. Small eigenvalues are floored. In more than WHITENING_RANK dimensions only the leading ones are told apart;
 * the rest share the gain of the last of them.
 */
#ifndef PASTA_USER_WHITENING_H
#define PASTA_USER_WHITENING_H
#include <stddef.h>
#include <stdint.h>

enum { WHITENING_RANK = 64 };

struct whitening {
    int dim, rank;  /* D, r = min(D, WHITENING_RANK) */
    double *basis;  /* [r,D] leading eigenvectors of M, rows */
    double *gain;   /* [r] eigenvalues of P */
    float *matrix;  /* [D,D] P, symmetric */
};
/* From n rows [n,D]; deterministic. Zero-initialised structs may be released. */
void whitening_init(struct whitening *w, const float *rows, size_t n, int dim, uint64_t seed);
void whitening_release(struct whitening *w);
#endif
