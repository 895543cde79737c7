/* conv_bwd_weights/blocked_omp_tiles: 20_blocked with a grid of batch times blocks of four output channels
 * shared out to the threads. Layout nchw. Parts of the batch leave partial sums, added in order, so the bits
 * do not depend on the threads. Limited as 20_blocked is, on each core, and balanced even at batch 1. */
/* Fewer parts than blocked_omp_batch needs, for the channels are split too. */
enum { CHUNKS = 4, SPLIT_CHANNELS = 1 };
#include "algorithms/conv/blocked_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_blocked_omp_tiles = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = blocked_scratch,
    .run = blocked_run,
};
