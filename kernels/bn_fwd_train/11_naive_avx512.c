/* bn_fwd_train/naive_avx512: the source of naive under the compiler flags of avx512: what flags
 * alone bring. Sums keep their order (no -ffast-math), so they stay scalar. */
#include "naive.tmpl.h"

const struct variant bn_fwd_train_naive_avx512 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
