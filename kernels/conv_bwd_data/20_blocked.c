/* conv_bwd_data/blocked: plain C in cache tiles: a row of diff_dst added to the rows of four input channels
 * while they are in L1. From 10_naive: loops reordered and tiled so that the innermost one runs along memory
 * and the compiler can vectorise it; base flags. Layout nchw. Limited by loads and stores of the sums, which
 * stay in L1 and not in registers. */
enum { SPLIT_CHANNELS = 0 };
#include "algorithms/conv/blocked_conv_bwd_data.tmpl.h"

const struct variant conv_bwd_data_blocked = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = blocked_run,
};
