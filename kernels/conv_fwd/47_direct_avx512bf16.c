/* As direct_avx512: 24 sums, 4 vectors of weights and 1 pixel fit 32 registers. */
#define TILE_PIXELS 6
#define TILE_VECTORS 4
#include "algorithms/conv/direct_bf16.tmpl.h"

const struct variant conv_fwd_direct_avx512bf16 = {VARIANT_BUILD, DIRECT_BF16};
