/* Statistics of a channel from those of its parts (Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm
 * for Computing Sample Variances, 1979). M2 is the sum of the squared distances from the mean.
 *
 *   n = na + nb,  d = mean_b - mean_a:  mean = mean_a + d nb / n,  M2 = M2_a + M2_b + d^2 na nb / n
 *
 * Unlike a sum of squares, this is accurate for a mean far from zero. The order of the merges determines the bits, so
 * it must depend only on the problem.
 *
 * Lanes are channels. A kernel adds its results to the statistics of a block tile by tile, while they are in registers
 * or L1. It writes the statistics of each block to scratch, and merges all blocks at the end. */
#ifndef BATCHMARK_CHAN_H
#define BATCHMARK_CHAN_H

#include "kernel.h"
#include "vec/vec.h"

struct chan {
    vf mean, m2;
    float n; /* of each lane */
};

static inline struct chan chan_none(void)
{
    return (struct chan){vzero(), vzero(), 0};
}

static inline void chan_merge(struct chan *a, vf mean, vf m2, float n)
{
    const float all = a->n + n, share = n / all;
    const vf d = vsub(mean, a->mean);
    a->mean = vfma(d, vset1(share), a->mean);
    a->m2 = vadd(a->m2, vfma(vmul(d, d), vset1(a->n * share), m2));
    a->n = all;
}

/* The pixels of a 4x4 tile with i < height and x < width, at least one: two passes over registers. */
static inline __attribute__((always_inline)) void chan_take_tile(struct chan *a, vf y[4][4],
                                                                 int64_t height, int64_t width)
{
    vf sum[4], m2[4];
    VEC_UNROLL
    for (int i = 0; i < 4; i++) {
        sum[i] = m2[i] = vzero();
        VEC_UNROLL
        for (int x = 0; x < 4; x++)
            if (i < height && x < width)
                sum[i] = vadd(sum[i], y[i][x]);
    }
    const float n = (float)(min_i64(height, 4) * min_i64(width, 4));
    const vf mean = vmul(vadd(vadd(sum[0], sum[1]), vadd(sum[2], sum[3])), vset1(1 / n));
    VEC_UNROLL
    for (int i = 0; i < 4; i++) {
        VEC_UNROLL
        for (int x = 0; x < 4; x++) {
            const vf d = vsub(y[i][x], mean);
            if (i < height && x < width)
                m2[i] = vfma(d, d, m2[i]);
        }
    }
    chan_merge(a, mean, vadd(vadd(m2[0], m2[1]), vadd(m2[2], m2[3])), n);
}

/* n > 0 values a lane, at y[row[i]]. */
static inline void chan_take_rows(struct chan *a, const float *y, const ptrdiff_t *row, int64_t n)
{
    vf sum = vload(y + row[0]), m2 = vzero();
    for (int64_t i = 1; i < n; i++)
        sum = vadd(sum, vload(y + row[i]));
    const vf mean = vmul(sum, vset1(1 / (float)n));
    for (int64_t i = 0; i < n; i++) {
        const vf d = vsub(vload(y + row[i]), mean);
        m2 = vfma(d, d, m2);
    }
    chan_merge(a, mean, m2, (float)n);
}

/* What a block leaves in scratch: mean, M2 and n of V channels. */
enum { CHAN_FLOATS = 3 * V };

static inline void chan_put(float *part, const struct chan *a)
{
    vstore(part, a->mean);
    vstore(part + V, a->m2);
    vstore(part + 2 * V, vset1(a->n));
}

/* Mean and biased variance of up to V channels from `count` parts, `stride` floats apart, in their order. */
static inline void chan_finish(const float *part, int64_t stride, int64_t count, int64_t channels,
                               float *mean, float *variance)
{
    double m[V], m2[V], n = 0;
    for (int64_t c = 0; c < V; c++)
        m[c] = m2[c] = 0;
    for (int64_t i = 0; i < count; i++, part += stride) {
        const double more = (double)part[2 * V], all = n + more, share = more / all;
#pragma omp simd
        for (int64_t c = 0; c < V; c++) {
            const double d = (double)part[c] - m[c];
            m[c] += d * share;
            m2[c] += (double)part[V + c] + d * d * (n * share);
        }
        n = all;
    }
    for (int64_t c = 0; c < min_i64(channels, V); c++) {
        mean[c] = (float)m[c];
        variance[c] = (float)(m2[c] / n);
    }
}

#endif
