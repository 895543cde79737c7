/* 9 sums of as many taps, one of the bias and a vector of diff_dst fit 16 registers; FMAs read src
 * from memory. */
#define TILE_SUMS 12
#include "algorithms/depthwise/depthwise_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_depthwise_avx2_omp = {VARIANT_BUILD, DEPTHWISE};
