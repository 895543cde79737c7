/* conv_bwd_data/naive_avx512: the source of 10_naive again, under the AVX-512 flags of its name.
 * Layouts nchw and nhwc. The additions still go through memory in the same order. */
#define SIMD_LOOP
#include "algorithms/conv/naive_conv_bwd_data.tmpl.h"

const struct variant conv_bwd_data_naive_avx512 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = naive_run,
};
