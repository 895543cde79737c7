/* bn_bwd/naive_avx2: the source of naive under the compiler flags of avx2: what flags alone
 * bring. Sums keep their order (no -ffast-math), so they stay scalar. */
#include "naive.tmpl.h"

const struct variant bn_bwd_naive_avx2 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
