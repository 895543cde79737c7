/* Images and blocks of four output channels are shared out: balanced even at batch 1. Fewer parts
 * than blocked_omp_batch needs, for the channels are split too. */
enum { CHUNKS = 4, SPLIT_CHANNELS = 1 };
#include "algorithms/conv/blocked_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_blocked_omp_tiles = {VARIANT_BUILD, BLOCKED_CONV_BWD_WEIGHTS};
