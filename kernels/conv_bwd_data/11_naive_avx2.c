/* The loops of naive under the flags of AVX2: what flags alone bring. */
#define SIMD_LOOP
#include "algorithms/conv/naive_conv_bwd_data.tmpl.h"

const struct variant conv_bwd_data_naive_avx2 = {VARIANT_BUILD, NAIVE_CONV};
