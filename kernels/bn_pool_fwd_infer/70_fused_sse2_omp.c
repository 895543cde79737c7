/* bn_pool_fwd_infer/fused_sse2_omp: normalization by given statistics, ReLU and maximum window by window: the normalized
 * tensor is never stored. Limit: bandwidth. */
#include "kernel.h"

static const bool STATISTICS = false;

#include "algorithms/bn/bn_pool_fwd.tmpl.h"

const struct variant bn_pool_fwd_infer_fused_sse2_omp = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = TWO_PASS, .thread_invariant = true,
    .run = run,
};
