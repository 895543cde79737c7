/* conv_bwd_weights/blocked_omp_batch: 20_blocked with the batch shared out to the threads. Layout nchw. A
 * fixed number of parts of the batch leave partial sums, added in order, so the bits do not depend on the
 * threads. Limited as 20_blocked is, on each core; by imbalance where there are few images. */
/* Enough parts to load the cores of a desktop evenly; each costs a copy of the weights in scratch. */
enum { CHUNKS = 16, SPLIT_CHANNELS = 0 };
#include "algorithms/conv/blocked_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_blocked_omp_batch = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = blocked_scratch,
    .run = blocked_run,
};
