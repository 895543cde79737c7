/* The gradient of the weights as a matrix product: AVX-512, all threads. */
#include "algorithms/conv/im2col_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_im2col_avx512_omp = {VARIANT_BUILD, IM2COL_BWD_WEIGHTS};
