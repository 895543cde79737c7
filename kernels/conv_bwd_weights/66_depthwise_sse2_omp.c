/* 9 sums of as many taps, one of the bias, a vector of diff_dst, src and products fit 16
 * registers. */
#define TILE_SUMS 12
#include "algorithms/depthwise/depthwise_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_depthwise_sse2_omp = {VARIANT_BUILD, DEPTHWISE};
