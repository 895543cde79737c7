/* conv_bwd_weights/naive: seven loops, one weight gradient at a time, float32, the compiler's base
 * flags. From 00_ref: float32 accumulation. Layouts nchw and nhwc. No blocking. It is limited by
 * the latency of one chain of additions, which the compiler may not reorder. `speedup_naive` of
 * every row refers to this file. */
#define SIMD_REDUCTION
#include "algorithms/conv/naive_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_naive = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = naive_run,
};
