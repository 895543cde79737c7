/* The loops of naive under the flags of AVX2: what flags alone bring. */
#define SIMD_REDUCTION
#include "algorithms/conv/naive_conv_fwd.tmpl.h"

const struct variant conv_fwd_naive_avx2 = {VARIANT_BUILD, NAIVE_CONV};
