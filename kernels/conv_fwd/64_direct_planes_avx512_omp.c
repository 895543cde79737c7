/* 24 sums, 4 vectors of pixels and 1 weight fit 32 registers; 10 loads feed 24 FMAs. */
#define TILE_OUTPUTS 6
#define TILE_VECTORS 4
#include "algorithms/conv/planes_fwd.tmpl.h"

const struct variant conv_fwd_direct_planes_avx512_omp = {VARIANT_BUILD, PLANES_FWD};
