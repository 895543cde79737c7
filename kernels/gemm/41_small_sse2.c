/* SSE2, one thread: 6 x 8 floats of C or 2 x 4 sums of 4 in registers. */
#include "algorithms/gemm/gemm_small.tmpl.h"

const struct variant gemm_small_sse2 = {VARIANT_BUILD, GEMM_SMALL};
