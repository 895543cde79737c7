/* gemm/packed_avx2_omp: 40_packed_avx2 with the panels of A and the tiles of C shared out to the
 * threads. The grid is fixed and k is never split between threads, so the bits do not depend on
 * their number. Limited by the FMA ports of all cores; by the start of two teams where the product
 * is small. */
#include "algorithms/gemm/gemm_packed.tmpl.h"

const struct variant gemm_packed_avx2_omp = {
    VARIANT_BUILD,
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = packed_scratch,
    .run = packed_run,
};
