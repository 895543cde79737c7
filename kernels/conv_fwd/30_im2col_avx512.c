/* The convolution as a matrix product: AVX-512, one thread. */
#include "algorithms/conv/im2col_fwd.tmpl.h"

const struct variant conv_fwd_im2col_avx512 = {VARIANT_BUILD, IM2COL_FWD};
