/* Depthwise convolution: as many groups as channels, so that nothing is summed over channels. DEPTHWISE_GRADIENT of the
 * including file selects the forward pass or the gradient of the data, which is a convolution of diff_dst. Defines
 * depthwise_scratch() and depthwise_run(); depthwise_planes.tmpl.h defines depthwise_fits(), slices, strips and planes.
 *
 *   for each slice of an image and strip of its rows                       dealt to threads
 *     copy the input rows, zero padded, to planes
 *     for each remainder of rows and columns of diff_src modulo the stride (forward there is one)
 *       for each TILE_VECTORS vectors of results: the micro-kernel         a tap of a vector is a vector of a plane
 *
 * Limited by memory where tensors are not cached, else by loads, one for each FMA, and by the copy of the input, which reading
 * in place would save: with AVX-512 3x3 on mb16ic64ih56 moves 7 GB/s of compulsory bytes in nchw and nhwc, 12 in nchw16c.
 * A sum is made in the order of the taps: the same bits for any number of threads.
 *
 * The gradient: diff_src[q * stride + r - padding] is a sum over the taps with remainder r, which multiply diff_dst[q -
 * tap / stride]. For each r that is a convolution at stride 1, and all of them read one zero-padded plane of diff_dst. If
 * r has no taps, its results are zero. A strip is some rows q.
 *
 * If lanes are pixels, the lanes between the ends of rows are dropped when results are moved to dst. If lanes are
 * channels, whole vectors go to dst from registers. In both cases weights are vectors: of equal floats, or of one float
 * per channel. */
#include "algorithms/depthwise/depthwise_planes.tmpl.h"

/* Parameters:
 *
 *   TILE_VECTORS          1 to 8    vectors of results of a tile
 *   DEPTHWISE_GRADIENT    bool      the gradient of the data */
_Static_assert(TILE_VECTORS >= 1 && TILE_VECTORS <= 8,
               "hot_depthwise() has a case for 1 to 8 vectors");

/* Floats of the planes of a strip: half of a 32 KiB L1 if lanes are pixels. If lanes are channels it is twice that,
 * because rows are longer and strips share some of them. With strips that fit only L2, 112x112 at stride 2 in nhwc takes a
 * quarter longer. */
#define STRIP_PIXELS 4096
#define STRIP_CHANNELS 8192

/* Bound of a tile that unroll pragmas can repeat. */
#define MAX_VECTORS 8

/* Results of one remainder of rows or columns modulo the stride of the gradient; forward there is one, of all. */
struct phase {
    int64_t first, last; /* its part of the results q of the planes' convolution */
    int64_t taps;        /* of the kernel's rows or columns */
};

struct plan {
    struct strips planes;
    int64_t high, wide; /* of dst or diff_src */
    int64_t step_y,
        step_x; /* from result to result of a phase, the stride of the gradient, else 1 */
    int64_t from_y, from_x; /* what the first result of phase 0 is in dst or diff_src: at most 0 */
    int64_t plane;          /* floats from plane to plane */
    int64_t vectors;        /* of results of a strip and phase, at most */
    /* scratch */
    float *packed; /* [slice][tap][V] where channels are lanes */
    float *weights, *input, *sums;
    ptrdiff_t *at, *to, *dense; /* [phase of columns][vector] where channels are lanes */
    ptrdiff_t *step;            /* of taps, phase by phase */
    int64_t *tap;               /* which, in the same order */
    size_t bytes;
};

/* The gradient as a convolution of diff_dst, at stride 1. */
static struct conv depthwise_conv(const struct conv *p)
{
    struct conv c = *p;
    if (DEPTHWISE_GRADIENT) {
        c.ih = p->oh;
        c.iw = p->ow;
        c.oh = (p->ih - 1 + p->ph) / p->sh - p->ph / p->sh + 1;
        c.ow = (p->iw - 1 + p->pw) / p->sw - p->pw / p->sw + 1;
        c.ph = (p->kh - 1) * (p->dh + 1) / p->sh - p->ph / p->sh;
        c.pw = (p->kw - 1) * (p->dw + 1) / p->sw - p->pw / p->sw;
        c.sh = 1;
        c.sw = 1;
        c.kh = (p->kh - 1) * (p->dh + 1) / p->sh + 1;
        c.kw = (p->kw - 1) * (p->dw + 1) / p->sw + 1;
        c.dh = 0;
        c.dw = 0;
    }
    return c;
}

