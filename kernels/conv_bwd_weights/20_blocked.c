/* Plain C in cache tiles at the base instruction set, one thread. */
enum { CHUNKS = 1, SPLIT_CHANNELS = 0 };
#include "algorithms/conv/blocked_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_blocked = {VARIANT_BUILD, BLOCKED_CONV_BWD_WEIGHTS};
