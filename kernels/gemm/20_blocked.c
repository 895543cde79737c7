/* gemm/blocked: plain C in cache tiles: blocks of B copied to L1, four rows of C summed beside them. From
 * 10_naive: loops reordered and tiled so that the innermost one runs along memory and the compiler can
 * vectorise it; base flags. NN, NT and TN. Limited by loads and stores of the sums, which stay in L1 and not
 * in registers. */
#include "algorithms/gemm/blocked_gemm.tmpl.h"

const struct variant gemm_blocked = {
    VARIANT_BUILD,
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = blocked_run,
};
