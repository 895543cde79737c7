/* 24 sums, 3 vectors of src and 1 value of diff_dst fit 32 registers; 11 loads feed 24 FMAs. 8 rows
 * divide the outputs of all layers. */
#define TILE_PIXELS 8
#define TILE_VECTORS 3
#include "algorithms/pointwise/pointwise_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_pointwise_avx512_omp = {VARIANT_BUILD, POINTWISE};
