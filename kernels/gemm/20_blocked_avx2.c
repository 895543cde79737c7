/* gemm/blocked_avx2: the source of 20_blocked again, under the AVX2 + FMA flags of its name. NN, NT and TN.
 * Wider vectors move the same sums through L1 in fewer instructions; that traffic is what limits it. */
#include "algorithms/gemm/blocked_gemm.tmpl.h"

const struct variant gemm_blocked_avx2 = {
    VARIANT_BUILD,
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = blocked_run,
};
