/* Images and blocks of four input channels are shared out: balanced even at batch 1. */
enum { SPLIT_CHANNELS = 1 };
#include "algorithms/conv/blocked_conv_bwd_data.tmpl.h"

const struct variant conv_bwd_data_blocked_omp_tiles = {VARIANT_BUILD, BLOCKED_CONV_BWD_DATA};
