/* conv_bwd_weights/blocked: plain C in cache tiles: four planes of diff_dst stay in cache while all taps pass
 * over them. From 10_naive: loops reordered and tiled so that the innermost one runs along memory and the
 * compiler can vectorise it; base flags. Layout nchw. Limited by loads and stores of the sums, which stay in
 * L1 and not in registers. */
enum { CHUNKS = 1, SPLIT_CHANNELS = 0 };
#include "algorithms/conv/blocked_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_blocked = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = blocked_scratch,
    .run = blocked_run,
};
