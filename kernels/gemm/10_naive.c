/* gemm/naive: three loops, one output at a time, float32, the compiler's base flags.
 * From 00_ref: float32 accumulation. NN, NT and TN. No blocking. It is limited by the latency of
 * one chain of additions, which the compiler may not reorder. `speedup_naive` of every row refers
 * to this file. */
#define SIMD_REDUCTION
#include "algorithms/gemm/naive_gemm.tmpl.h"

const struct variant gemm_naive = {
    VARIANT_BUILD,
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = naive_run,
};
