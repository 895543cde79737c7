/* 8 sums, a vector of weights and the input fit 16 registers; loads are the limit. */
#define TILE_VECTORS 8
#define DEPTHWISE_GRADIENT true
#include "algorithms/depthwise/depthwise.tmpl.h"

const struct variant conv_bwd_data_depthwise_avx2_omp = {VARIANT_BUILD, DEPTHWISE};
