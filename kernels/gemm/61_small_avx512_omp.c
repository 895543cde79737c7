/* AVX-512, all threads: 6 x 64 floats of C or 6 x 4 sums of 16 in registers. */
#include "algorithms/gemm/gemm_small.tmpl.h"

const struct variant gemm_small_avx512_omp = {VARIANT_BUILD, GEMM_SMALL};
