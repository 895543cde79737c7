/* 24 sums, 4 vectors of weights and 1 pixel fit 32 registers; 10 loads feed 24 FMAs. 6 pointers to
 * pixels fit the general registers, and 64 lanes lose little on 60 channels. */
#define TILE_PIXELS 6
#define TILE_VECTORS 4
#define BACKWARD true
#include "algorithms/pointwise/pointwise.tmpl.h"

const struct variant conv_bwd_data_pointwise_avx512_omp = {VARIANT_BUILD, POINTWISE};
