/* bn_fwd_infer/naive_simd: the loop of naive with omp simd on it, at the base instruction set.
 * There is no sum to reorder, so it shows what the pragma brings where the compiler could already
 * see that the loop is parallel. One trip through memory. */
#include "naive_simd.tmpl.h"

const struct variant bn_fwd_infer_naive_simd = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
