/* 12 sums, 2 vectors of weights, 1 pixel and 1 product fill the 16 registers. */
#define TILE_PIXELS 6
#define TILE_VECTORS 2
#include "algorithms/conv/direct_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_direct_sse2_omp = {VARIANT_BUILD, DIRECT_BWD_WEIGHTS};
