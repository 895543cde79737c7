/* conv_bwd_weights/pointwise_avx512_omp: kernels of 1x1, gradient of the weights, as a matrix product.
 * Lanes are inputs, so that sums lie as the weights do; direct_avx512_omp turns its sums, and streams a unit of diff_dst
 * from L2 for each of its tiles. Layouts nchw, nhwc, nchw16c; blocking: pointwise_bwd_weights.tmpl.h. Limited by the FMA
 * ports: in nchw16c at stride 1, where nothing is packed, deep layers reach 93 to 97 % of their peak on a Zen 4;
 * elsewhere, with few channels on a side, by packing. Same bits for any team. */
/* 24 sums, 3 vectors of src and 1 value of diff_dst fit 32 registers; 11 loads feed 24 FMAs. 8 rows divide the outputs of
 * all layers. */
#define TILE_PIXELS 8
#define TILE_VECTORS 3
#include "algorithms/pointwise/pointwise_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_pointwise_avx512_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = pointwise_fits,
    .scratch_size = pointwise_scratch,
    .run = pointwise_run,
};
