/* The seven loops of the three convolution passes in float32, as in a textbook. All files of rung 1x
 * and 50_naive_omp_* have this one source. They differ only in SIMD_REDUCTION and in the compiler
 * flags that their names select, so they measure only the flags, the pragma and the threads.
 *
 * Limited by the latency of one chain of additions, which the compiler may not reorder: what flags
 * alone gain is a fused multiply-add. The pragma allows vectors in the innermost sum. Forward, that
 * is a sum over the few taps of a kernel row, so most of a vector stays empty. For the weights it is
 * a sum over an output row, limited by two loads for each multiply-add. One thread computes a
 * channel: the bits do not depend on the number of threads; with fewer channels some threads wait.
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

#define NAIVE_CONV                                                                                 \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true, \
    .run = naive_run
