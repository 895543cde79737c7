/* Images and blocks of four output channels are shared out: balanced even at batch 1. */
enum { SPLIT_CHANNELS = 1 };
#include "algorithms/conv/blocked_conv_fwd.tmpl.h"

const struct variant conv_fwd_blocked_omp_tiles = {VARIANT_BUILD, BLOCKED_CONV_FWD};
