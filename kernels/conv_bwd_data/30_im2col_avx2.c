/* The gradient of the data as a matrix product: AVX2, one thread. */
#include "algorithms/conv/im2col_bwd_data.tmpl.h"

const struct variant conv_bwd_data_im2col_avx2 = {VARIANT_BUILD, IM2COL_BWD_DATA};
