/* gemm/packed_scalar: blocked, packed, tiles of C in registers (one float at a time: 6 x 2 floats;
 * gemm.tmpl.h says why). From 20_blocked: packing, so that the innermost loop reads both operands
 * in order, and a micro-kernel of intrinsics. NN, NT and TN. The same algorithm at V = 1: runs and
 * is checked on any machine, tails included. */
#define VEC_SCALAR
#include "algorithms/gemm/gemm_packed.tmpl.h"

const struct variant gemm_packed_scalar = {
    VARIANT_BUILD,
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = packed_scratch,
    .run = packed_run,
};
