/* conv_bn_infer/folded_im2col_sse2_omp: batch normalization folded into the weights and bias (folded.tmpl.h),
 * then the convolution of conv_fwd/im2col_sse2_omp: SSE2, tiles shared out to the threads; the bits do not
 * depend on their number. Layout nchw. From 10_naive: no second pass over dst. Limited as that convolution is;
 * by folding where an image is smaller than the kernel's weights. */
#include "algorithms/conv/im2col_fwd.tmpl.h"

#define FOLDED_SCRATCH im2col_fwd_scratch
#define FOLDED_RUN im2col_fwd_run
#include "algorithms/conv/folded.tmpl.h"

const struct variant conv_bn_infer_folded_im2col_sse2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = folded_scratch,
    .run = folded_run,
};
