/* 20 sums, 4 vectors of planes and those of diff_dst a compiler loads ahead fit 32 registers. */
#define TILE_SUMS 20
#include "algorithms/conv/planes_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_planes_neon_omp = {VARIANT_BUILD, PLANES_BWD_WEIGHTS};
