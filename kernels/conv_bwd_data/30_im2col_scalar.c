/* The gradient of the data as a matrix product: one float at a time, one thread. */
#define VEC_SCALAR
#include "algorithms/conv/im2col_bwd_data.tmpl.h"

const struct variant conv_bwd_data_im2col_scalar = {VARIANT_BUILD, IM2COL_BWD_DATA};
