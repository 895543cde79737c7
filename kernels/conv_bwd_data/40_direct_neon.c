/* conv_bwd_data/direct_neon: gradient of the data, direct, from packed operands with a register tile instead
 * of the loops of the rung
 * below. 4 lanes of ic. Layouts nchw, nhwc, nchw16c; blocking: direct_data.tmpl.h.
 * Limited by the FMA ports; with a stride, scattered stores. */
/* 21 sums, 3 vectors of weights and the pixels a compiler loads ahead fit 32 registers; 24 sums spill. */
#define TILE_PIXELS 7
#define TILE_VECTORS 3
#include "algorithms/conv/direct_bwd_data.tmpl.h"

const struct variant conv_bwd_data_direct_neon = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .flops = direct_flops,
    .scratch_size = direct_scratch,
    .run = direct_run,
};
