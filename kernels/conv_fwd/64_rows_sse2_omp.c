/* 8 sums, 2 vectors of pixels, 1 weight and a product fit 16 registers. */
#define TILE_OUTPUTS 4
#define TILE_VECTORS 2
#include "algorithms/conv/rows_fwd.tmpl.h"

const struct variant conv_fwd_rows_sse2_omp = {VARIANT_BUILD, ROWS_FWD};