/* Vectors of results of `rows` rows of a slice. */
static inline int64_t vectors_of(const struct strips *d, int64_t rows)
{
    if (d->channels)
        return rows * d->conv.ow;
    return div_up((rows - 1) * d->column + d->conv.ow, V);
}

static struct plan depthwise_plan(const struct args *a, int thread)
{
    const struct conv *p = &a->problem->conv;
    const bool channels = a->formats.src != NCHW;
    struct plan d = {.planes = strips_of(depthwise_conv(p), a->formats.src,
                                         channels ? STRIP_CHANNELS : STRIP_PIXELS)};
    d.high = DEPTHWISE_GRADIENT ? p->ih : p->oh;
    d.wide = DEPTHWISE_GRADIENT ? p->iw : p->ow;
    d.step_y = DEPTHWISE_GRADIENT ? p->sh : 1;
    d.step_x = DEPTHWISE_GRADIENT ? p->sw : 1;
    d.from_y = DEPTHWISE_GRADIENT ? p->ph / p->sh * p->sh - p->ph : 0;
    d.from_x = DEPTHWISE_GRADIENT ? p->pw / p->sw * p->sw - p->pw : 0;
    d.plane = plane_floats(&d.planes, 1);
    d.vectors = vectors_of(&d.planes, d.planes.strip);

    const int64_t taps = p->kh * p->kw, lists = channels ? d.step_x : 1;
    struct carver c = carve_from(a->scratch, thread);
    d.packed = carve(&c, channels ? d.planes.slices * taps * V : 0, sizeof(float));
    carve_own(&c, &d.weights, channels ? 0 : taps * V, sizeof(float));
    /* The last vector of pixels reads beyond its rows. */
    carve_own(&c, &d.input, d.planes.phases_y * d.planes.phases_x * d.plane + 2 * V, sizeof(float));
    carve_own(&c, &d.sums, (channels ? 1 : d.step_x) * (d.vectors + 1) * V, sizeof(float));
    carve_own(&c, &d.at, lists * d.vectors, sizeof *d.at);
    carve_own(&c, &d.to, lists * d.vectors, sizeof *d.to);
    carve_own(&c, &d.dense, d.vectors, sizeof *d.dense);
    carve_own(&c, &d.step, taps, sizeof *d.step);
    carve_own(&c, &d.tap, taps, sizeof *d.tap);
    d.bytes = carve_end(&c);
    return d;
}

static size_t depthwise_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct args a = args_to_count(p, f, h);
    return depthwise_plan(&a, h->threads - 1).bytes;
}

/* What a tile computes: `vectors` vectors of results, number v reads from x + at[v] on and goes to out + to[v]. */
struct job {
    const float *x, *w, *start;
    float *out;
    const ptrdiff_t *at, *to, *step;
    int64_t taps, vectors;
};

static inline __attribute__((always_inline)) void tile(int n, const struct job *j)
{
    const float *pixel[MAX_VECTORS], *w = j->w;
    const ptrdiff_t *step = j->step, *end = step + j->taps;
    vf sum[MAX_VECTORS], start = vload(j->start);
#pragma GCC unroll 8
    for (int v = 0; v < MAX_VECTORS; v++) {
        if (v >= n)
            break;
        pixel[v] = j->x + j->at[v];
        sum[v] = start;
    }
    for (; step < end; step++, w += V) {
        vf b = vload(w);
        ptrdiff_t s = *step;
#pragma GCC unroll 8
        for (int v = 0; v < MAX_VECTORS; v++)
            if (v < n)
                sum[v] = vfma(b, vload(pixel[v] + s), sum[v]);
    }
#pragma GCC unroll 8
    for (int v = 0; v < MAX_VECTORS; v++)
        if (v < n)
            vstore(j->out + j->to[v], sum[v]);
}

static __attribute__((noinline)) void hot_depthwise(const struct job *j)
{
    switch (j->vectors) {
    case 1: tile(1, j); break;
    case 2: tile(2, j); break;
    case 3: tile(3, j); break;
    case 4: tile(4, j); break;
    case 5: tile(5, j); break;
    case 6: tile(6, j); break;
    case 7: tile(7, j); break;
    default: tile(8, j);
    }
}

/* Rows or columns of one remainder: of `size` in dst or diff_src, q counted from `from` on in steps. */
static struct phase phase_of(int64_t remainder, int64_t size, int64_t from, int64_t step,
                             int64_t kernel, int64_t dilation)
{
    struct phase s = {.first = from + remainder < 0, .last = div_up(size - from - remainder, step)};
    for (int64_t k = 0; k < kernel; k++)
        s.taps += k * (dilation + 1) % step == remainder;
    return s;
}

