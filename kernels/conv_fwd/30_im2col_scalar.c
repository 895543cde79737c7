/* The convolution as a matrix product: one float at a time, one thread. */
#define VEC_SCALAR
#include "algorithms/conv/im2col_fwd.tmpl.h"

const struct variant conv_fwd_im2col_scalar = {VARIANT_BUILD, IM2COL_FWD};
