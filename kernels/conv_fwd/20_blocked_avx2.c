/* conv_fwd/blocked_avx2: the source of 20_blocked again, under the AVX2 + FMA flags of its name. Layout nchw.
 * Wider vectors move the same sums through L1 in fewer instructions; that traffic is what limits it. */
enum { SPLIT_CHANNELS = 0 };
#include "algorithms/conv/blocked_conv_fwd.tmpl.h"

const struct variant conv_fwd_blocked_avx2 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = blocked_run,
};
