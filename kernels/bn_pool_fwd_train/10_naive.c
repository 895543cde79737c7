/* bn_pool_fwd_train/naive: the reference's loops in float32, window by window. Layout nchw. */
#include "kernel.h"

static const bool STATISTICS = true;

#include "algorithms/bn/naive_bn_pool_fwd.tmpl.h"

const struct variant bn_pool_fwd_train_naive = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = TWO_PASS, .thread_invariant = true,
    .run = run,
};
