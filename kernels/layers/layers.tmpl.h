/* The layers over vec.h, written once for all instruction sets: pooling, activations, optimizers, sums of
 * columns, pixels. A file of instances names its table and includes this; layers.h describes each function.
 *
 * Bandwidth limits them. In L2, one root and one division per weight limit the optimizers; beyond L2, bytes
 * do (Adam moves 28 per weight). Threads take whole planes or whole cache lines of a static partition, and
 * only if each has a few microseconds of work. */
#include "layers.h"
#include "shared/windows.h"
#include "team.h"
#include "vec/vec.h"

#include <math.h>
#include <string.h>

_Static_assert((int)NO_PLACE == (int)MAXPOOL_NONE, "one byte for what a ReLU stops");

static void relu_fwd_range(float *x, struct range r)
{
    int64_t i = r.first;
    for (; i + V <= r.last; i += V)
        vstore(x + i, vmax(vzero(), vload(x + i))); /* in this order NaN stays */
    if (i < r.last)
        vstore_n(x + i, vmax(vzero(), vload_n(x + i, r.last - i)), r.last - i);
}

static void relu_fwd(float *x, int64_t n, int threads)
{
    int team = team_for(n, RELU_GRAIN, threads);
    if (team < 2) {
        relu_fwd_range(x, (struct range){0, n});
        return;
    }
#pragma omp parallel num_threads(team)
    relu_fwd_range(x, my_range(n, 16));
}

static void relu_bwd_range(const float *restrict y, float *restrict dy, struct range r)
{
    int64_t i = r.first;
    for (; i + V <= r.last; i += V)
        vstore(dy + i, vdrop(vload(y + i), vload(dy + i)));
    if (i < r.last)
        vstore_n(dy + i, vdrop(vload_n(y + i, r.last - i), vload_n(dy + i, r.last - i)),
                 r.last - i);
}

static void relu_bwd(const float *y, float *dy, int64_t n, int threads)
{
    int team = team_for(n, RELU_GRAIN, threads);
    if (team < 2) {
        relu_bwd_range(y, dy, (struct range){0, n});
        return;
    }
#pragma omp parallel num_threads(team)
    relu_bwd_range(y, dy, my_range(n, 16));
}

#include "avgpool.tmpl.h"
#include "curves.tmpl.h"
#include "dropout.tmpl.h"
#include "frozen.tmpl.h"

static void fwd_2x2(const struct maxpool *p, const float *restrict src, float *restrict dst,
                    uint8_t *restrict chosen)
{
    for (int64_t oh = 0; oh < p->oh; oh++) {
        const float *top = src + 2 * oh * p->iw;
        for (int64_t ow = 0; ow < p->ow; ow += V) {
            const int64_t n = p->ow - ow < V ? p->ow - ow : V, to = oh * p->ow + ow;
            const struct windows w = {load_pairs(top + 2 * ow, n),
                                      load_pairs(top + p->iw + 2 * ow, n)};
            const struct holders max = window_max(&w, &w, p->relu);
            if (n == V) {
                vstore(dst + to, max.value);
                vbytes_store(chosen + to, max.at);
            } else {
                vstore_n(dst + to, max.value, n);
                vbytes_store_n(chosen + to, max.at, n);
            }
        }
    }
}

/* Windows of 2x2 do not overlap: each is written whole, and only what no window covers is cleared. */
static void bwd_2x2(const struct maxpool *p, const float *restrict diff_dst,
                    const uint8_t *restrict chosen, float *restrict diff_src)
{
    for (int64_t oh = 0; oh < p->oh; oh++) {
        float *top = diff_src + 2 * oh * p->iw, *bottom = top + p->iw;
        for (int64_t ow = 0; ow < p->ow; ow += V) {
            const int64_t n = p->ow - ow < V ? p->ow - ow : V, from = oh * p->ow + ow;
            const vf d = n == V ? vload(diff_dst + from) : vload_n(diff_dst + from, n);
            const vf at = n == V ? vbytes(chosen + from) : vbytes_n(chosen + from, n);
            store_pairs(top + 2 * ow, vkeep_equal(at, vzero(), d), vkeep_equal(at, vset1(1), d), n);
            store_pairs(bottom + 2 * ow, vkeep_equal(at, vset1(2), d), vkeep_equal(at, vset1(3), d),
                        n);
        }
        for (int64_t iw = 2 * p->ow; iw < p->iw; iw++)
            top[iw] = bottom[iw] = 0;
    }
    int64_t covered = 2 * p->oh * p->iw;
    memset(diff_src + covered, 0, (size_t)(p->ih * p->iw - covered) * sizeof *diff_src);
}

