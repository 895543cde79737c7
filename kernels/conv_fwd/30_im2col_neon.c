/* The convolution as a matrix product: NEON, one thread. */
#include "algorithms/conv/im2col_fwd.tmpl.h"

const struct variant conv_fwd_im2col_neon = {VARIANT_BUILD, IM2COL_FWD};
