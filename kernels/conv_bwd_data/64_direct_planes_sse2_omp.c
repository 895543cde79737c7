/* 8 sums, 2 vectors of pixels, 1 weight and a product fit 16 registers. */
#define TILE_OUTPUTS 4
#define TILE_VECTORS 2
#include "algorithms/conv/planes_bwd_data.tmpl.h"

const struct variant conv_bwd_data_direct_planes_sse2_omp = {VARIANT_BUILD, PLANES_BWD_DATA};
