/* The loops of naive under the flags of AVX2: what flags alone bring. */
#define SIMD_REDUCTION
#include "algorithms/gemm/naive_gemm.tmpl.h"

const struct variant gemm_naive_avx2 = {VARIANT_BUILD, NAIVE_GEMM};
