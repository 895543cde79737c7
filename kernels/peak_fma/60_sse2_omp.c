/* peak_fma/sse2_omp: SSE2 multiplies and adds (no FMA at this level), 4 floats, every core of the
 * team runs its share of the tiles. Limited by the multiply-add ports alone. */
/* Fourteen chains and two constants fill the 16 registers; two multiplies and two adds a cycle of 3
 * to 4 cycles each need up to 14. */
#define CHAINS 14
#include "algorithms/memory/peak_fma.tmpl.h"

const struct variant peak_fma_sse2_omp = {
    VARIANT_BUILD,
    .formats = {{FLAT, FLAT}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = fits,
    .flops = flops,
    .run = run,
};
