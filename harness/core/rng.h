/* Random numbers by counter: value i of stream `seed` is a hash of both (the finalizer of SplitMix64), so any value
 * can be had without those before it, in any order, by any thread. */
#ifndef BATCHMARK_RNG_H
#define BATCHMARK_RNG_H

#include <stdint.h>

static inline uint64_t rng_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A stream of its own for each (seed, use, index). */
static inline uint64_t rng_stream(uint64_t seed, uint64_t use, uint64_t index)
{
    return rng_mix(rng_mix(rng_mix(seed + 0x9e3779b97f4a7c15u) + use) + index);
}

/* One value: 64 bits that depend on the three arguments alone. */
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

/* 0 <= value < n, without bias that could be seen (n far below 2^32). */
static inline uint64_t rng_next_below(struct rng *r, uint64_t n)
{
    return ((rng_next(r) >> 32) * n) >> 32;
}

#endif
