/* The plain loop at the base instruction set, one thread. The compiler may call memcpy. Limited by
 * bandwidth, in the caches by the width of the base vectors. */
#include "kernel.h"

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    int64_t n = p->mb * p->ic * p->ih * p->iw;
    const float *restrict src = a->t[SRC];
    float *restrict dst = a->t[DST];
    for (int64_t i = 0; i < n; i++)
        dst[i] = src[i];
}

const struct variant copy_naive = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = EXACT, .thread_invariant = true,
    .run = run,
};
