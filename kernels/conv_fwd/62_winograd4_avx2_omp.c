/* conv_fwd/winograd4_avx2_omp: 32_winograd4_avx2 with its blocks of tiles dealt to the threads
 * (winograd4_data.tmpl.h). The grid is fixed, so the bits do not depend on their number. Limited as
 * 32_winograd4_avx2 is, on every core. */
/* 12 sums, 2 vectors of U and 1 broadcast fit 16 registers; 8 loads feed 12 FMAs. */
#define W4_ROWS 6
#define W4_VECTORS 2
#include "algorithms/winograd/winograd4_fwd.tmpl.h"

const struct variant conv_fwd_winograd4_avx2_omp = {
    VARIANT_BUILD,          .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = WINOGRAD_F4, .thread_invariant = true,
    .fits = w4_fits,        .scratch_size = w4_scratch,
    .flops = w4_flops,      .run = w4_run,
};
