/* Multiplications and additions of convolutions that leave out what padding would add. */
#ifndef BATCHMARK_CONV_FLOPS_H
#define BATCHMARK_CONV_FLOPS_H

#include "kernel.h"

/* Pairs of an output and a tap of one dimension whose input lies inside the image. */
static inline double conv_reached(int64_t size, int64_t outputs, int64_t kernel, int64_t stride,
                                  int64_t dilation, int64_t pad)
{
    int64_t reached = 0;
    for (int64_t o = 0; o < outputs; o++) {
        for (int64_t k = 0; k < kernel; k++) {
            const int64_t at = o * stride + k * (dilation + 1) - pad;
            reached += at >= 0 && at < size;
        }
    }
    return (double)reached;
}

/* With products with padding, or without. */
static inline double conv_flops(const struct conv *p, bool padding)
{
    const double products = 2.0 * (double)p->mb * (double)p->oc * (double)(p->ic / p->g);
    if (padding)
        return products * (double)(p->oh * p->ow * p->kh * p->kw);
    return products * conv_reached(p->ih, p->oh, p->kh, p->sh, p->dh, p->ph) *
           conv_reached(p->iw, p->ow, p->kw, p->sw, p->dw, p->pw);
}

#endif
