/* conv_bwd_weights/blocked_avx2: the source of 20_blocked again, under the AVX2 + FMA flags of its name.
 * Layout nchw. Wider vectors move the same sums through L1 in fewer instructions; that traffic is what limits
 * it. */
enum { CHUNKS = 1, SPLIT_CHANNELS = 0 };
#include "algorithms/conv/blocked_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_blocked_avx2 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = blocked_scratch,
    .run = blocked_run,
};
