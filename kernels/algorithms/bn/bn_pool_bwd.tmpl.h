/* bn_pool backward. The gradient that the maximum spreads over src is never written: its two sums are taken where the few
 * gradients of the windows come in. Which value is the largest is found again from src, and
 * kept for the second pass over the channel.
 *
 * Limit: bandwidth. A channel that fits into L2 is read once from memory. */
#include "algorithms/bn/bn_pool.h"

/* Bytes of a thread's scratch: the places of the maxima of a channel. */
static size_t places_of(const struct bn *p)
{
    return (size_t)div_up(p->mb * (p->ih / 2) * (p->iw / 2), 64) * 64;
}

static size_t scratch_size(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)f;
    return (size_t)h->threads * places_of(&p->bn);
}

static inline vf load_gradient(const float *diff_dst, int64_t n)
{
    return n == V ? vload(diff_dst) : vload_n(diff_dst, n);
}

/* Adds a plane's sums of the gradient dy before the maximum, and of dy (x - mean), and leaves the places of the maxima.
 * Elsewhere than there dy is 0. */
static void plane_sums(const struct bn *p, const struct affine *y, const float *restrict x,
                       const float *restrict diff_dst, uint8_t *restrict places, double *sum,
                       double *dot)
{
    const int64_t ow = p->iw / 2;
    vf s = vzero(), t = vzero();
    for (int64_t row = 0; row < p->ih / 2; row++, x += 2 * p->iw, diff_dst += ow, places += ow) {
        for (int64_t i = 0; i < ow; i += V) {
            const int64_t n = min_i64(V, ow - i);
            const struct windows w = load_windows(x + 2 * i, p->iw, n, vset1(y->mean));
            const struct holders max = windows_max(y, &w);
            const vf d = vdrop(max.value, load_gradient(diff_dst + i, n));
            s = vadd(s, d);
            t = vfma(d, max.beside, t);
            if (n == V)
                vbytes_store(places + i, max.at);
            else
                vbytes_store_n(places + i, max.at, n);
        }
    }
    *sum += (double)vsum(s);
    *dot += (double)vsum(t);
}

/* dx = dy scale + (x - mean) slope + offset */
struct gradient {
    float scale, slope, offset;
};

static void plane_gradient(const struct bn *p, float mean, const struct gradient *g,
                           const float *restrict x, const float *restrict diff_dst,
                           const uint8_t *restrict places, float *restrict diff_src)
{
    const vf scale = vset1(g->scale), slope = vset1(g->slope), offset = vset1(g->offset);
    const int64_t oh = p->ih / 2, ow = p->iw / 2;
    for (int64_t row = 0; row < oh; row++) {
        for (int64_t i = 0; i < ow; i += V) {
            const int64_t n = min_i64(V, ow - i), from = 2 * row * p->iw + 2 * i;
            const struct windows w = load_windows(x + from, p->iw, n, vset1(mean));
            const vf d = vmul(load_gradient(diff_dst + row * ow + i, n), scale),
                     at = n == V ? vbytes(places + row * ow + i)
                                 : vbytes_n(places + row * ow + i, n);
            store_pairs(diff_src + from,
                        vadd(vkeep_equal(at, vzero(), d), vfma(w.above.a, slope, offset)),
                        vadd(vkeep_equal(at, vset1(1), d), vfma(w.above.b, slope, offset)), n);
            store_pairs(diff_src + from + p->iw,
                        vadd(vkeep_equal(at, vset1(2), d), vfma(w.below.a, slope, offset)),
                        vadd(vkeep_equal(at, vset1(3), d), vfma(w.below.b, slope, offset)), n);
        }
    }
    /* What no window covers: an odd column, an odd row. */
    for (int64_t i = 0; i < p->ih * p->iw; i++) {
        if (i < 2 * oh * p->iw && i % p->iw < 2 * ow)
            i += 2 * ow - 1;
        else
            diff_src[i] = (x[i] - mean) * g->slope + g->offset;
    }
}

static void do_channels(const struct args *a, int thread, int team)
{
    const struct bn *p = &a->problem->bn;
    const int64_t in = p->ih * p->iw, out = (p->ih / 2) * (p->iw / 2);
    const double count = (double)(p->mb * in);
    uint8_t *places = (uint8_t *)a->scratch + (size_t)thread * places_of(p);
    const struct channels mine = channels_of(p, thread, team);
    for (int64_t c = mine.first; c < mine.last; c++) {
        const struct affine y = affine_of(a, c);
        const double rstd = 1 / sqrt((double)a->t[VARIANCE][c] + a->problem->eps),
                     scale = (a->t[GAMMA] ? (double)a->t[GAMMA][c] : 1) * rstd;
        double sum = 0, dot = 0;
        for (int64_t n = 0, i = c; n < p->mb; n++, i += p->ic)
            plane_sums(p, &y, a->t[SRC] + i * in, a->t[DIFF_DST] + i * out, places + n * out, &sum,
                       &dot);
        a->t[DIFF_BETA][c] = (float)sum;
        a->t[DIFF_GAMMA][c] = (float)(dot * rstd);
        const struct gradient g = {(float)scale, (float)(-scale * rstd * rstd * dot / count),
                                   (float)(-scale * sum / count)};
        /* Backwards: the planes read last are still near. */
        for (int64_t n = p->mb - 1, i = n * p->ic + c; n >= 0; n--, i -= p->ic)
            plane_gradient(p, y.mean, &g, a->t[SRC] + i * in, a->t[DIFF_DST] + i * out,
                           places + n * out, a->t[DIFF_SRC] + i * in);
    }
}

static void run(const struct args *a)
{
    run_channels(a, do_channels);
}
