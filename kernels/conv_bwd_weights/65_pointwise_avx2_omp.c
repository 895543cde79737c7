/* 12 sums, 3 vectors of src and 1 value of diff_dst fill 16 registers; 7 loads feed 12 FMAs. */
#define TILE_PIXELS 4
#define TILE_VECTORS 3
#include "algorithms/pointwise/pointwise_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_pointwise_avx2_omp = {VARIANT_BUILD, POINTWISE};
