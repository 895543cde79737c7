/* conv_bwd_data/direct_sse2: gradient of the data, direct, from packed operands with a register tile instead
 * of the loops of the rung
 * below. 4 lanes of ic, multiply and add apart. Layouts nchw, nhwc, nchw16c; blocking: direct_data.tmpl.h.
 * Limited by the FMA ports; with a stride, scattered stores. */
/* 12 sums, 2 vectors of weights, 1 pixel and 1 product fill the 16 registers. */
#define TILE_PIXELS 6
#define TILE_VECTORS 2
#include "algorithms/conv/direct_bwd_data.tmpl.h"

const struct variant conv_bwd_data_direct_sse2 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .flops = direct_flops,
    .scratch_size = direct_scratch,
    .run = direct_run,
};
