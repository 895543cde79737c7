/* Im2col with batch normalization folded into its weights: AVX2, one thread. */
#include "algorithms/conv/folded_im2col.tmpl.h"

const struct variant conv_bn_infer_folded_im2col_avx2 = {VARIANT_BUILD, FOLDED_IM2COL};
