/* conv_fwd/direct_planes_neon_omp: direct convolution with pixels in the lanes and weights broadcast; images and parts
 * of them dealt to threads. direct_neon_omp has channels in the lanes: it computes whole vectors of them, packs rows
 * one by one and transposes its sums to nchw. Here every lane works, and dst is written from registers; but the input
 * is copied once per kernel column. Layout nchw; blocking: planes_fwd.tmpl.h. Limited by the FMA ports and the loads
 * that feed them; for few outputs by copying, for few inputs by stores of dst. Same bits for any team: a sum is made
 * in one order whatever the tile. */
/* 16 sums, 4 vectors of pixels and the weights a compiler loads ahead fit 32 registers. */
#define TILE_OUTPUTS 4
#define TILE_VECTORS 4
#include "algorithms/conv/planes_fwd.tmpl.h"

const struct variant conv_fwd_direct_planes_neon_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = planes_scratch,
    .run = planes_run,
};
