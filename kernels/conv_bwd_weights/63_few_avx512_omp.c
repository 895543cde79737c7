/* 24 sums, 2 pixels of 2 vectors and 1 input fit 32 registers; 3 taps of 3 inputs are 18 of
 * them: 16 loads for 36 FMAs. 4 pixels need fewer loads, and are no faster where diff_dst comes
 * from L2. */
#define TILE_SUMS 24
#define TILE_VECTORS 2
#define TILE_PIXELS 2
#include "algorithms/conv/few_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_few_avx512_omp = {VARIANT_BUILD, FEW_BWD_WEIGHTS};
