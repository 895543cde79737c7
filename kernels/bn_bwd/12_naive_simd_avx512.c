/* The loops of naive with omp simd, under the flags of AVX-512. */
#include "naive_simd.tmpl.h"

const struct variant bn_bwd_naive_simd_avx512 = {VARIANT_BUILD, NAIVE_BN};
