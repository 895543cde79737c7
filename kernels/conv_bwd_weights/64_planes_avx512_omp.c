/* 24 sums, up to 6 vectors of planes and 1 of diff_dst fit 32 registers; 10 loads feed 24 FMAs. */
#define TILE_SUMS 24
#include "algorithms/conv/planes_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_planes_avx512_omp = {VARIANT_BUILD, PLANES_BWD_WEIGHTS};
