/* conv_fwd/im2col_neon_omp: 30_im2col_neon with its tiles shared out to the threads (im2col_fwd.tmpl.h).
 * Layout nchw. The grid is fixed, so the bits do not depend on the number of threads. Limited as
 * 30_im2col_neon is, on every core. */
#include "algorithms/conv/im2col_fwd.tmpl.h"

const struct variant conv_fwd_im2col_neon_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = im2col_fwd_scratch,
    .run = im2col_fwd_run,
};
