/* 8 sums, 2 vectors of pixels, 1 weight and a product fit 16 registers. */
#define TILE_OUTPUTS 4
#define TILE_VECTORS 2
#include "algorithms/conv/planes_fwd.tmpl.h"

const struct variant conv_fwd_direct_planes_sse2_omp = {VARIANT_BUILD, PLANES_FWD};
