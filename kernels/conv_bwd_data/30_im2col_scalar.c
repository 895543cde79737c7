/* conv_bwd_data/im2col_scalar: transposed weights times diff_dst, blocks of columns, added back to the pixels
 * (col2im); the product is the project's own (gemm.tmpl.h), one float at a time. Layout nchw. From 20_blocked:
 * the problem is turned into one the packed micro-kernel solves, at the price of copying. Limited by the FMA
 * ports; by col2im where there are few output channels. */
#define VEC_SCALAR
#include "algorithms/conv/im2col_bwd_data.tmpl.h"

const struct variant conv_bwd_data_im2col_scalar = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = col2im_scratch,
    .run = col2im_run,
};
