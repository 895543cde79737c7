/* 12 sums, 3 vectors of planes and 1 of diff_dst fit 16 registers; 7 loads feed 12 FMAs. */
#define TILE_SUMS 12
#include "algorithms/conv/planes_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_planes_avx2_omp = {VARIANT_BUILD, PLANES_BWD_WEIGHTS};