static void fwd_any(const struct maxpool *p, const float *restrict src, float *restrict dst,
                    uint8_t *restrict chosen)
{
    for (int64_t oh = 0; oh < p->oh; oh++) {
        for (int64_t ow = 0; ow < p->ow; ow++) {
            const float *window = src + oh * p->s * p->iw + ow * p->s;
            float best = window[0];
            int64_t at = 0;
            for (int64_t kh = 0; kh < p->kh; kh++) {
                for (int64_t kw = 0; kw < p->kw; kw++) {
                    const float value = window[kh * p->iw + kw];
                    const bool wins = (value > best) | (value != value);
                    best = wins ? value : best;
                    at = wins ? kh * p->kw + kw : at;
                }
            }
            const bool stopped = p->relu && best <= 0;
            dst[oh * p->ow + ow] = stopped ? 0 : best;
            chosen[oh * p->ow + ow] = stopped ? MAXPOOL_NONE : (uint8_t)at;
        }
    }
}

static void bwd_any(const struct maxpool *p, const float *restrict diff_dst,
                    const uint8_t *restrict chosen, float *restrict diff_src)
{
    memset(diff_src, 0, (size_t)(p->ih * p->iw) * sizeof *diff_src);
    for (int64_t oh = 0; oh < p->oh; oh++) {
        for (int64_t ow = 0; ow < p->ow; ow++) {
            const int64_t at = chosen[oh * p->ow + ow];
            if (!p->relu || at != MAXPOOL_NONE)
                diff_src[(oh * p->s + at / p->kw) * p->iw + ow * p->s + at % p->kw] +=
                    diff_dst[oh * p->ow + ow];
        }
    }
}

/* n <= V channels that lie together: the same window for all of them. */
static inline __attribute__((always_inline)) void
fwd_together(const struct maxpool *p, const float *window, int64_t n, float *dst, uint8_t *chosen)
{
    struct holders h = {n == V ? vload(window) : vload_n(window, n), vzero(), vzero()};
    float at = 0;
    for (int64_t kh = 0; kh < p->kh; kh++) {
        for (int64_t kw = 0; kw < p->kw; kw++, at++) {
            const float *value = window + (kh * p->iw + kw) * p->lanes;
            if (kh + kw)
                h = challenge(h, n == V ? vload(value) : vload_n(value, n), at, vzero());
        }
    }
    if (p->relu)
        h = rectify(h);
    if (n == V) {
        vstore(dst, h.value);
        vbytes_store(chosen, h.at);
    } else {
        vstore_n(dst, h.value, n);
        vbytes_store_n(chosen, h.at, n);
    }
}

static void fwd_lanes(const struct maxpool *p, const float *restrict src, float *restrict dst,
                      uint8_t *restrict chosen)
{
    for (int64_t oh = 0; oh < p->oh; oh++) {
        for (int64_t ow = 0; ow < p->ow; ow++, dst += p->lanes, chosen += p->lanes) {
            const float *window = src + (oh * p->s * p->iw + ow * p->s) * p->lanes;
            int64_t l = 0;
            for (; l + V <= p->lanes; l += V)
                fwd_together(p, window + l, V, dst + l, chosen + l);
            if (l < p->lanes)
                fwd_together(p, window + l, p->lanes - l, dst + l, chosen + l);
        }
    }
}

/* Where windows overlap gradients add up to what is there, else they replace it. */
static inline __attribute__((always_inline)) void bwd_together(const struct maxpool *p,
                                                               const float *diff_dst,
                                                               const uint8_t *chosen, int64_t n,
                                                               float *window)
{
    const vf d = n == V ? vload(diff_dst) : vload_n(diff_dst, n);
    const vf place = n == V ? vbytes(chosen) : vbytes_n(chosen, n);
    float at = 0;
    for (int64_t kh = 0; kh < p->kh; kh++) {
        for (int64_t kw = 0; kw < p->kw; kw++, at++) {
            float *to = window + (kh * p->iw + kw) * p->lanes;
            vf x = vkeep_equal(place, vset1(at), d);
            if (p->s < p->kh || p->s < p->kw)
                x = vadd(x, n == V ? vload(to) : vload_n(to, n));
            if (n == V)
                vstore(to, x);
            else
                vstore_n(to, x, n);
        }
    }
}

