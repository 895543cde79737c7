/* The gradient of the weights as a matrix product: SSE2, one thread. */
#include "algorithms/conv/im2col_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_im2col_sse2 = {VARIANT_BUILD, IM2COL_BWD_WEIGHTS};
