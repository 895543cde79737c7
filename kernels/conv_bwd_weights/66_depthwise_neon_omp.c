/* 9 sums of as many taps, one of the bias, and the vectors a compiler loads ahead fit 32 registers;
 * 18 sums spill. */
#define TILE_SUMS 12
#include "algorithms/depthwise/depthwise_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_depthwise_neon_omp = {VARIANT_BUILD, DEPTHWISE};
