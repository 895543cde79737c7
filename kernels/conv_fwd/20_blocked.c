/* conv_fwd/blocked: plain C in cache tiles: four output channels times a stretch of an output row summed in
 * L1. From 10_naive: loops reordered and tiled so that the innermost one runs along memory and the compiler
 * can vectorise it; base flags. Layout nchw. Limited by loads and stores of the sums, which stay in L1 and not
 * in registers. */
enum { SPLIT_CHANNELS = 0 };
#include "algorithms/conv/blocked_conv_fwd.tmpl.h"

const struct variant conv_fwd_blocked = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = blocked_run,
};
