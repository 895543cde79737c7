/* The loops of blocked under the flags of AVX-512: the same sums pass through L1 in wider
 * vectors. */
#include "algorithms/gemm/blocked_gemm.tmpl.h"

const struct variant gemm_blocked_avx512 = {VARIANT_BUILD, BLOCKED_GEMM};
