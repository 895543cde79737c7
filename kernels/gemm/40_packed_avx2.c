/* gemm/packed_avx2: blocked, packed, tiles of C in registers (AVX2: 6 x 16 floats; gemm.tmpl.h says
 * why). From 20_blocked: packing, so that the innermost loop reads both operands in order, and a
 * micro-kernel of intrinsics. NN, NT and TN. Limited by the FMA ports; by packing where few rows
 * share a panel. */
#include "algorithms/gemm/gemm_packed.tmpl.h"

const struct variant gemm_packed_avx2 = {
    VARIANT_BUILD,
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = packed_scratch,
    .run = packed_run,
};
