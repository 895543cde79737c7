/* The loops of blocked under the flags of AVX-512: the same sums pass through L1 in wider
 * vectors. */
enum { SPLIT_CHANNELS = 0 };
#include "algorithms/conv/blocked_conv_bwd_data.tmpl.h"

const struct variant conv_bwd_data_blocked_avx512 = {VARIANT_BUILD, BLOCKED_CONV_BWD_DATA};
