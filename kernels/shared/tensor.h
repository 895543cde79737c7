/* Tensors of pixels and channels, whatever their layout. Distances are in floats. */
#ifndef BATCHMARK_TENSOR_H
#define BATCHMARK_TENSOR_H

#include "kernel.h"
#include "shared/lines.h"

struct tensor {
    float *data;
    enum layout layout;
    int64_t c, h, w;
};

/* From pixel to pixel of a channel. */
static inline int64_t pixel_pitch(enum layout layout, int64_t channels)
{
    return layout == NHWC ? channels : layout == NCHW16C ? 16 : 1;
}

/* From the beginning of a tensor of images of `area` pixels to the first pixel of channel c of image n. */
static inline ptrdiff_t channel_offset(enum layout layout, int64_t channels, int64_t area,
                                       int64_t n, int64_t c)
{
    if (layout == NHWC)
        return n * area * channels + c;
    if (layout == NCHW16C)
        return (n * div_up(channels, 16) + c / 16) * area * 16 + c % 16;
    return (n * channels + c) * area;
}

/* The first pixel of channel c of image n. */
static inline float *channel_of(const struct tensor *t, int64_t n, int64_t c)
{
    return t->data + channel_offset(t->layout, t->c, t->h * t->w, n, c);
}

/* How a tensor is laid out from plane to plane: nchw has a plane for each channel, nchw16c for 16, nhwc one. */
struct planes {
    int64_t first, count, all; /* that hold channels c0 .. c0 + channels; planes of an image */
    int64_t pitch, size;       /* from pixel to pixel, from plane to plane */
};

static inline struct planes planes_of(const struct tensor *t, int64_t c0, int64_t channels)
{
    struct planes p = {.first = c0, .count = channels, .all = t->c, .pitch = 1};
    if (t->layout == NHWC) {
        p = (struct planes){.count = 1, .all = 1, .pitch = t->c};
    } else if (t->layout == NCHW16C) {
        p.first = c0 / 16;
        p.count = div_up(c0 + channels, 16) - p.first;
        p.all = div_up(t->c, 16);
        p.pitch = 16;
    }
    p.size = t->h * t->w * p.pitch;
    return p;
}

/* Rows y0 .. y0 + rows, cut to the tensor, of some channels. */
static inline struct lines lines_make(const struct tensor *t, int64_t n, int64_t images, int64_t c0,
                                      int64_t channels, int64_t y0, int64_t rows)
{
    struct planes p = planes_of(t, c0, channels);
    int64_t top = min_i64(max_i64(y0, 0), t->h), end = max_i64(min_i64(y0 + rows, t->h), top);
    return (struct lines){.at = t->data + (n * p.all + p.first) * p.size + top * t->w * p.pitch,
                          .images = images,
                          .planes = p.count,
                          .run = (end - top) * t->w * p.pitch,
                          .image = p.all * p.size,
                          .plane = p.size};
}

#endif
