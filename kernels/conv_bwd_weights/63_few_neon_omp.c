/* 18 sums, 3 taps of 3 inputs, 2 pixels of 2 vectors and 1 input leave what compilers load ahead;
 * 24 sums spill. */
#define TILE_SUMS 18
#define TILE_VECTORS 2
#define TILE_PIXELS 2
#include "algorithms/conv/few_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_few_neon_omp = {VARIANT_BUILD, FEW_BWD_WEIGHTS};
