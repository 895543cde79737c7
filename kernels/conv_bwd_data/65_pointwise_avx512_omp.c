/* conv_bwd_data/pointwise_avx512_omp: kernels of 1x1, gradient of the data, as a matrix product.
 * One operand is packed just where it is used; direct_avx512_omp packs all weights first and passes few pixels over
 * them. Layouts nchw, nhwc, nchw16c; blocking: pointwise.tmpl.h. Limited by the FMA ports, then by inputs that come
 * from beyond the L2. Same bits for any team. */
/* 24 sums, 4 vectors of weights and 1 pixel fit 32 registers; 10 loads feed 24 FMAs. 6 pointers to pixels fit the
 * general registers, and 64 lanes lose little on 60 channels. */
#define TILE_PIXELS 6
#define TILE_VECTORS 4
#include "kernel.h"

static const bool BACKWARD = true;
#include "algorithms/pointwise/pointwise.tmpl.h"

const struct variant conv_bwd_data_pointwise_avx512_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = pointwise_fits,
    .scratch_size = pointwise_scratch,
    .run = pointwise_run,
};