/* Taps phase by phase, rows of phases first: which, and where each begins in the planes. */
static void list_taps(const struct plan *d, const struct conv *p)
{
    const struct strips *s = &d->planes;
    int64_t n = 0;
    if (!DEPTHWISE_GRADIENT) {
        for (; n < s->taps; n++) {
            d->tap[n] = n;
            d->step[n] = tap_at(s, d->plane, n);
        }
        return;
    }
    for (int64_t ry = 0; ry < p->sh; ry++)
        for (int64_t rx = 0; rx < p->sw; rx++)
            for (int64_t t = p->kh * p->kw - 1; t >= 0; t--) {
                const int64_t y = t / p->kw * (p->dh + 1), x = t % p->kw * (p->dw + 1);
                if (y % p->sh != ry || x % p->sw != rx)
                    continue;
                d->tap[n] = t;
                d->step[n++] =
                    ((s->extra - y / p->sh) * s->column + s->conv.kw - 1 - x / p->sw) * s->pixel;
            }
}

/* Tiles of the packing: slices of channels. */
static void pack_weights(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = depthwise_plan(a, thread);
    const struct conv *p = &a->problem->conv;
    const int64_t taps = p->kh * p->kw;
    list_taps(&d, p);
    for (int64_t i = first; i < last; i++) {
        int64_t m = min_i64(p->oc - i * V, V);
        for (int64_t t = 0; t < taps; t++)
            for (int64_t l = 0; l < V; l++)
                d.packed[(i * taps + t) * V + l] =
                    l < m ? a->t[WEIGHTS][(i * V + l) * taps + d.tap[t]] : 0;
    }
}

/* Where vectors are read, and go to in a tensor of that distance from pixel to pixel, counted from the phase's first
 * result of a row on; in order where they wait to be moved. */
static void list_vectors(const struct plan *d, int64_t pitch)
{
    const struct strips *s = &d->planes;
    for (int64_t i = 0; i < d->vectors; i++)
        d->dense[i] = i * V;
    if (!s->channels) {
        for (int64_t i = 0; i < d->vectors; i++)
            d->at[i] = i * V;
        return;
    }
    for (int64_t r = 0; r < d->step_x; r++) {
        const struct phase x = phase_of(r, d->wide, d->from_x, d->step_x, 0, 0);
        ptrdiff_t *at = d->at + r * d->vectors, *to = d->to + r * d->vectors;
        for (int64_t y = 0; y < s->strip; y++)
            for (int64_t i = x.first; i < x.last; i++) {
                *at++ = (y * s->column + i) * V;
                *to++ = (y * d->step_y * d->wide + (i - x.first) * d->step_x) * pitch;
            }
    }
}

/* Moves rows of pixels that are not whole vectors to dst: of all phases of columns, `from` and `pitch` floats on. */
static void put_rows(const struct plan *d, float *to, int64_t rows)
{
    const struct strips *s = &d->planes;
    const int64_t pitch = (d->vectors + 1) * V, n = d->step_x, wide = d->wide;
    for (int64_t y = 0; y < rows; y++, to += d->step_y * wide) {
        const float *from = d->sums + y * s->column;
        if (n == 1) {
            int64_t x = 0;
            for (; x + V <= wide; x += V)
                vstore(to + x, vload(from + x));
            vstore_n(to + x, vload(from + x), wide - x);
            continue;
        }
        if (n == 2) { /* whole pairs, which are vectorized, between what the padding may cut off */
            const float *odd = from + pitch;
            float *pairs = to + d->from_x;
            const int64_t first = d->from_x < 0, last = (wide - d->from_x) / 2;
            if (first)
                to[0] = odd[0];
            for (int64_t x = first; x < last; x++) {
                pairs[2 * x] = from[x];
                pairs[2 * x + 1] = odd[x];
            }
            if ((wide - d->from_x) % 2)
                to[wide - 1] = from[last];
            continue;
        }
        for (int64_t r = 0; r < n; r++) {
            const struct phase x = phase_of(r, wide, d->from_x, n, 0, 0);
            for (int64_t i = x.first; i < x.last; i++)
                to[d->from_x + r + i * n] = from[r * pitch + i];
        }
    }
}

