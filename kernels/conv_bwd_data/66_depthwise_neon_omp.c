/* 8 sums, a vector of weights and the inputs a compiler loads ahead fit 32 registers. */
#define TILE_VECTORS 8
#define DEPTHWISE_GRADIENT true
#include "algorithms/depthwise/depthwise.tmpl.h"

const struct variant conv_bwd_data_depthwise_neon_omp = {VARIANT_BUILD, DEPTHWISE};
