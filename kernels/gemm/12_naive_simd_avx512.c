/* The loops of naive with omp simd, under the flags of AVX-512. */
#define SIMD_REDUCTION _Pragma("omp simd reduction(+ : sum)")
#include "algorithms/gemm/naive_gemm.tmpl.h"

const struct variant gemm_naive_simd_avx512 = {VARIANT_BUILD, NAIVE_GEMM};
