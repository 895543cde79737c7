/* The loops of naive with omp simd, at the base instruction set. */
#define SIMD_REDUCTION _Pragma("omp simd reduction(+ : sum)")
#include "algorithms/conv/naive_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_naive_simd = {VARIANT_BUILD, NAIVE_CONV};
