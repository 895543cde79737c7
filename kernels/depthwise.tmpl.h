/* Depthwise convolution: as many groups as channels, so that nothing is summed over channels. Forward, and the gradient
 * of the data at stride 1, which is the same with taps in reverse and other padding; the including file says which by
 * DEPTHWISE_GRADIENT. Defines depthwise_fits(), depthwise_scratch() and depthwise_run().
 *
 *   for each slice of an image and strip of its rows                       dealt to threads
 *     copy the input rows, zero padded, each remainder of rows and columns modulo the stride a plane of its own
 *     for each TILE_VECTORS vectors of results: the micro-kernel           a tap of a vector is a vector of a plane
 *
 * A slice is a channel where the layout keeps its pixels together (nchw): the lanes are pixels, counted on through the
 * rows of the planes, so that narrow images fill vectors too; what lies between the ends of rows is thrown away when
 * results are moved to dst. Else it is V channels (nhwc, nchw16c), which are the lanes, and whole vectors of results go
 * to dst from registers. In both cases weights are vectors: of equal floats, or of one for each channel. */
#include "carve.h"
#include "partition.h"
#include "vec.h"

/* Floats of the planes of a strip: half of a 32 KiB L1 where pixels are lanes. Channels make longer rows and strips share
 * some of them, so there it is twice that; of strips that only fit L2, 112x112 of stride 2 in nhwc takes a quarter longer. */
#define STRIP_PIXELS 4096
#define STRIP_CHANNELS 8192

/* Bound of a tile that unroll pragmas can repeat. */
#define MAX_VECTORS 8

struct plan {
    struct conv conv; /* forward, whatever the pass */
    enum layout layout;
    bool channels; /* are the lanes */
    int64_t slices, taps;
    int64_t strip, strips;      /* rows of results of one, how many in an image */
    int64_t phases_y, phases_x; /* remainders modulo the stride that taps meet */
    int64_t pixel, column,
        extra; /* of a plane: floats of a pixel, pixels of a row, rows beyond those of the results */
    int64_t plane; /* floats from plane to plane */
    /* scratch */
    float *packed; /* [slice][tap][V] where channels are lanes */
    float *weights, *input, *sums;
    ptrdiff_t *at, *step, *to;
    size_t bytes;
};

/* The gradient at stride 1 as a convolution of diff_dst. */
static struct conv depthwise_conv(const struct conv *p)
{
    struct conv c = *p;
    if (DEPTHWISE_GRADIENT) {
        c.ih = p->oh;
        c.iw = p->ow;
        c.oh = p->ih;
        c.ow = p->iw;
        c.ph = (p->kh - 1) * (p->dh + 1) - p->ph;
        c.pw = (p->kw - 1) * (p->dw + 1) - p->pw;
    }
    return c;
}

/* Vectors of results of `rows` rows of a slice. */
static inline int64_t vectors_of(const struct plan *d, int64_t rows)
{
    if (d->channels)
        return rows * d->conv.ow;
    return div_up((rows - 1) * d->column + d->conv.ow, V);
}

static struct plan depthwise_plan(const struct problem *problem, struct formats f, void *scratch,
                                  int thread)
{
    struct plan d = {
        .conv = depthwise_conv(&problem->conv), .layout = f.src, .channels = f.src != NCHW};
    const struct conv *p = &d.conv;
    d.taps = p->kh * p->kw;
    d.slices = d.channels ? div_up(f.src == NCHW16C ? div_up(p->oc, 16) * 16 : p->oc, V) : p->oc;
    int64_t high = (p->kh - 1) * (p->dh + 1), wide = (p->kw - 1) * (p->dw + 1);
    d.phases_y = min_i64(p->sh, high + 1);
    d.phases_x = min_i64(p->sw, wide + 1);
    d.pixel = d.channels ? V : 1;
    d.column = p->ow + wide / p->sw;
    d.extra = high / p->sh;
    int64_t fit = (d.channels ? STRIP_CHANNELS : STRIP_PIXELS) /
                  (d.phases_y * d.phases_x * d.column * d.pixel);
    d.strip = min_i64(max_i64(fit - d.extra, 2 * d.extra + 1), p->oh);
    d.strips = div_up(p->oh, d.strip);
    d.strip = div_up(p->oh, d.strips);
    d.strips = div_up(p->oh, d.strip);
    /* An odd number of cache lines: planes then spread over all sets of the cache. */
    d.plane = (div_up((d.strip + d.extra) * d.column * d.pixel, 16) | 1) * 16;

    int64_t vectors = vectors_of(&d, d.strip);
    struct carver c = {.base = scratch};
    d.packed = carve(&c, d.channels ? d.slices * d.taps * V : 0, sizeof(float));
    size_t shared = c.used;
    d.weights = carve(&c, d.channels ? 0 : d.taps * V, sizeof(float));
    /* The last vector of pixels reads beyond its rows. */
    d.input = carve(&c, d.phases_y * d.phases_x * d.plane + 2 * V, sizeof(float));
    d.sums = carve(&c, (vectors + 1) * V, sizeof(float));
    d.at = carve(&c, vectors, sizeof *d.at);
    d.to = carve(&c, vectors, sizeof *d.to);
    d.step = carve(&c, d.taps, sizeof *d.step);
    size_t own = c.used - shared;
    if (scratch) {
        size_t skip = (size_t)thread * own;
        d.weights += skip / sizeof(float);
        d.input += skip / sizeof(float);
        d.sums += skip / sizeof(float);
        d.at += skip / sizeof *d.at;
        d.to += skip / sizeof *d.to;
        d.step += skip / sizeof *d.step;
    }
    d.bytes = shared + own * (size_t)(thread + 1);
    return d;
}

