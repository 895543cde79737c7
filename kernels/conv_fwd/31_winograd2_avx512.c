/* Winograd's F(2x2,3x3) with vectors: AVX-512, one thread. */
#include "algorithms/winograd/winograd2.tmpl.h"

const struct variant conv_fwd_winograd2_avx512 = {VARIANT_BUILD, WINOGRAD2};
