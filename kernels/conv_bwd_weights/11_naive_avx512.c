/* conv_bwd_weights/naive_avx512: the source of 10_naive again, under the AVX-512 flags of its name.
 * Layouts nchw and nhwc. The chain of additions still may not be reordered, so the flags alone buy
 * a fused multiply-add. */
#define SIMD_REDUCTION
#include "algorithms/conv/naive_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_naive_avx512 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = naive_run,
};
