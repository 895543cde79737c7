/* 24 sums, 4 vectors of pixels and 1 weight fit 32 registers; 10 loads feed 24 FMAs, 4 of them
 * across lines. */
#define TILE_OUTPUTS 6
#define TILE_VECTORS 4
#include "algorithms/conv/rows_fwd.tmpl.h"

const struct variant conv_fwd_rows_avx512_omp = {VARIANT_BUILD, ROWS_FWD};