static void bwd_lanes(const struct maxpool *p, const float *restrict diff_dst,
                      const uint8_t *restrict chosen, float *restrict diff_src)
{
    if (p->s > p->kh || p->s != p->kw || p->oh * p->kh != p->ih || p->ow * p->kw != p->iw)
        memset(diff_src, 0, (size_t)(p->ih * p->iw * p->lanes) * sizeof *diff_src);
    for (int64_t oh = 0; oh < p->oh; oh++) {
        for (int64_t ow = 0; ow < p->ow; ow++, diff_dst += p->lanes, chosen += p->lanes) {
            float *window = diff_src + (oh * p->s * p->iw + ow * p->s) * p->lanes;
            int64_t l = 0;
            for (; l + V <= p->lanes; l += V)
                bwd_together(p, diff_dst + l, chosen + l, V, window + l);
            if (l < p->lanes)
                bwd_together(p, diff_dst + l, chosen + l, p->lanes - l, window + l);
        }
    }
}

static void fwd_planes(const struct maxpool *p, const float *src, float *dst, uint8_t *chosen,
                       struct range r)
{
    for (int64_t i = r.first; i < r.last; i++) {
        const int64_t from = i * p->ih * p->iw * p->lanes, to = i * p->oh * p->ow * p->lanes;
        if (p->lanes > 1)
            fwd_lanes(p, src + from, dst + to, chosen + to);
        else if (p->kh == 2 && p->kw == 2 && p->s == 2)
            fwd_2x2(p, src + from, dst + to, chosen + to);
        else
            fwd_any(p, src + from, dst + to, chosen + to);
    }
}

static void maxpool_fwd(const struct maxpool *p, const float *src, float *dst, uint8_t *chosen,
                        int threads)
{
    int team = team_for(p->planes * p->ih * p->iw * p->lanes, POOL_GRAIN, threads);
    if (team < 2) {
        fwd_planes(p, src, dst, chosen, (struct range){0, p->planes});
        return;
    }
#pragma omp parallel num_threads(team)
    fwd_planes(p, src, dst, chosen, my_range(p->planes, 1));
}

static void bwd_planes(const struct maxpool *p, const float *diff_dst, const uint8_t *chosen,
                       float *diff_src, struct range r)
{
    for (int64_t i = r.first; i < r.last; i++) {
        const int64_t to = i * p->ih * p->iw * p->lanes, from = i * p->oh * p->ow * p->lanes;
        if (p->lanes > 1)
            bwd_lanes(p, diff_dst + from, chosen + from, diff_src + to);
        else if (p->kh == 2 && p->kw == 2 && p->s == 2)
            bwd_2x2(p, diff_dst + from, chosen + from, diff_src + to);
        else
            bwd_any(p, diff_dst + from, chosen + from, diff_src + to);
    }
}

static void maxpool_bwd(const struct maxpool *p, const float *diff_dst, const uint8_t *chosen,
                        float *diff_src, int threads)
{
    int team = team_for(p->planes * p->ih * p->iw * p->lanes, POOL_GRAIN, threads);
    if (team < 2) {
        bwd_planes(p, diff_dst, chosen, diff_src, (struct range){0, p->planes});
        return;
    }
#pragma omp parallel num_threads(team)
    bwd_planes(p, diff_dst, chosen, diff_src, my_range(p->planes, 1));
}

/* The scalars of one Adam update, rounded once to the precision of the weights. */
struct update_scalars {
    float beta1, take1, beta2, take2, rate, root, eps, decay;
    /* Nesterov's step along g and along m; without it 0 and 1. */
    float along_g, along_m;
};

/* V weights from vectors of everything; returns the new weights. `kind` is a constant where it is called. */
static inline vf update_step(enum optimizer_kind kind, struct update_scalars s, vf w, vf g, vf *m,
                             vf *v)
{
    g = vfma(vset1(s.decay), w, g);
    if (kind == OPTIMIZER_SGD) {
        *m = vfma(vset1(s.beta1), *m, g);
        const vf along = vfma(vset1(s.along_m), *m, vmul(vset1(s.along_g), g));
        return vsub(w, vmul(vset1(s.rate), along));
    }
    *v = vfma(vmul(vset1(s.take2), g), g, vmul(vset1(s.beta2), *v));
    const vf under = vfma(vsqrt(*v), vset1(s.root), vset1(s.eps));
    if (kind == OPTIMIZER_RMSPROP)
        return vsub(w, vdiv(vmul(vset1(s.rate), g), under));
    *m = vfma(vset1(s.take1), vsub(g, *m), *m);
    return vsub(w, vdiv(vmul(vset1(s.rate), *m), under));
}

static inline void update_kind(enum optimizer_kind kind, struct update_scalars s,
                               float *restrict weights, const float *restrict gradients,
                               float *restrict m, float *restrict v, struct range r)
{
    int64_t i = r.first;
    for (; i + V <= r.last; i += V) {
        vf first = vload(m + i), second = vload(v + i);
        vstore(weights + i,
               update_step(kind, s, vload(weights + i), vload(gradients + i), &first, &second));
        vstore(m + i, first);
        vstore(v + i, second);
    }
    const int64_t n = r.last - i;
    if (n > 0) {
        vf first = vload_n(m + i, n), second = vload_n(v + i, n);
        vstore_n(weights + i,
                 update_step(kind, s, vload_n(weights + i, n), vload_n(gradients + i, n), &first,
                             &second),
                 n);
        vstore_n(m + i, first, n);
        vstore_n(v + i, second, n);
    }
}

