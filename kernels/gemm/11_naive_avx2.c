/* gemm/naive_avx2: the source of 10_naive again, under the AVX2 + FMA flags of its name.
 * NN, NT and TN. The chain of additions still may not be reordered, so the flags alone buy a fused
 * multiply-add. */
#define SIMD_REDUCTION
#include "algorithms/gemm/naive_gemm.tmpl.h"

const struct variant gemm_naive_avx2 = {
    VARIANT_BUILD,
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = naive_run,
};
