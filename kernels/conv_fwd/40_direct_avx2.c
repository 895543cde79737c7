/* conv_fwd/direct_avx2: forward, direct, from packed operands with a register tile instead of the loops of
 * the rung
 * below. 8 lanes of oc. Layouts nchw, nhwc, nchw16c; blocking: direct_data.tmpl.h.
 * Limited by the FMA ports; for few channels, packing and transposing. */
/* 12 sums, 2 vectors of weights and 1 pixel fit 16 registers; 8 loads feed 12 FMAs, where the ports allow as many
 * loads as FMAs. */
#define TILE_PIXELS 6
#define TILE_VECTORS 2
#include "algorithms/conv/direct_fwd.tmpl.h"

const struct variant conv_fwd_direct_avx2 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .flops = direct_flops,
    .scratch_size = direct_scratch,
    .run = direct_run,
};
