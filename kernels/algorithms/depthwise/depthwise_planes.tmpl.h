/* What depthwise convolutions of all passes share: slices of images, and zero-padded planes. A strip of rows of a slice is
 * copied into planes, one for each remainder of rows and columns modulo the stride. A tap of a vector of results is then
 * a vector of a plane.
 *
 * direct_core.tmpl.h has the channels of a group in the lanes, so only one of V lanes works if a group has one channel.
 * Here, in nchw, a slice is one channel and the lanes are its pixels, counted across the rows of the planes, so that
 * narrow images fill vectors, too. In nhwc and nchw16c a slice is V channels, which are the lanes. */
#include "shared/carve.h"
#include "shared/floats.h"
#include "shared/partition.h"
#include "shared/tensor.h"
#include "vec/vec.h"

struct strips {
    struct conv conv; /* as it is computed: forward */
    enum layout layout;
    bool channels; /* are the lanes */
    int64_t slices, taps;
    int64_t strip, strips;      /* rows of results of one, how many in an image */
    int64_t phases_y, phases_x; /* remainders modulo the stride that taps meet */
    int64_t pixel, column,
        extra; /* of a plane: floats of a pixel, pixels of a row, rows beyond those of the results */
};

static const char *depthwise_fits(const struct problem *p, struct formats f)
{
    (void)f;
    if (p->conv.g != p->conv.ic || p->conv.g != p->conv.oc)
        return "groups of several channels";
    return NULL;
}

/* Strips such that all planes of one have about so many floats. */
static struct strips strips_of(struct conv conv, enum layout layout, int64_t floats)
{
    struct strips d = {.conv = conv, .layout = layout, .channels = layout != NCHW};
    const struct conv *p = &d.conv;
    d.taps = p->kh * p->kw;
    d.slices = d.channels ? div_up(layout == NCHW16C ? div_up(p->oc, 16) * 16 : p->oc, V) : p->oc;
    int64_t high = (p->kh - 1) * (p->dh + 1), wide = (p->kw - 1) * (p->dw + 1);
    d.phases_y = min_i64(p->sh, high + 1);
    d.phases_x = min_i64(p->sw, wide + 1);
    d.pixel = d.channels ? V : 1;
    d.column = p->ow + wide / p->sw;
    d.extra = high / p->sh;
    int64_t fit = floats / (d.phases_y * d.phases_x * d.column * d.pixel);
    d.strip = min_i64(max_i64(fit - d.extra, 2 * d.extra + 1), p->oh);
    d.strips = div_up(p->oh, d.strip);
    d.strip = div_up(p->oh, d.strips);
    d.strips = div_up(p->oh, d.strip);
    return d;
}

/* Floats from plane to plane where one holds strips of `images` and the zeros behind them: an odd number of cache lines, so
 * that planes spread over all sets of the cache. */
static inline int64_t plane_floats(const struct strips *d, int64_t images)
{
    int64_t floats = images * (d->strip + d->extra) * d->column * d->pixel;
    return (div_up(floats + (d->channels ? 0 : V), 16) | 1) * 16;
}

/* Where a tap of the kernel begins in planes so far apart. */
static inline ptrdiff_t tap_at(const struct strips *d, int64_t plane, int64_t tap)
{
    const struct conv *p = &d->conv;
    int64_t y = tap / p->kw * (p->dh + 1), x = tap % p->kw * (p->dw + 1);
    return (y % p->sh * d->phases_x + x % p->sw) * plane +
           (y / p->sh * d->column + x / p->sw) * d->pixel;
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
        if (n >= V) /* masked stores are slow on some CPUs */
            vstore(to + n - V, vload(from + n - V));
        else
            vstore_n(to, vload_n(from, n), n);
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

static inline struct slice slice_of(const struct strips *d, int64_t i)
{
    const int64_t pitch = pixel_pitch(d->layout, d->conv.oc);
    if (d->layout == NCHW)
        return (struct slice){pitch, 1};
    return (struct slice){pitch, d->layout == NHWC ? min_i64(d->conv.oc - i * V, V) : V};
}

/* First pixel of slice i of image n of a tensor whose images have `area` pixels. */
static inline ptrdiff_t slice_at(const struct strips *d, int64_t n, int64_t i, int64_t area)
{
    return channel_offset(d->layout, d->conv.oc, area, n, d->channels ? i * V : i);
}

/* Copies what rows y0 .. y0 + rows of the results read, to planes so far apart. */
static void put_planes(const struct strips *d, float *planes, int64_t plane, const float *from,
                       struct slice s, int64_t y0, int64_t rows)
{
    const struct conv *p = &d->conv;
    for (int64_t i = 0; i < d->phases_y * d->phases_x; i++) {
        float *to = planes + i * plane;
        int64_t ry = i / d->phases_x, shift = i % d->phases_x - p->pw;
        int64_t left = min_i64(max_i64(div_up(-shift, p->sw), 0), d->column);
        int64_t end = max_i64(min_i64(div_up(p->iw - shift, p->sw), d->column), left);
        for (int64_t y = 0; y < rows + d->extra; y++, to += d->column * d->pixel) {
            int64_t row = (y0 + y) * p->sh + ry - p->ph;
            if (row < 0 || row >= p->ih || left == end) {
                put_zeros_over(to, d->column * d->pixel);
                continue;
            }
            put_zeros_over(to, left * d->pixel);
            put_pixels(to + left * d->pixel, from + (row * p->iw + left * p->sw + shift) * s.pitch,
                       end - left, p->sw * s.pitch, d->channels, s.m);
            put_zeros_over(to + end * d->pixel, (d->column - end) * d->pixel);
        }
        /* Read by lanes that count for nothing; the next image of this plane may begin here. */
        if (!d->channels)
            put_zeros_over(to, V);
    }
}

#define DEPTHWISE                                                                                  \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}}, .algebra = SUM_OF_PRODUCTS,       \
    .thread_invariant = true, .fits = depthwise_fits, .scratch_size = depthwise_scratch,           \
    .run = depthwise_run
