/* The loops of naive with omp simd, at the base instruction set. */
#define SIMD_REDUCTION _Pragma("omp simd reduction(+ : sum)")
#include "algorithms/conv/naive_conv_fwd.tmpl.h"

const struct variant conv_fwd_naive_simd = {VARIANT_BUILD, NAIVE_CONV};
