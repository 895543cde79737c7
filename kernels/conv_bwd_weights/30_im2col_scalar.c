/* The gradient of the weights as a matrix product: one float at a time, one thread. */
#define VEC_SCALAR
#include "algorithms/conv/im2col_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_im2col_scalar = {VARIANT_BUILD, IM2COL_BWD_WEIGHTS};
