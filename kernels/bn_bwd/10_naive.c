/* bn_bwd/naive: the reference's loops in float32, at the base instruction set. Two trips through
 * memory, and each sum waits for the latency of one addition an element. */
#include "naive.tmpl.h"

const struct variant bn_bwd_naive = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
