/* conv_bwd_weights/pointwise_sse2_omp: kernels of 1x1, gradient of the weights, as a matrix product.
 * Lanes are inputs, so that sums lie as the weights do; direct_sse2_omp turns its sums, and streams a unit of diff_dst
 * from L2 for each of its tiles. Layouts nchw, nhwc, nchw16c; blocking: pointwise_bwd_weights.tmpl.h. Limited by the FMA
 * ports; with few channels on a side, by packing. Same bits for any team. */
/* 8 sums, 2 vectors of src, 1 value of diff_dst and 1 product fit 16 registers. */
#define TILE_PIXELS 4
#define TILE_VECTORS 2
#include "algorithms/pointwise/pointwise_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_pointwise_sse2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = pointwise_fits,
    .scratch_size = pointwise_scratch,
    .run = pointwise_run,
};
