/* conv_bwd_data/naive_simd: 10_naive with `omp simd` on the innermost loop, the taps of a kernel
 * row; base flags. Layouts nchw and nhwc. A kernel row holds few taps, so most of a vector stays
 * empty: a pragma does not replace choosing the loop to vectorise. */
#define SIMD_LOOP _Pragma("omp simd")
#include "algorithms/conv/naive_conv_bwd_data.tmpl.h"

const struct variant conv_bwd_data_naive_simd = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = naive_run,
};
