/* conv_fwd/im2col_scalar: the pass as a matrix product: weights times the column matrix, of which only packed
 * blocks ever exist; the product is the project's own (gemm.tmpl.h), one float at a time. Layout nchw. From
 * 20_blocked: the problem is turned into one the packed micro-kernel solves, at the price of copying. Limited
 * by the FMA ports; by making columns where there are few output channels or tiny images. */
#define VEC_SCALAR
#include "algorithms/conv/im2col_fwd.tmpl.h"

const struct variant conv_fwd_im2col_scalar = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = im2col_fwd_scratch,
    .run = im2col_fwd_run,
};
