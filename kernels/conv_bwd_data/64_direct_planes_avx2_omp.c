/* 12 sums, 3 vectors of pixels and 1 weight fit 16 registers; 7 loads feed 12 FMAs. */
#define TILE_OUTPUTS 4
#define TILE_VECTORS 3
#include "algorithms/conv/planes_bwd_data.tmpl.h"

const struct variant conv_bwd_data_direct_planes_avx2_omp = {VARIANT_BUILD, PLANES_BWD_DATA};
