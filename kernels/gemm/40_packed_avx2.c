/* AVX2, one thread: 6 x 16 floats of C in registers. */
#include "algorithms/gemm/gemm_packed.tmpl.h"

const struct variant gemm_packed_avx2 = {VARIANT_BUILD, GEMM_PACKED};
