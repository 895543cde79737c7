/* AVX-512, all threads: 14 x 32 floats of C in registers. */
#include "algorithms/gemm/gemm_packed.tmpl.h"

const struct variant gemm_packed_avx512_omp = {VARIANT_BUILD, GEMM_PACKED};
