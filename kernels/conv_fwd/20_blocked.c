/* Plain C in cache tiles at the base instruction set, one thread. */
enum { SPLIT_CHANNELS = 0 };
#include "algorithms/conv/blocked_conv_fwd.tmpl.h"

const struct variant conv_fwd_blocked = {VARIANT_BUILD, BLOCKED_CONV_FWD};
