/* 8 sums, a vector of weights, inputs and products fit 16 registers. */
#define TILE_VECTORS 8
#define DEPTHWISE_GRADIENT false
#include "algorithms/depthwise/depthwise.tmpl.h"

const struct variant conv_fwd_depthwise_sse2_omp = {VARIANT_BUILD, DEPTHWISE};
