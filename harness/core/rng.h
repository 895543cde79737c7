/* Random numbers by counter: value i of a stream is a hash of the stream's seed and i (the finalizer of
 * SplitMix64). So any thread can compute any value, in any order, without the values before it. */
#ifndef BATCHMARK_RNG_H
#define BATCHMARK_RNG_H

#include <stdint.h>

static inline uint64_t rng_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The seed of a separate stream for each (seed, use, index). */
static inline uint64_t rng_stream(uint64_t seed, uint64_t use, uint64_t index)
{
    return rng_mix(rng_mix(rng_mix(seed + 0x9e3779b97f4a7c15u) + use) + index);
}

/* One value: 64 bits that depend only on the three arguments. */
static inline uint64_t rng_at(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint64_t z = seed + 0x9e3779b97f4a7c15u * (index + 1) + 0xd1342543de82ef95u * (stream + 1);
    return rng_mix(rng_mix(z) + seed) + seed;
}

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
    r->state += 0x9e3779b97f4a7c15u;
    return rng_mix(r->state);
}

/* 0 <= value < 1, a multiple of 2^-24: exact in float32. */
static inline float rng_unit(uint64_t bits)
{
    return (float)(bits >> 40) * 0x1p-24f;
}

static inline float rng_next_unit(struct rng *r)
{
    return rng_unit(rng_next(r));
}

/* 0 <= value < n. The bias is negligible for n far below 2^32. */
static inline uint64_t rng_next_below(struct rng *r, uint64_t n)
{
    return ((rng_next(r) >> 32) * n) >> 32;
}

#endif
