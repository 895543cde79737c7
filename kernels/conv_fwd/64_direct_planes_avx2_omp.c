/* conv_fwd/direct_planes_avx2_omp: direct convolution with pixels in the lanes and weights broadcast; images and parts
 * of them dealt to threads. direct_avx2_omp has channels in the lanes: it computes whole vectors of them, packs rows
 * one by one and transposes its sums to nchw. Here every lane works, and dst is written from registers; but the input
 * is copied once per kernel column. Layout nchw; blocking: planes_fwd.tmpl.h. Limited by the FMA ports and the loads
 * that feed them; for few outputs by copying, for few inputs by stores of dst. Same bits for any team: a sum is made
 * in one order whatever the tile. */
/* 12 sums, 3 vectors of pixels and 1 weight fit 16 registers; 7 loads feed 12 FMAs. */
#define TILE_OUTPUTS 4
#define TILE_VECTORS 3
#include "algorithms/conv/planes_fwd.tmpl.h"

const struct variant conv_fwd_direct_planes_avx2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = planes_scratch,
    .run = planes_run,
};
