/* AVX2, all threads: 6 x 16 floats of C in registers. */
#include "algorithms/gemm/gemm_packed.tmpl.h"

const struct variant gemm_packed_avx2_omp = {VARIANT_BUILD, GEMM_PACKED};
