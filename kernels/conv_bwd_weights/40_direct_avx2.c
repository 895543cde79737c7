/* conv_bwd_weights/direct_avx2: gradient of weights and bias, direct, from packed operands with a register
 * tile instead of the loops of the rung
 * below. 8 lanes of oc. Layouts nchw, nhwc, nchw16c; blocking: direct_bwd_weights.tmpl.h.
 * Limited by the FMA ports; for small images, packing. */
/* 12 sums, 2 vectors of weights and 1 pixel fit 16 registers; 8 loads feed 12 FMAs, where the ports allow as many
 * loads as FMAs. */
#define TILE_PIXELS 6
#define TILE_VECTORS 2
#include "algorithms/conv/direct_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_direct_avx2 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = direct_scratch,
    .run = direct_run,
};
