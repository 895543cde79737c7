/* 16 sums, 4 vectors of pixels and the weights a compiler loads ahead fit 32 registers. */
#define TILE_OUTPUTS 4
#define TILE_VECTORS 4
#include "algorithms/conv/rows_fwd.tmpl.h"

const struct variant conv_fwd_rows_neon_omp = {VARIANT_BUILD, ROWS_FWD};
