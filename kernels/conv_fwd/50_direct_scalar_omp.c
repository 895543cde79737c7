/* 8 sums: few enough for 16 registers with a pixel and a weight, many enough to hide the latency of
 * an addition. */
#define VEC_SCALAR
#define TILE_PIXELS 4
#define TILE_VECTORS 2
#include "algorithms/conv/direct_fwd.tmpl.h"

const struct variant conv_fwd_direct_scalar_omp = {VARIANT_BUILD, DIRECT_DATA};
