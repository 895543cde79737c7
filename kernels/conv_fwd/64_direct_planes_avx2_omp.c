/* 12 sums, 3 vectors of pixels and 1 weight fit 16 registers; 7 loads feed 12 FMAs. */
#define TILE_OUTPUTS 4
#define TILE_VECTORS 3
#include "algorithms/conv/planes_fwd.tmpl.h"

const struct variant conv_fwd_direct_planes_avx2_omp = {VARIANT_BUILD, PLANES_FWD};
