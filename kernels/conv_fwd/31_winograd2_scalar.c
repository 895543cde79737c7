/* Winograd's F(2x2,3x3) with vectors: one float at a time, one thread. */
#define VEC_SCALAR
#include "algorithms/winograd/winograd2.tmpl.h"

const struct variant conv_fwd_winograd2_scalar = {VARIANT_BUILD, WINOGRAD2};
