/* peak_fma/avx2_omp: 256-bit FMAs, 8 floats, every core of the team runs its share of the tiles.
 * Limited by the multiply-add ports alone. */
/* Two FMAs a cycle of 4 or 5 cycles each need 8 to 10 chains; twelve and two constants fit 16
 * registers. */
#define CHAINS 12
#include "algorithms/memory/peak_fma.tmpl.h"

const struct variant peak_fma_avx2_omp = {
    VARIANT_BUILD,
    .formats = {{FLAT, FLAT}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = fits,
    .flops = flops,
    .run = run,
};
