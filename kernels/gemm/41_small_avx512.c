/* AVX-512, one thread: 6 x 64 floats of C or 6 x 4 sums of 16 in registers. */
#include "algorithms/gemm/gemm_small.tmpl.h"

const struct variant gemm_small_avx512 = {VARIANT_BUILD, GEMM_SMALL};
