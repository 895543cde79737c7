/* gemm/naive_simd_avx512: 10_naive with `omp simd reduction`: the innermost sum, over k, may
 * be reordered and so vectorised; AVX-512 flags. NN, NT and TN. Limited by loads: two for each
 * multiply-add, nothing is kept in registers. */
#define SIMD_REDUCTION _Pragma("omp simd reduction(+ : sum)")
#include "algorithms/gemm/naive_gemm.tmpl.h"

const struct variant gemm_naive_simd_avx512 = {
    VARIANT_BUILD,
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = naive_run,
};
