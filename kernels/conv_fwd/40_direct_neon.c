/* 21 sums, 3 vectors of weights and the pixels a compiler loads ahead fit 32 registers; 24 sums
 * spill. */
#define TILE_PIXELS 7
#define TILE_VECTORS 3
#include "algorithms/conv/direct_fwd.tmpl.h"

const struct variant conv_fwd_direct_neon = {VARIANT_BUILD, DIRECT_DATA};
