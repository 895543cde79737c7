/* Winograd's F(2x2,3x3) with vectors: SSE2, all threads. */
#include "algorithms/winograd/winograd2.tmpl.h"

const struct variant conv_fwd_winograd2_sse2_omp = {VARIANT_BUILD, WINOGRAD2};
