/* The loops of naive with omp simd, under the flags of AVX2. */
#define SIMD_REDUCTION _Pragma("omp simd reduction(+ : sum)")
#include "algorithms/conv/naive_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_naive_simd_avx2 = {VARIANT_BUILD, NAIVE_CONV};
