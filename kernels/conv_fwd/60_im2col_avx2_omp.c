/* The convolution as a matrix product: AVX2, all threads. */
#include "algorithms/conv/im2col_fwd.tmpl.h"

const struct variant conv_fwd_im2col_avx2_omp = {VARIANT_BUILD, IM2COL_FWD};
