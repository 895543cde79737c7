/* 12 sums, 2 vectors of weights and 1 pixel fit 16 registers; 8 loads feed 12 FMAs, where the ports
 * allow as many loads as FMAs. */
#define TILE_PIXELS 6
#define TILE_VECTORS 2
#include "algorithms/conv/direct_bwd_data.tmpl.h"

const struct variant conv_bwd_data_direct_avx2_omp = {VARIANT_BUILD, DIRECT_DATA};
