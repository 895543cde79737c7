/* conv_fwd/direct_planes_avx512_omp: direct convolution with pixels in the lanes and weights broadcast; images and
 * parts of them dealt to threads. direct_avx512_omp has channels in the lanes: it computes whole vectors of them,
 * packs rows one by one and transposes its sums to nchw. Here every lane works, and dst is written from registers; but
 * the input is copied once per kernel column, unless the kernel is 1x1 at stride 1: then it is read where it lies. Layout
 * nchw; blocking: planes_fwd.tmpl.h. Limited by the FMA ports and the loads that feed them: on two cores of a Sapphire
 * Rapids the layers of 60 channels reach 63 (8x8) to 76 % (32x32) of the FMA peak, direct_avx512_omp beside it 51 to 62;
 * on two of a Zen 4 deep kernels of 1x1 reach 90 and more. Copies weigh most for few outputs, calls and stores of dst
 * for few inputs: below some ten inputs rows_avx512_omp is faster where rows fill vectors. Same bits for any team: a
 * sum is made in one order whatever the tile. */
/* 24 sums, 4 vectors of pixels and 1 weight fit 32 registers; 10 loads feed 24 FMAs. */
#define TILE_OUTPUTS 6
#define TILE_VECTORS 4
#include "algorithms/conv/planes_fwd.tmpl.h"

const struct variant conv_fwd_direct_planes_avx512_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = planes_scratch,
    .run = planes_run,
};
