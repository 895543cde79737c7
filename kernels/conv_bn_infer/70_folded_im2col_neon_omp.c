/* Im2col with batch normalization folded into its weights: NEON, all threads. */
#include "algorithms/conv/folded_im2col.tmpl.h"

const struct variant conv_bn_infer_folded_im2col_neon_omp = {VARIANT_BUILD, FOLDED_IM2COL};
