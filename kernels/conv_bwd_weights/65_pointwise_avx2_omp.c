/* conv_bwd_weights/pointwise_avx2_omp: kernels of 1x1, gradient of the weights, as a matrix product.
 * Lanes are inputs, so that sums lie as the weights do; direct_avx2_omp turns its sums, and streams a unit of diff_dst
 * from L2 for each of its tiles. Layouts nchw, nhwc, nchw16c; blocking: pointwise_bwd_weights.tmpl.h. Limited by the FMA
 * ports; with few channels on a side, by packing. Same bits for any team. */
/* 12 sums, 3 vectors of src and 1 value of diff_dst fill 16 registers; 7 loads feed 12 FMAs. */
#define TILE_PIXELS 4
#define TILE_VECTORS 3
#include "algorithms/pointwise/pointwise_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_pointwise_avx2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = pointwise_fits,
    .scratch_size = pointwise_scratch,
    .run = pointwise_run,
};
