/* gemm/small_sse2: products too small to be packed: operands are read where they lie
 * (6 x 8 floats of C or 2 x 4 sums of 4 in registers; gemm_small.tmpl.h says why and when).
 * From 40_packed: no copy of A, and of B only where many rows share it.
 * Limited by the FMA ports; by loads where rows of B are short. */
#include "algorithms/gemm/gemm_small.tmpl.h"

const struct variant gemm_small_sse2 = {
    VARIANT_BUILD,
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = small_fits,
    .scratch_size = small_scratch,
    .run = small_run,
};
