/* 8 sums and a vector of weights; more sums in flight than two ports of FMAs have latencies, and
 * loads are the limit. */
#define TILE_VECTORS 8
#define DEPTHWISE_GRADIENT true
#include "algorithms/depthwise/depthwise.tmpl.h"

const struct variant conv_bwd_data_depthwise_avx512_omp = {VARIANT_BUILD, DEPTHWISE};
