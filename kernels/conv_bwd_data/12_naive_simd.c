/* The loops of naive with omp simd, at the base instruction set. */
#define SIMD_LOOP _Pragma("omp simd")
#include "algorithms/conv/naive_conv_bwd_data.tmpl.h"

const struct variant conv_bwd_data_naive_simd = {VARIANT_BUILD, NAIVE_CONV};
