/* 16 sums, 2 vectors of src and the values of diff_dst a compiler loads ahead fit 32 registers; 24
 * sums spill. */
#define TILE_PIXELS 8
#define TILE_VECTORS 2
#include "algorithms/pointwise/pointwise_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_pointwise_neon_omp = {VARIANT_BUILD, POINTWISE};
