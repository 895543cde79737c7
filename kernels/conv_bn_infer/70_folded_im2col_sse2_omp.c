/* Im2col with batch normalization folded into its weights: SSE2, all threads. */
#include "algorithms/conv/folded_im2col.tmpl.h"

const struct variant conv_bn_infer_folded_im2col_sse2_omp = {VARIANT_BUILD, FOLDED_IM2COL};
