/* peak_fma/neon_omp: NEON FMAs, 4 floats, every core of the team runs its share of the tiles.
 * Limited by the multiply-add ports alone. */
/* Four FMAs a cycle of 4 cycles each (the widest cores) need 16 chains; 32 registers hold them. */
#define CHAINS 16
#include "algorithms/memory/peak_fma.tmpl.h"

const struct variant peak_fma_neon_omp = {
    VARIANT_BUILD,
    .formats = {{FLAT, FLAT}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = fits,
    .flops = flops,
    .run = run,
};
