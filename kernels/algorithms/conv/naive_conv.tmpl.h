/* The seven loops of the three convolution passes, float32, exactly as a textbook has them. One
 * source for every rung 1x and for 50_naive_omp_*: those files differ only in the compiler flags
 * their names select and in SIMD_REDUCTION, so that what they measure is the flags, the pragma and
 * the threads, nothing else.
 *
 * Layouts nchw and nhwc, by strides. A file defines SIMD_REDUCTION, empty or an OpenMP simd pragma
 * with a reduction over `sum`, then includes this. */
#include "kernel.h"
#include "shared/partition.h"
#include "shared/taps.h"

/* Element x[n][c][h][w] lies at n * strides.n + c * strides.c + h * strides.h + w * strides.w. */
struct strides {
    int64_t n, c, h, w;
};

static inline struct strides naive_strides(enum layout layout, int64_t c, int64_t h, int64_t w)
{
    if (layout == NHWC)
        return (struct strides){h * w * c, 1, w * c, c};
    return (struct strides){c * h * w, h * w, w, 1};
}

static inline struct strides naive_src_strides(const struct args *a)
{
    const struct conv *p = &a->problem->conv;
    return naive_strides(a->formats.src, p->ic, p->ih, p->iw);
}

static inline struct strides naive_dst_strides(const struct args *a)
{
    const struct conv *p = &a->problem->conv;
    return naive_strides(a->formats.dst, p->oc, p->oh, p->ow);
}
