/* The loops of blocked under the flags of AVX-512: the same sums pass through L1 in wider
 * vectors. */
enum { SPLIT_CHANNELS = 0 };
#include "algorithms/conv/blocked_conv_fwd.tmpl.h"

const struct variant conv_fwd_blocked_avx512 = {VARIANT_BUILD, BLOCKED_CONV_FWD};
