/* The seven loops at the base instruction set: speedup_naive of every row refers to this file. */
#define SIMD_LOOP
#include "algorithms/conv/naive_conv_bwd_data.tmpl.h"

const struct variant conv_bwd_data_naive = {VARIANT_BUILD, NAIVE_CONV};
