/* conv_bwd_weights/planes_avx2_omp: pixels of whole images in the lanes, dot products; chunks of images dealt to threads.
 * For few input channels, where direct_avx2_omp spends as long on transposing diff_dst as on products: here it is
 * only copied. Layout nchw; blocking: planes_bwd_weights.tmpl.h. Limited by the copies, by adding up the lanes of the sums
 * once an image, and where the outputs are many by reading diff_dst. Same bits for any team: chunks follow from the
 * problem. */
/* 12 sums, 3 vectors of planes and 1 of diff_dst fit 16 registers; 7 loads feed 12 FMAs. */
#define TILE_SUMS 12
#include "algorithms/conv/planes_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_planes_avx2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = planes_scratch,
    .run = planes_run,
};
