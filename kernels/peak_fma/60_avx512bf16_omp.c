/* peak_fma/avx512bf16_omp: 512-bit dot products of pairs of bfloat16, 16 float32 sums, every core of the team runs its
 * share of the tiles.
 * Limited by the ports that do them alone. */
/* As many chains as for float32: 6 cycles of latency at two a cycle need 12. */
#define CHAINS 16
#include "vec/bf16_pairs.h"
/* The bits of 1.0f are the pair (0, 1). */
#define vfma(sum, factor, step) dot_pairs(sum, factor, step)
#include "algorithms/memory/peak_fma.tmpl.h"

/* Two multiply-adds a lane. */
static double pair_flops(const struct problem *p, struct formats f)
{
    return 2 * flops(p, f);
}

const struct variant peak_fma_avx512bf16_omp = {
    VARIANT_BUILD,
    .formats = {{FLAT, FLAT}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = fits,
    .flops = pair_flops,
    .run = run,
};
