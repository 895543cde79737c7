/* 12 sums, 2 vectors of weights, 1 pixel and 1 product fill the 16 registers. */
#define TILE_PIXELS 6
#define TILE_VECTORS 2
#include "algorithms/conv/direct_bwd_data.tmpl.h"

const struct variant conv_bwd_data_direct_sse2 = {VARIANT_BUILD, DIRECT_DATA};
