/* 8 sums fit 16 registers even where a compiler makes vectors of them. */
#define VEC_SCALAR
#define W4_ROWS 4
#define W4_VECTORS 2
#include "algorithms/winograd/winograd4_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_winograd4_scalar = {VARIANT_BUILD, WINOGRAD4};
