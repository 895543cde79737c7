/* conv_bn_infer/folded_direct_sse2_omp: batch normalization folded into the weights and bias (folded.tmpl.h),
 * then the convolution of conv_fwd/direct_sse2_omp: SSE2, tiles shared out to the threads; the bits do not
 * depend on their number. Layouts as the core takes them. Tile sizes as in conv_fwd/40_direct_sse2. From
 * 10_naive: no second pass over dst. Limited as that convolution is; by folding where an image is smaller than
 * the kernel's weights. */
#define TILE_PIXELS 6
#define TILE_VECTORS 2
#include "algorithms/conv/direct_fwd.tmpl.h"

#define FOLDED_SCRATCH direct_scratch
#define FOLDED_RUN direct_run
#include "algorithms/conv/folded.tmpl.h"

const struct variant conv_bn_infer_folded_direct_sse2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = folded_scratch,
    .run = folded_run,
};
