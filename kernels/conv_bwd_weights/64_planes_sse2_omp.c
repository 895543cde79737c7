/* 9 sums, 3 vectors of planes, 1 of diff_dst and a product fit 16 registers. */
#define TILE_SUMS 9
#include "algorithms/conv/planes_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_planes_sse2_omp = {VARIANT_BUILD, PLANES_BWD_WEIGHTS};
