/* 16 sums, 4 vectors of pixels and the weights a compiler loads ahead fit 32 registers. */
#define TILE_OUTPUTS 4
#define TILE_VECTORS 4
#include "algorithms/conv/planes_bwd_data.tmpl.h"

const struct variant conv_bwd_data_direct_planes_neon_omp = {VARIANT_BUILD, PLANES_BWD_DATA};
