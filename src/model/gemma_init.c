/* gemma_init.c: random starts, for networks that come without weights.
 *
 * normal: every matrix N(0, initializer_range), as transformers does.
 *
 * matching: for small networks that have to find, in minutes, which earlier words a later one resembles. Attention heads start as what
 * they are to become part of, and everything stays trainable:
 *   - all embeddings share one direction c besides their own random part;
 *   - the first half of the heads looks back: their queries and the keys see c alone, in the fast half of the rotary frequencies, with a
 *     phase that makes the score largest two tokens before;
 *   - the other heads match: query = 5 key, a random projection without c, in the slow half of the frequencies, so that a token
 *     attends to tokens like itself wherever they are;
 *   - outputs are 1.5 times the transposed values: a head adds what it looks at to what is there;
 *   - the MLP's output is scaled down to 0.3, so that attention speaks first.
 * Gains and distance were chosen on 3,000 sketch-world sessions (seed 21): after 300 steps the rank correlation of f with the true utility
 * of 25 candidates, mean over 500 turns of 100 fresh raters, is 0.16, and 0.10 from the normal start.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gemma_impl.h"
#include "pasta/base/mem.h"
#include "pasta/base/rng.h"

static const double BACK_GAIN = 0.3, BACK_DISTANCE = 2, MATCH_GAIN = 5, COPY_GAIN = 1.5, COMMON = 0.5, MLP_GAIN = 0.3, NOISE = 0.02;
enum { EMBEDDING_STREAM = 1u << 20 };

static void normal(uint64_t seed, uint32_t stream, uint32_t which, double deviation, int64_t n, float *values)
{
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_INIT, stream, 0, which);
    for (int64_t i = 0; i < n; i++)
        values[i] = (float)(deviation * pasta_rng_normal(&rng));
}

/* Takes the part along c = (1, ..., 1) / sqrt(D) out of every row. */
static void remove_common(int64_t rows, int64_t D, float *values)
{
    for (int64_t r = 0; r < rows; r++) {
        double mean = 0;
        for (int64_t i = 0; i < D; i++)
            mean += values[r * D + i] / (double)D;
        for (int64_t i = 0; i < D; i++)
            values[r * D + i] -= (float)mean;
    }
}

static void set_row(float *row, int64_t D, double value)
{
    for (int64_t i = 0; i < D; i++)
        row[i] = (float)value;
}

static void scale_row(float *out, const float *row, int64_t D, double gain)
{
    for (int64_t i = 0; i < D; i++)
        out[i] += (float)gain * row[i];
}

void pasta_gemma_start_embedding(const struct pasta_gemma_config *c, uint64_t seed, float *values)
{
    const int64_t D = c->hidden_size;
    normal(seed, EMBEDDING_STREAM, 0, c->initializer_range, c->vocab_size * D, values);
    if (c->matching_start) {
        remove_common(c->vocab_size, D, values);
        for (int64_t i = 0; i < c->vocab_size * D; i++)
            values[i] += (float)(COMMON * c->initializer_range); /* COMMON of the random part's length along c */
    }
    memset(values + c->pad_token_id * D, 0, (size_t)D * sizeof *values);
}

/* Random rows without c: the projection that keys and matching queries share, or the values. */
static float *projection(const struct pasta_gemma_config *c, uint64_t seed, int64_t layer, enum layer_tensor which)
{
    const int64_t rows = c->num_key_value_heads * c->head_dim, D = c->hidden_size;
    float *p = pasta_malloc((size_t)(rows * D) * sizeof *p);
    normal(seed, (uint32_t)layer, (uint32_t)which, 1 / sqrt((double)D), rows * D, p);
    remove_common(rows, D, p);
    return p;
}

/* Pairs (j, j + d/2) of a head's width turn with one frequency; the first d/4 pairs are the fast ones. */
static void matching_keys(const struct pasta_gemma_config *c, const float *p, float *k)
{
    const int64_t d = c->head_dim, half = d / 2, fast = half / 2, D = c->hidden_size;
    for (int64_t g = 0; g < c->num_key_value_heads; g++)
        for (int64_t j = 0; j < half; j++) {
            float *a = k + (g * d + j) * D, *b = a + half * D;
            if (j < fast) {
                set_row(a, D, 1 / sqrt((double)D));
                set_row(b, D, 0);
            } else {
                memcpy(a, p + (g * d + j) * D, (size_t)D * sizeof *a);
                memcpy(b, p + (g * d + j + half) * D, (size_t)D * sizeof *b);
            }
        }
}

static void matching_queries(const struct pasta_gemma_config *c, const float *p, float *q)
{
    const int64_t d = c->head_dim, half = d / 2, fast = half / 2, D = c->hidden_size;
    const int64_t group = c->num_attention_heads / c->num_key_value_heads;
    for (int64_t h = 0; h < c->num_attention_heads; h++)
        for (int64_t j = 0; j < half; j++) {
            float *a = q + (h * d + j) * D, *b = a + half * D;
            const bool looks_back = h < c->num_attention_heads / 2;
            if (looks_back && j < fast) {
                const double phase = BACK_DISTANCE * pow(c->rope_theta, -2.0 * (double)j / (double)d), gain = BACK_GAIN / sqrt((double)D);
                for (int64_t i = 0; i < D; i++) {
                    a[i] += (float)(gain * cos(phase));
                    b[i] -= (float)(gain * sin(phase));
                }
            } else if (!looks_back && j >= fast) {
                const float *key = p + (h / group * d + j) * D;
                scale_row(a, key, D, MATCH_GAIN);
                scale_row(b, key + half * D, D, MATCH_GAIN);
            }
        }
}

/* o [D,h*d]: for every head the transposed values. */
static void copying_outputs(const struct pasta_gemma_config *c, const float *v, float *o)
{
    const int64_t d = c->head_dim, D = c->hidden_size, heads = c->num_attention_heads, group = heads / c->num_key_value_heads;
    for (int64_t i = 0; i < D; i++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t j = 0; j < d; j++)
                o[i * heads * d + h * d + j] = (float)COPY_GAIN * v[(h / group * d + j) * D + i];
}

void pasta_gemma_start_matrix(const struct pasta_gemma_config *c, uint64_t seed, int64_t layer, enum layer_tensor which, int64_t rows,
                              int64_t columns, float *values)
{
    const bool attention = which == Q || which == K || which == V || which == O;
    if (!c->matching_start || !attention) {
        double deviation = c->initializer_range;
        if (c->matching_start && which == DOWN)
            deviation *= MLP_GAIN * sqrt((double)c->hidden_size / (double)c->intermediate_size);
        normal(seed, (uint32_t)layer, (uint32_t)which, deviation, rows * columns, values);
        return;
    }
    float *p = projection(c, seed, layer, which == V || which == O ? V : K);
    switch (which) {
    case Q:
        normal(seed, (uint32_t)layer, Q, NOISE, rows * columns, values);
        matching_queries(c, p, values);
        break;
    case K: matching_keys(c, p, values); break;
    case V: memcpy(values, p, (size_t)(rows * columns) * sizeof *values); break;
    default: copying_outputs(c, p, values); break;
    }
    free(p);
}
