/* conv_fwd/naive_simd_avx512: 10_naive with `omp simd reduction`: the innermost sum, over the taps
 * of a kernel row, may be reordered and so vectorised; AVX-512 flags. Layouts nchw and nhwc. A
 * kernel row holds few taps, so most of a vector stays empty: a pragma does not replace choosing
 * the loop to vectorise. */
#define SIMD_REDUCTION _Pragma("omp simd reduction(+ : sum)")
#include "algorithms/conv/naive_conv_fwd.tmpl.h"

const struct variant conv_fwd_naive_simd_avx512 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = naive_run,
};
