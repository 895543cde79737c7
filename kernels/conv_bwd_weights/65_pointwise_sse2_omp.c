/* 8 sums, 2 vectors of src, 1 value of diff_dst and 1 product fit 16 registers. */
#define TILE_PIXELS 4
#define TILE_VECTORS 2
#include "algorithms/pointwise/pointwise_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_pointwise_sse2_omp = {VARIANT_BUILD, POINTWISE};
