/* The loops of blocked under the flags of AVX2: the same sums pass through L1 in wider vectors. */
#include "algorithms/gemm/blocked_gemm.tmpl.h"

const struct variant gemm_blocked_avx2 = {VARIANT_BUILD, BLOCKED_GEMM};
