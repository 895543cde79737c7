/* 16 sums, 4 vectors of pixels and the weights a compiler loads ahead fit 32 registers. */
#define TILE_OUTPUTS 4
#define TILE_VECTORS 4
#include "algorithms/conv/planes_fwd.tmpl.h"

const struct variant conv_fwd_direct_planes_neon_omp = {VARIANT_BUILD, PLANES_FWD};
