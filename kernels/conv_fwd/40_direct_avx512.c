/* conv_fwd/direct_avx512: forward, direct, from packed operands with a register tile instead of the loops of
 * the rung
 * below. 16 lanes of oc. Layouts nchw, nhwc, nchw16c; blocking: direct_data.tmpl.h.
 * Limited by the FMA ports; for few channels, packing and transposing. */
/* 24 sums, 4 vectors of weights and 1 pixel fit 32 registers; 10 loads feed 24 FMAs. 6 pointers to pixels fit the
 * general registers, and 64 lanes lose little on 60 channels. */
#define TILE_PIXELS 6
#define TILE_VECTORS 4
#include "algorithms/conv/direct_fwd.tmpl.h"

const struct variant conv_fwd_direct_avx512 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .flops = direct_flops,
    .scratch_size = direct_scratch,
    .run = direct_run,
};
