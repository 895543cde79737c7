/* 8 sums fit 16 registers even where a compiler makes vectors of them. */
#define VEC_SCALAR
#define W4_ROWS 4
#define W4_VECTORS 2
#include "algorithms/winograd/winograd4_fwd.tmpl.h"

const struct variant conv_fwd_winograd4_scalar = {VARIANT_BUILD, WINOGRAD4};
