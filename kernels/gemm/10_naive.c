/* The three loops at the base instruction set: speedup_naive of every row refers to this file. */
#define SIMD_REDUCTION
#include "algorithms/gemm/naive_gemm.tmpl.h"

const struct variant gemm_naive = {VARIANT_BUILD, NAIVE_GEMM};
