/* gemm/small_scalar: products too small to be packed: operands are read where they lie
 * (one float at a time, to test its edges anywhere; gemm_small.tmpl.h says why and when).
 * From 40_packed: no copy of A, and of B only where many rows share it.
 * Limited by the FMA ports; by loads where rows of B are short. */
#define VEC_SCALAR
#include "algorithms/gemm/gemm_small.tmpl.h"

const struct variant gemm_small_scalar = {
    VARIANT_BUILD,
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = small_fits,
    .scratch_size = small_scratch,
    .run = small_run,
};
