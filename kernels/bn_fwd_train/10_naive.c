/* bn_fwd_train/naive: the reference's loops in float32, at the base instruction set. Three trips
 * through memory, and each sum waits for the latency of one addition an element. */
#include "naive.tmpl.h"

const struct variant bn_fwd_train_naive = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