/* One strip of a slice: the job's x, w and taps go on from phase to phase. */
static void convolve_strip(const struct plan *d, const struct conv *p, struct slice s,
                           const float *w, const float *start, float *dst, int64_t y0, int64_t rows)
{
    const struct strips *planes = &d->planes;
    struct job j = {.w = w, .start = start, .step = d->step};
    for (int64_t ry = 0; ry < d->step_y; ry++) {
        struct phase y = phase_of(ry, d->high, d->from_y, d->step_y, p->kh, p->dh);
        y.first = max_i64(y.first, y0);
        y.last = min_i64(y.last, y0 + rows);
        float *row = dst + (d->from_y + ry + y.first * d->step_y) * d->wide * s.pitch;
        for (int64_t rx = 0; rx < d->step_x; rx++) {
            const struct phase x = phase_of(rx, d->wide, d->from_x, d->step_x, p->kw, p->dw);
            const int64_t n = y.last - y.first, across = x.last - x.first;
            const ptrdiff_t *at = d->at + (planes->channels ? rx * d->vectors : 0);
            const ptrdiff_t *to = d->to + (planes->channels ? rx * d->vectors : 0);
            const bool moved = !planes->channels || s.m < V;
            float *out = row + (d->from_x + rx + x.first * d->step_x) * s.pitch;
            j.taps = DEPTHWISE_GRADIENT ? x.taps * y.taps : planes->taps;
            j.x = d->input + (y.first - y0) * planes->column * planes->pixel;
            j.out = !moved ? out : d->sums + (planes->channels ? 0 : rx * (d->vectors + 1) * V);
            const int64_t vectors = n <= 0             ? 0
                                    : planes->channels ? n * across
                                                       : vectors_of(planes, n);
            const int64_t tiles = div_up(vectors, TILE_VECTORS);
            for (int64_t t = 0; t < tiles; t++) {
                int64_t v = vectors * t / tiles;
                j.vectors = vectors * (t + 1) / tiles - v;
                j.at = at + v;
                j.to = (moved ? d->dense : to) + v;
                hot_depthwise(&j);
            }
            if (planes->channels && moved)
                for (int64_t i = 0; i < vectors; i++)
                    vstore_n(out + to[i], vload(d->sums + i * V), s.m);
            j.w += j.taps * V;
            j.step += j.taps;
        }
        if (!planes->channels)
            put_rows(d, row, y.last - y.first);
    }
}

/* Tiles: (image, slice, strip), or (image, strip, slice) where slices share lines of memory. */
static void convolve(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = depthwise_plan(a, thread);
    const struct strips *planes = &d.planes;
    const struct conv *p = &a->problem->conv;
    const float *src = a->t[DEPTHWISE_GRADIENT ? DIFF_DST : SRC];
    const float *bias = DEPTHWISE_GRADIENT ? NULL : a->t[BIAS];
    float *dst = a->t[DEPTHWISE_GRADIENT ? DIFF_SRC : DST];
    const int64_t taps = p->kh * p->kw;
    list_taps(&d, p);
    list_vectors(&d, slice_of(planes, 0).pitch);
    for (int64_t i = first; i < last; i++) {
        int64_t each = planes->slices * planes->strips, rest = i % each, n = i / each;
        bool nhwc = planes->layout == NHWC;
        int64_t slice = nhwc ? rest % planes->slices : rest / planes->strips;
        int64_t y0 = (nhwc ? rest / planes->slices : rest % planes->strips) * planes->strip;
        int64_t rows = min_i64(planes->strip, planes->conv.oh - y0);
        struct slice s = slice_of(planes, slice);
        const float *w = d.weights;
        float start[V];
        if (planes->layout == NCHW) {
            vstore(start, vset1(bias ? bias[slice] : 0));
            for (int64_t t = 0; t < taps; t++)
                vstore(d.weights + t * V, vset1(a->t[WEIGHTS][slice * taps + d.tap[t]]));
        } else {
            w = d.packed + slice * taps * V;
            vstore(start, vzero());
            if (bias)
                vstore(start, vload_n(bias + slice * V, min_i64(max_i64(p->oc - slice * V, 0), V)));
        }
        put_planes(planes, d.input, d.plane,
                   src + slice_at(planes, n, slice, planes->conv.ih * planes->conv.iw), s, y0,
                   rows);
        convolve_strip(&d, p, s, w, start, dst + slice_at(planes, n, slice, d.high * d.wide), y0,
                       rows);
    }
}

static void depthwise_run(const struct args *a)
{
    struct plan d = depthwise_plan(a, 0);
    run_tiles_twice(a, d.planes.layout == NCHW ? 0 : d.planes.slices, pack_weights,
                    d.planes.conv.mb * d.planes.slices * d.planes.strips, convolve);
}
