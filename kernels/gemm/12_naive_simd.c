/* The loops of naive with omp simd, at the base instruction set. */
#define SIMD_REDUCTION _Pragma("omp simd reduction(+ : sum)")
#include "algorithms/gemm/naive_gemm.tmpl.h"

const struct variant gemm_naive_simd = {VARIANT_BUILD, NAIVE_GEMM};
