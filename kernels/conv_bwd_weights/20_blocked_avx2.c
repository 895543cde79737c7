/* The loops of blocked under the flags of AVX2: the same sums pass through L1 in wider vectors. */
enum { CHUNKS = 1, SPLIT_CHANNELS = 0 };
#include "algorithms/conv/blocked_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_blocked_avx2 = {VARIANT_BUILD, BLOCKED_CONV_BWD_WEIGHTS};
