/* The convolution as a matrix product: SSE2, one thread. */
#include "algorithms/conv/im2col_fwd.tmpl.h"

const struct variant conv_fwd_im2col_sse2 = {VARIANT_BUILD, IM2COL_FWD};