static size_t depthwise_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    return depthwise_plan(p, f, NULL, h->threads - 1).bytes;
}

static const char *depthwise_fits(const struct problem *p, struct formats f)
{
    (void)f;
    if (p->conv.g != p->conv.ic || p->conv.g != p->conv.oc)
        return "groups of several channels";
    if (DEPTHWISE_GRADIENT && (p->conv.sh > 1 || p->conv.sw > 1))
        return "has a stride";
    return NULL;
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

/* Weight `tap` of a channel, in the order in which taps are read. */
static inline float weight_of(const struct plan *d, const float *weights, int64_t c, int64_t tap)
{
    return weights[c * d->taps + (DEPTHWISE_GRADIENT ? d->taps - 1 - tap : tap)];
}

/* Tiles of the packing: slices of channels. */
static void pack_weights(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = depthwise_plan(a->problem, a->formats, a->scratch, thread);
    for (int64_t i = first; i < last; i++) {
        int64_t m = min_i64(d.conv.oc - i * V, V);
        for (int64_t t = 0; t < d.taps; t++)
            for (int64_t l = 0; l < V; l++)
                d.packed[(i * d.taps + t) * V + l] =
                    l < m ? weight_of(&d, a->t[WEIGHTS], i * V + l, t) : 0;
    }
}

static inline void put_zeros(float *to, int64_t n)
{
    int64_t i = 0;
    for (; i + V <= n; i += V)
        vstore(to + i, vzero());
    vstore_n(to + i, vzero(), n - i);
}

/* n pixels of a row, `pitch` floats apart: m channels, or single floats. */
static inline void put_pixels(float *to, const float *from, int64_t n, int64_t pitch, bool channels,
                              int64_t m)
{
    int64_t i = 0;
    if (channels) {
        for (; m < V && i < n; i++)
            vstore(to + i * V, vload_n(from + i * pitch, m));
        for (; i < n; i++)
            vstore(to + i * V, vload(from + i * pitch));
    } else if (pitch == 1) {
        for (; i + V <= n; i += V)
            vstore(to + i, vload(from + i));
        vstore_n(to + i, vload_n(from + i, n - i), n - i);
    } else if (pitch == 2) { /* a constant distance is vectorized */
        for (; i < n; i++)
            to[i] = from[2 * i];
    } else {
        for (; i < n; i++)
            to[i] = from[i * pitch];
    }
}

/* Where pixels of a slice lie: the tensor's distance from pixel to pixel, and channels of the slice that exist. */
struct slice {
    int64_t pitch, m;
};

static inline struct slice slice_of(const struct plan *d, int64_t i)
{
    if (d->layout == NCHW)
        return (struct slice){1, 1};
    if (d->layout == NCHW16C)
        return (struct slice){16, V};
    return (struct slice){d->conv.oc, min_i64(d->conv.oc - i * V, V)};
}

/* First pixel of slice i of image n of a tensor whose images have `area` pixels. */
static inline ptrdiff_t slice_at(const struct plan *d, int64_t n, int64_t i, int64_t area)
{
    int64_t c = d->conv.oc;
    if (d->layout == NCHW)
        return (n * c + i) * area;
    if (d->layout == NCHW16C)
        return (n * div_up(c, 16) + i * V / 16) * area * 16 + i * V % 16;
    return n * area * c + i * V;
}

/* Copies what rows y0 .. y0 + rows of the results read. */
static void put_planes(const struct plan *d, const float *from, struct slice s, int64_t y0,
                       int64_t rows)
{
    const struct conv *p = &d->conv;
    for (int64_t i = 0; i < d->phases_y * d->phases_x; i++) {
        float *to = d->input + i * d->plane;
        int64_t ry = i / d->phases_x, shift = i % d->phases_x - p->pw;
        int64_t left = min_i64(max_i64(div_up(-shift, p->sw), 0), d->column);
        int64_t end = max_i64(min_i64(div_up(p->iw - shift, p->sw), d->column), left);
        for (int64_t y = 0; y < rows + d->extra; y++, to += d->column * d->pixel) {
            int64_t row = (y0 + y) * p->sh + ry - p->ph;
            if (row < 0 || row >= p->ih || left == end) {
                put_zeros(to, d->column * d->pixel);
                continue;
            }
            put_zeros(to, left * d->pixel);
            put_pixels(to + left * d->pixel, from + (row * p->iw + left * p->sw + shift) * s.pitch,
                       end - left, p->sw * s.pitch, d->channels, s.m);
            put_zeros(to + end * d->pixel, (d->column - end) * d->pixel);
        }
        if (!d->channels) /* read by lanes that are thrown away; the next plane may begin here */
            put_zeros(to, V);
    }
}

/* Moves results that are not whole vectors to dst. */
static void put_results(const struct plan *d, float *to, struct slice s, int64_t rows)
{
    int64_t ow = d->conv.ow;
    if (d->channels) {
        for (int64_t i = 0; i < rows * ow; i++)
            vstore_n(to + i * s.pitch, vload(d->sums + i * V), s.m);
        return;
    }
    for (int64_t y = 0; y < rows; y++, to += ow) {
        const float *from = d->sums + y * d->column;
        int64_t x = 0;
        for (; x + V <= ow; x += V)
            vstore(to + x, vload(from + x));
        vstore_n(to + x, vload(from + x), ow - x);
    }
}

/* Where vectors are read and taps reach. */
static void list_offsets(const struct plan *d)
{
    const struct conv *p = &d->conv;
    int64_t vectors = vectors_of(d, d->strip);
    for (int64_t i = 0; i < vectors; i++)
        d->at[i] = d->channels ? (i / p->ow * d->column + i % p->ow) * V : i * V;
    for (int64_t t = 0; t < d->taps; t++) {
        int64_t y = t / p->kw * (p->dh + 1), x = t % p->kw * (p->dw + 1);
        d->step[t] = (y % p->sh * d->phases_x + x % p->sw) * d->plane +
                     (y / p->sh * d->column + x / p->sw) * d->pixel;
    }
}

/* Tiles: (image, slice, strip), or (image, strip, slice) where slices share lines of memory. */
static void convolve(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = depthwise_plan(a->problem, a->formats, a->scratch, thread);
    const struct conv *p = &d.conv;
    const float *src = a->t[DEPTHWISE_GRADIENT ? DIFF_DST : SRC];
    const float *bias = DEPTHWISE_GRADIENT ? NULL : a->t[BIAS];
    float *dst = a->t[DEPTHWISE_GRADIENT ? DIFF_SRC : DST];
    list_offsets(&d);
    int64_t count = vectors_of(&d, d.strip), pitch = d.layout == NCHW16C ? 16 : p->oc;
    bool moved = true;
    for (int64_t i = first; i < last; i++) {
        int64_t each = d.slices * d.strips, rest = i % each, n = i / each;
        bool nhwc = d.layout == NHWC;
        int64_t slice = nhwc ? rest % d.slices : rest / d.strips;
        int64_t y0 = (nhwc ? rest / d.slices : rest % d.strips) * d.strip;
        int64_t rows = min_i64(d.strip, p->oh - y0), vectors = vectors_of(&d, rows);
        struct slice s = slice_of(&d, slice);
        bool move = !d.channels || s.m < V;
        if (i == first || moved != move) {
            moved = move;
            for (int64_t v = 0; v < count; v++)
                d.to[v] = moved ? v * V : v * pitch;
        }
        float start[V], *out = dst + slice_at(&d, n, slice, p->oh * p->ow) + y0 * p->ow * s.pitch;
        struct job j = {.x = d.input, .w = d.weights, .start = start, .out = moved ? d.sums : out};
        j.step = d.step;
        j.taps = d.taps;
        if (d.layout == NCHW) {
            vstore(start, vset1(bias ? bias[slice] : 0));
            for (int64_t t = 0; t < d.taps; t++)
                vstore(d.weights + t * V, vset1(weight_of(&d, a->t[WEIGHTS], slice, t)));
        } else {
            j.w = d.packed + slice * d.taps * V;
            vstore(start, vzero());
            if (bias)
                vstore(start, vload_n(bias + slice * V, min_i64(max_i64(p->oc - slice * V, 0), V)));
        }
        put_planes(&d, src + slice_at(&d, n, slice, p->ih * p->iw), s, y0, rows);
        int64_t tiles = div_up(vectors, TILE_VECTORS);
        for (int64_t t = 0; t < tiles; t++) {
            int64_t v = vectors * t / tiles;
            j.vectors = vectors * (t + 1) / tiles - v;
            j.at = d.at + v;
            j.to = d.to + v;
            hot_depthwise(&j);
        }
        if (moved)
            put_results(&d, out, s, rows);
    }
}

static void depthwise_run(const struct args *a)
{
    struct plan d = depthwise_plan(a->problem, a->formats, NULL, 0);
    run_tiles_twice(a, d.layout == NCHW ? 0 : d.slices, pack_weights,
                    d.conv.mb * d.slices * d.strips, convolve);
}
