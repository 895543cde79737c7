/* Im2col with batch normalization folded into its weights: one float at a time, one thread. */
#define VEC_SCALAR
#include "algorithms/conv/folded_im2col.tmpl.h"

const struct variant conv_bn_infer_folded_im2col_scalar = {VARIANT_BUILD, FOLDED_IM2COL};
