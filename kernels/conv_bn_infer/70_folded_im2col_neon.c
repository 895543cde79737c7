/* Im2col with batch normalization folded into its weights: NEON, one thread. */
#include "algorithms/conv/folded_im2col.tmpl.h"

const struct variant conv_bn_infer_folded_im2col_neon = {VARIANT_BUILD, FOLDED_IM2COL};
