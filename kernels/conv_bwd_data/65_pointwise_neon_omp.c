/* 21 sums, 3 vectors of weights and the pixels a compiler loads ahead fit 32 registers; 24 sums
 * spill. */
#define TILE_PIXELS 7
#define TILE_VECTORS 3
#define BACKWARD true
#include "algorithms/pointwise/pointwise.tmpl.h"

const struct variant conv_bwd_data_pointwise_neon_omp = {VARIANT_BUILD, POINTWISE};
