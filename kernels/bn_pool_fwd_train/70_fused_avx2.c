/* bn_pool_fwd_train/fused_avx2: the statistics, then normalization, ReLU and maximum window by window: the normalized
 * tensor is never stored. Limit: bandwidth. */
#include "kernel.h"

static const bool STATISTICS = true;

#include "algorithms/bn/bn_pool_fwd.tmpl.h"

const struct variant bn_pool_fwd_train_fused_avx2 = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = TWO_PASS, .thread_invariant = true,
    .run = run,
};
