/* The seven loops at the base instruction set: speedup_naive of every row refers to this file. */
#define SIMD_REDUCTION
#include "algorithms/conv/naive_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_naive = {VARIANT_BUILD, NAIVE_CONV};
