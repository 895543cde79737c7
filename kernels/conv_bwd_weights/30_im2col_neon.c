/* conv_bwd_weights/im2col_neon: diff_dst times the transposed column matrix, partial sums over fixed chunks of
 * pixels; the product is the project's own (gemm.tmpl.h), NEON. Layout nchw. From 20_blocked: the problem is
 * turned into one the packed micro-kernel solves, at the price of copying. Limited by the FMA ports; by making
 * columns where there are few output channels. */
#include "algorithms/conv/im2col_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_im2col_neon = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = grad_scratch,
    .run = grad_run,
};
