/* Dropout, included by layers.tmpl.h. It keeps no mask: a hash of a key and the value's index decides whether the value
 * stays, and the gradient computes it again. Two rounds of a 32-bit finalizer with low bias (C. Wellons,
 * "hash-prospector") vectorize as two multiplications each; about 20 operations per value, as long as reading it from
 * L2. */

static inline uint32_t scrambled(uint32_t x)
{
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

static void dropout_range(const float *src, float *dst, float scale, uint32_t limit, uint64_t key,
                          struct range r)
{
    const uint32_t low = (uint32_t)key, high = (uint32_t)(key >> 32);
#pragma omp simd
    for (int64_t i = r.first; i < r.last; i++) {
        const uint32_t hash = scrambled(scrambled((uint32_t)i + low) ^ high);
        dst[i] = hash >= limit ? src[i] * scale : 0;
    }
}

static void dropout(const float *src, float *dst, int64_t n, double p, uint64_t key, int threads)
{
    const float scale = (float)(1 / (1 - p));
    const uint32_t limit = (uint32_t)(p * 0x1p32);
    int team = team_for(n, CURVE_GRAIN, threads);
    if (team < 2) {
        dropout_range(src, dst, scale, limit, key, (struct range){0, n});
        return;
    }
#pragma omp parallel num_threads(team)
    dropout_range(src, dst, scale, limit, key, my_range(n, 16));
}
