/* Which convolutions are matrix products over pixels, in all passes: kernels of 1x1 without groups or padding, and each
 * pixel of the result has one of the image. */
#ifndef BATCHMARK_POINTWISE_H
#define BATCHMARK_POINTWISE_H

#include "kernel.h"

static inline const char *pointwise_fits(const struct problem *p, struct formats f)
{
    (void)f;
    const struct conv *c = &p->conv;
    if (c->kh != 1 || c->kw != 1)
        return "kernel is not 1x1";
    if (c->g != 1)
        return "groups";
    if (c->ph || c->pw || (c->oh - 1) * c->sh >= c->ih || (c->ow - 1) * c->sw >= c->iw)
        return "padding";
    return NULL;
}

#define POINTWISE                                                                                  \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}}, .algebra = SUM_OF_PRODUCTS,       \
    .thread_invariant = true, .fits = pointwise_fits, .scratch_size = pointwise_scratch,           \
    .run = pointwise_run

#endif
