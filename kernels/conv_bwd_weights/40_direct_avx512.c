/* 24 sums, 4 vectors of weights and 1 pixel fit 32 registers; 10 loads feed 24 FMAs. 6 pointers to
 * pixels fit the general registers, and 64 lanes lose little on 60 channels. */
#define TILE_PIXELS 6
#define TILE_VECTORS 4
#include "algorithms/conv/direct_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_direct_avx512 = {VARIANT_BUILD, DIRECT_BWD_WEIGHTS};
