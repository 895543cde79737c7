/* conv_bwd_data/naive: seven loops, one output gradient at a time, float32, the compiler's base
 * flags. From 00_ref: float32 accumulation, and each output gradient scatters instead of each pixel
 * gathering. Layouts nchw and nhwc. No blocking. Limited by additions through memory: neighbouring
 * outputs add to the same pixels, so each waits for the store before it. `speedup_naive` of every
 * row refers to this file. */
#define SIMD_LOOP
#include "algorithms/conv/naive_conv_bwd_data.tmpl.h"

const struct variant conv_bwd_data_naive = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = naive_run,
};
