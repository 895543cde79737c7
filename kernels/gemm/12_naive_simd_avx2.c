/* The loops of naive with omp simd, under the flags of AVX2. */
#define SIMD_REDUCTION _Pragma("omp simd reduction(+ : sum)")
#include "algorithms/gemm/naive_gemm.tmpl.h"

const struct variant gemm_naive_simd_avx2 = {VARIANT_BUILD, NAIVE_GEMM};
