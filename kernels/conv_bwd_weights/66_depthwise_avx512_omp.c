/* 18 sums of 9 taps and 2 of the bias, and 2 vectors of diff_dst fit 32 registers; FMAs read src
 * from memory. */
#define TILE_SUMS 20
#include "algorithms/depthwise/depthwise_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_depthwise_avx512_omp = {VARIANT_BUILD, DEPTHWISE};
