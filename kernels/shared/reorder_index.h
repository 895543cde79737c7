/* Where x[n][c][i] (i: pixel) lies in each layout: n image + c / 16 block + c % 16 lane + i pixel. */
#ifndef BATCHMARK_REORDER_INDEX_H
#define BATCHMARK_REORDER_INDEX_H

#include "kernel.h"

struct strides {
    int64_t image, block, lane, pixel;
};

static inline struct strides strides_of(const struct bn *p, enum layout layout)
{
    int64_t hw = p->ih * p->iw;
    if (layout == NCHW16C)
        return (struct strides){
            .image = div_up(p->ic, 16) * 16 * hw, .block = 16 * hw, .lane = 1, .pixel = 16};
    if (layout == NHWC)
        return (struct strides){.image = p->ic * hw, .block = 16, .lane = 1, .pixel = p->ic};
    return (struct strides){.image = p->ic * hw, .block = 16 * hw, .lane = hw, .pixel = 1};
}

/* The index of x[n][c][i]. */
static inline int64_t index_of(struct strides s, int64_t n, int64_t c, int64_t i)
{
    return n * s.image + c / 16 * s.block + c % 16 * s.lane + i * s.pixel;
}

#endif
