/* rng.h: counter-based random numbers (Philox 4x32-10).
 *
 * Every stream is addressed by (seed, purpose, session, turn, slot), so the bytes that a stage
 * writes do not depend on the number of threads, the order of work, or on whether a run was
 * resumed. Streams with different addresses are independent.
 *
 *     struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_CHOICE, session, turn, 0);
 *     int pick = pasta_rng_categorical(&rng, weights, n);
 *
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */
#ifndef PASTA_BASE_RNG_H
#define PASTA_BASE_RNG_H
#include <stdint.h>

/* What a stream is for. Append only: a changed number changes every result. */
enum pasta_rng_purpose {
    PASTA_RNG_TEST = 0,
    PASTA_RNG_RATER,       /* who a sketch rater is: type, deviations, habits */
    PASTA_RNG_PROMPT,      /* which prompt a session starts from */
    PASTA_RNG_CANDIDATES,  /* the candidate generator */
    PASTA_RNG_SLATE,       /* slate selection: ties, exploration, random agent */
    PASTA_RNG_IMAGE,       /* image seeds */
    PASTA_RNG_DRAW,        /* what an image leaves open, given its seed */
    PASTA_RNG_CHOICE,      /* choice, lapse, position bias */
    PASTA_RNG_RATING,      /* rating and cross-turn answer */
    PASTA_RNG_PAIR,        /* single-turn pairs and ratings */
    PASTA_RNG_INIT,        /* network initialisation */
    PASTA_RNG_BATCH,       /* order of training examples */
    PASTA_RNG_SPLIT,       /* train / held-out splits */
    PASTA_RNG_BOOTSTRAP,   /* resampling */
    PASTA_RNG_USER_TYPE,   /* the type of a simulated user */
    PASTA_RNG_CAPTION,     /* training captions for the embedded encoder */
    PASTA_RNG_STUDY,       /* a person's session: its arm, attention checks, repeated slates */
};

struct pasta_rng {
    uint32_t key[2], counter[4], block[4];
    int used; /* words of `block` already given out; 4 = none left */
    int have_normal;
    double normal; /* second half of the last Box-Muller pair */
};

struct pasta_rng pasta_rng_at(uint64_t seed, enum pasta_rng_purpose purpose, uint32_t session,
                              uint32_t turn, uint32_t slot);
uint32_t pasta_rng_u32(struct pasta_rng *rng);
uint64_t pasta_rng_u64(struct pasta_rng *rng);
double pasta_rng_uniform(struct pasta_rng *rng);                     /* [0, 1), 53 bits */
uint32_t pasta_rng_below(struct pasta_rng *rng, uint32_t n);         /* 0..n-1, unbiased; n >= 1 */
double pasta_rng_normal(struct pasta_rng *rng);                      /* mean 0, variance 1 */
double pasta_rng_gumbel(struct pasta_rng *rng);                      /* standard Gumbel */
/* Index drawn in proportion to weights[n] (>= 0, not all 0). */
int pasta_rng_categorical(struct pasta_rng *rng, const double *weights, int n);
void pasta_rng_shuffle(struct pasta_rng *rng, uint32_t *items, uint32_t n); /* Fisher-Yates */

/* 64-bit FNV-1a of a string: a stable stream address for text. */
uint64_t pasta_hash64(const char *text);
/* The raw block function, for the golden test: out = Philox4x32-10(counter, key). */
void pasta_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
#endif
