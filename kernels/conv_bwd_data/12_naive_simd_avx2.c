/* The loops of naive with omp simd, under the flags of AVX2. */
#define SIMD_LOOP _Pragma("omp simd")
#include "algorithms/conv/naive_conv_bwd_data.tmpl.h"

const struct variant conv_bwd_data_naive_simd_avx2 = {VARIANT_BUILD, NAIVE_CONV};