/* Out of line: the compiler may move arithmetic past what switches its mode, but not past a call. */
static __attribute__((noinline)) void update_range(enum optimizer_kind kind,
                                                   struct update_scalars s, float *weights,
                                                   const float *gradients, float *m, float *v,
                                                   struct range r)
{
    switch (kind) {
    case OPTIMIZER_SGD: update_kind(OPTIMIZER_SGD, s, weights, gradients, m, v, r); break;
    case OPTIMIZER_RMSPROP: update_kind(OPTIMIZER_RMSPROP, s, weights, gradients, m, v, r); break;
    default: update_kind(OPTIMIZER_ADAM, s, weights, gradients, m, v, r); break;
    }
}

/* The calling thread's share of each part. If the gradient of a weight stays 0, as at the border of digits, its moments
 * decay to denormal numbers and stay there. Each would cost an assist in microcode on x86 and does not matter. */
static void update_share(enum optimizer_kind kind, struct update_scalars s, int parts,
                         const int64_t *ends, float *weights, const float *gradients, float *m,
                         float *v)
{
    const unsigned mode = vflush();
    for (int64_t i = 0, first = 0; i < parts; first = ends[i++]) {
        const struct range mine = my_range(ends[i] - first, 16);
        update_range(kind, s, weights, gradients, m, v,
                     (struct range){first + mine.first, first + mine.last});
    }
    vunflush(mode);
}

static void update(const struct optimizer *o, int parts, const int64_t *ends, float *weights,
                   const float *gradients, float *m, float *v, int threads)
{
    const bool adam = o->kind == OPTIMIZER_ADAM;
    const double steps = (double)o->step;
    const struct update_scalars s = {
        .beta1 = (float)o->beta1,
        .take1 = (float)(1 - o->beta1),
        .beta2 = (float)o->beta2,
        .take2 = (float)(1 - o->beta2),
        .rate = (float)(adam ? o->lr / (1 - pow(o->beta1, steps)) : o->lr),
        .root = (float)(adam ? 1 / sqrt(1 - pow(o->beta2, steps)) : 1),
        .eps = (float)o->eps,
        .decay = (float)o->decay,
        .along_g = o->nesterov ? 1 : 0,
        .along_m = o->nesterov ? (float)o->beta1 : 1,
    };
    int team = team_for(ends[parts - 1], UPDATE_GRAIN, threads);
    if (team < 2) {
        update_share(o->kind, s, parts, ends, weights, gradients, m, v);
        return;
    }
#pragma omp parallel num_threads(team)
    update_share(o->kind, s, parts, ends, weights, gradients, m, v);
}

static void column_sums(int64_t rows, int64_t columns, const float *x, float *sums)
{
    /* A block of columns is as wide as a cache line, so each line of x is read once. */
    enum { BLOCK = 16 };
    int64_t first = 0;
    for (; first + BLOCK <= columns; first += BLOCK) {
        double sum[BLOCK] = {0};
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < BLOCK; j++)
                sum[j] += x[i * columns + first + j];
        for (int64_t j = 0; j < BLOCK; j++)
            sums[first + j] = (float)sum[j];
    }
    for (; first < columns; first++) {
        double sum = 0;
        for (int64_t i = 0; i < rows; i++)
            sum += x[i * columns + first];
        sums[first] = (float)sum;
    }
}

static void pixels(int64_t n, const uint8_t *restrict src, float shift, float scale,
                   float *restrict dst)
{
    int64_t i = 0;
    for (; i + V <= n; i += V)
        vstore(dst + i, vdiv(vsub(vbytes(src + i), vset1(shift)), vset1(scale)));
    for (; i < n; i++)
        dst[i] = ((float)src[i] - shift) / scale;
}

const struct layers LAYERS = {
    .isa = VARIANT_ISA,
    .relu_fwd = relu_fwd,
    .relu_bwd = relu_bwd,
    .curve_fwd = curve_fwd,
    .curve_bwd = curve_bwd,
    .dropout = dropout,
    .maxpool_fwd = maxpool_fwd,
    .maxpool_bwd = maxpool_bwd,
    .avgpool_fwd = avgpool_fwd,
    .avgpool_bwd = avgpool_bwd,
    .bn_frozen_bwd = bn_frozen_bwd,
    .update = update,
    .column_sums = column_sums,
    .pixels = pixels,
};
