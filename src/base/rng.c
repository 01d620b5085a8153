#include "pasta/base/rng.h"

#include <math.h>

void pasta_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The counter's words are: draw number, session, turn (24 bits) and purpose (8 bits), slot. */
struct pasta_rng pasta_rng_at(uint64_t seed, enum pasta_rng_purpose purpose, uint32_t session,
                              uint32_t turn, uint32_t slot)
{
    return (struct pasta_rng){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, session, turn + ((uint32_t)purpose << 24), slot},
        .used = 4,
    };
}

uint32_t pasta_rng_u32(struct pasta_rng *rng)
{
    if (rng->used == 4) {
        pasta_philox(rng->counter, rng->key, rng->block);
        rng->counter[0]++;
        rng->used = 0;
    }
    return rng->block[rng->used++];
}

uint64_t pasta_rng_u64(struct pasta_rng *rng)
{
    uint64_t high = pasta_rng_u32(rng);
    return high << 32 | pasta_rng_u32(rng);
}

double pasta_rng_uniform(struct pasta_rng *rng)
{
    return (double)(pasta_rng_u64(rng) >> 11) * 0x1p-53;
}

/* Lemire's multiplication with rejection. */
uint32_t pasta_rng_below(struct pasta_rng *rng, uint32_t n)
{
    uint32_t threshold = -n % n;
    for (;;) {
        uint64_t m = (uint64_t)pasta_rng_u32(rng) * n;
        if ((uint32_t)m >= threshold)
            return (uint32_t)(m >> 32);
    }
}

double pasta_rng_normal(struct pasta_rng *rng)
{
    if (rng->have_normal) {
        rng->have_normal = 0;
        return rng->normal;
    }
    double radius = sqrt(-2 * log(1 - pasta_rng_uniform(rng)));
    double angle = 2 * M_PI * pasta_rng_uniform(rng);
    rng->normal = radius * sin(angle);
    rng->have_normal = 1;
    return radius * cos(angle);
}

double pasta_rng_gumbel(struct pasta_rng *rng)
{
    double u;
    do
        u = pasta_rng_uniform(rng);
    while (u == 0);
    return -log(-log(u));
}

int pasta_rng_categorical(struct pasta_rng *rng, const double *weights, int n)
{
    double total = 0;
    for (int i = 0; i < n; i++)
        total += weights[i];
    double left = pasta_rng_uniform(rng) * total;
    int last = 0;
    for (int i = 0; i < n; i++) {
        if (weights[i] <= 0)
            continue;
        if (left < weights[i])
            return i;
        left -= weights[i];
        last = i;
    }
    return last; /* rounding carried us past the end */
}

void pasta_rng_shuffle(struct pasta_rng *rng, uint32_t *items, uint32_t n)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = pasta_rng_below(rng, i), swap = items[i - 1];
        items[i - 1] = items[j];
        items[j] = swap;
    }
}

uint64_t pasta_hash64(const char *text)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001B3u;
    return hash;
}
