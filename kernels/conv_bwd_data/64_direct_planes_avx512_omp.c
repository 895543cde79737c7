/* 24 sums, 4 vectors of pixels and 1 weight fit 32 registers; 10 loads feed 24 FMAs. */
#define TILE_OUTPUTS 6
#define TILE_VECTORS 4
#include "algorithms/conv/planes_bwd_data.tmpl.h"

const struct variant conv_bwd_data_direct_planes_avx512_omp = {VARIANT_BUILD, PLANES_BWD_DATA};
