/* conv_bwd_weights/naive_simd_avx2: 10_naive with `omp simd reduction`: the innermost sum, over an
 * output row, may be reordered and so vectorised; AVX2 + FMA flags. Layouts nchw and nhwc. Limited
 * by loads: two for each multiply-add, nothing is kept in registers. */
#define SIMD_REDUCTION _Pragma("omp simd reduction(+ : sum)")
#include "algorithms/conv/naive_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_naive_simd_avx2 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = naive_run,
};
