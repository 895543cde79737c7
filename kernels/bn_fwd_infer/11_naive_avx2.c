/* bn_fwd_infer/naive_avx2: the source of naive under the compiler flags of avx2: what flags alone
 * bring. There are no sums here, so the compiler may vectorise the loop. */
#include "naive.tmpl.h"

const struct variant bn_fwd_infer_naive_avx2 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
