/* gemm/small_sse2_omp: 41_small_sse2 with tiles of C shared out to the threads that have enough to do to be worth
 * waking; the grid follows from the problem, so bits do not depend on their number. Limited by the FMA ports of all
 * cores, and by the start of a team. */
#include "algorithms/gemm/gemm_small.tmpl.h"

const struct variant gemm_small_sse2_omp = {
    VARIANT_BUILD,
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = small_fits,
    .scratch_size = small_scratch,
    .run = small_run,
};
