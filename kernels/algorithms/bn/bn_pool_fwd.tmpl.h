/* bn_pool forward. The normalized tensor, as large as src, is never written: each window of 2x2 is normalized, its ReLU
 * and maximum are taken, and only the maximum is stored.
 *
 * The includer defines
 *   STATISTICS   bool: takes mean and variance of src first, in two passes; else they are given
 *
 * Limit: bandwidth. A channel that fits into L2 is read once from memory. */
#include "algorithms/bn/bn_pool.h"

/* Sum over a plane of (x - from), or of its square. */
static inline __attribute__((always_inline)) double plane_sum(const float *x, int64_t n, float from,
                                                              bool squares)
{
    enum { UNROLL = 4 };
    vf sum[UNROLL], base = vset1(from);
    for (int u = 0; u < UNROLL; u++)
        sum[u] = vzero();
    int64_t i = 0;
    for (; i + UNROLL * V <= n; i += UNROLL * V)
        VEC_UNROLL
    for (int u = 0; u < UNROLL; u++) {
        const vf d = vsub(vload(x + i + u * V), base);
        sum[u] = squares ? vfma(d, d, sum[u]) : vadd(sum[u], d);
    }
    double rest = 0;
    for (; i < n; i++) {
        const float d = x[i] - from;
        rest += (double)(squares ? d * d : d);
    }
    return (double)vsum(vadd(vadd(sum[0], sum[1]), vadd(sum[2], sum[3]))) + rest;
}

/* Mean and biased variance of channel c. Sums of differences from a value lose nothing where the mean is large. */
static void channel_statistics(const struct args *a, int64_t c)
{
    const struct bn *p = &a->problem->bn;
    const float *src = a->t[SRC];
    const int64_t plane = p->ih * p->iw, planes = p->mb * p->ic;
    const double n = (double)(p->mb * plane);
    double sum = 0, squares = 0;
    for (int64_t i = c; i < planes; i += p->ic)
        sum += plane_sum(src + i * plane, plane, src[c * plane], false);
    a->t[MEAN][c] = (float)((double)src[c * plane] + sum / n);
    for (int64_t i = c; i < planes; i += p->ic)
        squares += plane_sum(src + i * plane, plane, a->t[MEAN][c], true);
    a->t[VARIANCE][c] = (float)(squares / n);
}

static void plane_max(const struct bn *p, const struct affine *y, const float *restrict src,
                      float *restrict dst)
{
    const int64_t ow = p->iw / 2;
    for (int64_t row = 0; row < p->ih / 2; row++, src += 2 * p->iw, dst += ow) {
        for (int64_t i = 0; i < ow; i += V) {
            const int64_t n = min_i64(V, ow - i);
            const struct windows w = load_windows(src + 2 * i, p->iw, n, vset1(y->mean));
            const struct holders max = windows_max(y, &w);
            if (n == V)
                vstore(dst + i, max.value);
            else
                vstore_n(dst + i, max.value, n);
        }
    }
}

static void do_channels(const struct args *a, int thread, int team)
{
    const struct bn *p = &a->problem->bn;
    const struct channels mine = channels_of(p, thread, team);
    for (int64_t c = mine.first; c < mine.last; c++) {
        if (STATISTICS)
            channel_statistics(a, c);
        const struct affine y = affine_of(a, c);
        /* Backwards: the planes read last are still near. */
        for (int64_t i = (p->mb - 1) * p->ic + c; i >= 0; i -= p->ic)
            plane_max(p, &y, a->t[SRC] + i * p->ih * p->iw,
                      a->t[DST] + i * (p->ih / 2) * (p->iw / 2));
    }
}

static void run(const struct args *a)
{
    run_channels(a, do_channels);
}
