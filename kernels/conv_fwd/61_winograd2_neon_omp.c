/* Winograd's F(2x2,3x3) with vectors: NEON, all threads. */
#include "algorithms/winograd/winograd2.tmpl.h"

const struct variant conv_fwd_winograd2_neon_omp = {VARIANT_BUILD, WINOGRAD2};
