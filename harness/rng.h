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

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
    r->state += 0x9e3779b97f4a7c15u;
    return rng_mix(r->state);
}

/* 0 <= value < 1, a multiple of 2^-24: exact in float32. */
static inline float rng_next_unit(struct rng *r)
{
    return (float)(rng_next(r) >> 40) * 0x1p-24f;
}

/* 0 <= value < n, without bias that could be seen (n far below 2^32). */
static inline uint64_t rng_next_below(struct rng *r, uint64_t n)
{
    return ((rng_next(r) >> 32) * n) >> 32;
}

#endif
