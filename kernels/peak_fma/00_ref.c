/* The definition. 64 counters go from 0 by acc = acc * src[0] + src[1], `iterations` times. With
 * src = {1, 1} every counter ends at the number of iterations. */
#include "kernel.h"

static double flops(const struct problem *p, struct formats f)
{
    (void)f;
    return 2.0 * 64 * (double)p->iterations;
}

static void run(const struct args *a)
{
    const float *src = a->t[SRC];
    for (int i = 0; i < 64; i++) {
        double acc = 0;
        for (int64_t n = 0; n < a->problem->iterations; n++)
            acc = acc * src[0] + src[1];
        a->t[DST][i] = (float)acc;
    }
}

const struct variant peak_fma_ref = {
    VARIANT_BUILD,
    .formats = {{FLAT, FLAT}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .flops = flops,
    .run = run,
};
