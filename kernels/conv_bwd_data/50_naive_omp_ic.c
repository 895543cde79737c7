/* conv_bwd_data/naive_omp_ic: 10_naive with the input channels shared out to the threads. Layouts
 * nchw and nhwc. A channel is computed by one thread, so the bits do not depend on their number.
 * Limited as 10_naive is, on each core; with fewer channels than cores some stay idle. */
#define SIMD_LOOP
#include "algorithms/conv/naive_conv_bwd_data.tmpl.h"

const struct variant conv_bwd_data_naive_omp_ic = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = naive_run,
};
