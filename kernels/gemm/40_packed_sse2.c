/* SSE2, one thread: 6 x 8 floats of C in registers. */
#include "algorithms/gemm/gemm_packed.tmpl.h"

const struct variant gemm_packed_sse2 = {VARIANT_BUILD, GEMM_PACKED};
