/* bn_pool_bwd/fused_avx512: the gradient that the maximum spreads over src is taken window by window and never
 * stored. Limit: bandwidth. */
#include "algorithms/bn/bn_pool_bwd.tmpl.h"
#include "kernel.h"

const struct variant bn_pool_bwd_fused_avx512 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
