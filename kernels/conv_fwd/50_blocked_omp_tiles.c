/* conv_fwd/blocked_omp_tiles: 20_blocked with a grid of batch times blocks of four output channels shared out
 * to the threads. Layout nchw. A tile is computed by one thread, so the bits do not depend on their number.
 * Limited as 20_blocked is, on each core, and balanced even at batch 1. */
enum { SPLIT_CHANNELS = 1 };
#include "algorithms/conv/blocked_conv_fwd.tmpl.h"

const struct variant conv_fwd_blocked_omp_tiles = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = blocked_run,
};
