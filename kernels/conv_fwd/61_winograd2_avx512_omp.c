/* conv_fwd/winograd2_avx512_omp: 31_winograd2_avx512 with its blocks of patches shared out to the threads
 * (winograd2.tmpl.h). Layout nchw. The grid is fixed, so the bits do not depend on the number of threads.
 * Limited as 31_winograd2_avx512 is, on every core. */
#include "algorithms/winograd/winograd2.tmpl.h"

const struct variant conv_fwd_winograd2_avx512_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = WINOGRAD_F2,
    .thread_invariant = true,
    .fits = winograd2_fits,
    .scratch_size = winograd2_scratch,
    .flops = winograd2_flops,
    .run = winograd2_run,
};
