/* conv_bwd_data/blocked_avx512: the source of 20_blocked again, under the AVX-512 flags of its name. Layout
 * nchw. Wider vectors move the same sums through L1 in fewer instructions; that traffic is what limits it. */
enum { SPLIT_CHANNELS = 0 };
#include "algorithms/conv/blocked_conv_bwd_data.tmpl.h"

const struct variant conv_bwd_data_blocked_avx512 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = blocked_run,
};
