/* The loops of naive under the flags of AVX-512: what flags alone bring. */
#define SIMD_REDUCTION
#include "algorithms/conv/naive_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_naive_avx512 = {VARIANT_BUILD, NAIVE_CONV};
