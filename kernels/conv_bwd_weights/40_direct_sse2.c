/* conv_bwd_weights/direct_sse2: gradient of weights and bias, direct, from packed operands with a register
 * tile instead of the loops of the rung
 * below. 4 lanes of oc, multiply and add apart. Layouts nchw, nhwc, nchw16c; blocking:
 * direct_bwd_weights.tmpl.h.
 * Limited by the FMA ports; for small images, packing. */
/* 12 sums, 2 vectors of weights, 1 pixel and 1 product fill the 16 registers. */
#define TILE_PIXELS 6
#define TILE_VECTORS 2
#include "algorithms/conv/direct_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_direct_sse2 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = direct_scratch,
    .run = direct_run,
};
