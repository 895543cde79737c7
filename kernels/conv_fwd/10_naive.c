/* The seven loops at the base instruction set: speedup_naive of every row refers to this file. */
#define SIMD_REDUCTION
#include "algorithms/conv/naive_conv_fwd.tmpl.h"

const struct variant conv_fwd_naive = {VARIANT_BUILD, NAIVE_CONV};
