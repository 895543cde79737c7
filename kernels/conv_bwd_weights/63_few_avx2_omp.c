/* 12 sums, 2 pixels of 1 vector and 1 input fit 16 registers; 3 taps of 3 inputs are 9 of them: 14
 * loads for 18 FMAs. */
#define TILE_SUMS 12
#define TILE_VECTORS 1
#define TILE_PIXELS 2
#include "algorithms/conv/few_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_few_avx2_omp = {VARIANT_BUILD, FEW_BWD_WEIGHTS};
