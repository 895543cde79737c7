/* Dot products of pairs of bfloat16: as many chains as for float32, since 6 cycles of latency at two
 * a cycle need 12. */
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

const struct variant peak_fma_avx512bf16 = {VARIANT_BUILD, PEAK_FMA(pair_flops)};
