/* conv_fwd/blocked_omp_batch: 20_blocked with the batch shared out to the threads. Layout nchw. An image is
 * computed by one thread, so the bits do not depend on their number. Limited as 20_blocked is, on each core;
 * by imbalance where there are few images. */
enum { SPLIT_CHANNELS = 0 };
#include "algorithms/conv/blocked_conv_fwd.tmpl.h"

const struct variant conv_fwd_blocked_omp_batch = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = blocked_run,
};
