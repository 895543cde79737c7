/* conv_fwd/direct_neon: forward, direct, from packed operands with a register tile instead of the loops of
 * the rung
 * below. 4 lanes of oc. Layouts nchw, nhwc, nchw16c; blocking: direct_data.tmpl.h.
 * Limited by the FMA ports; for few channels, packing and transposing. */
/* 21 sums, 3 vectors of weights and the pixels a compiler loads ahead fit 32 registers; 24 sums spill. */
#define TILE_PIXELS 7
#define TILE_VECTORS 3
#include "algorithms/conv/direct_fwd.tmpl.h"

const struct variant conv_fwd_direct_neon = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .flops = direct_flops,
    .scratch_size = direct_scratch,
    .run = direct_run,
};
