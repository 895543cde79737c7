/* bn_fwd_infer/naive: the reference's loops in float32, at the base instruction set. One trip
 * through memory. */
#include "naive.tmpl.h"

const struct variant bn_fwd_infer_naive = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
