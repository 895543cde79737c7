/* conv_bwd_weights/naive_avx2: the source of 10_naive again, under the AVX2 + FMA flags of its
 * name. Layouts nchw and nhwc. The chain of additions still may not be reordered, so the flags
 * alone buy a fused multiply-add. */
#define SIMD_REDUCTION
#include "algorithms/conv/naive_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_naive_avx2 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = naive_run,
};
