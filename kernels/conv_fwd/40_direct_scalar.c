/* conv_fwd/direct_scalar: forward, direct, from packed operands with a register tile instead of the loops of
 * the rung
 * below. Plain C, one float at a time: the algorithm of the SIMD files without SIMD, and the only one for a
 * machine none of them fits. Layouts nchw, nhwc, nchw16c; blocking: direct_data.tmpl.h.
 * Limited by the FMA ports; for few channels, packing and transposing. */
#define VEC_SCALAR
/* 8 sums: few enough for 16 registers with a pixel and a weight, many enough to hide the latency of an addition. */
#define TILE_PIXELS 4
#define TILE_VECTORS 2
#include "algorithms/conv/direct_fwd.tmpl.h"

const struct variant conv_fwd_direct_scalar = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .flops = direct_flops,
    .scratch_size = direct_scratch,
    .run = direct_run,
};
